package body

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
)

// TestGoldenRef holds the row of a far value, and that of its file.
func TestGoldenRef(t *testing.T) {
	r := far.Ref{Number: far.InValues | 0x0102, At: 0x1112131415, Size: 0x21222324, Sum: 0x3132333435363738}
	row := AppendRow(nil, memtable.Far, r.Append(nil))
	kind, v, err := SplitRow(golden.Hex(t, "ref.v1.hex", row))
	got, err2 := far.DecodeRef(v)
	if err != nil || err2 != nil || kind != memtable.Far || got != r {
		t.Errorf("decoded %d %+v, %v, %v", kind, got, err, err2)
	}
}

// TestGoldenBody holds what a commit writes to the log.
func TestGoldenBody(t *testing.T) {
	b := AppendSet(nil, layout.Objects, []byte("key"), []byte("val"), []byte("ue"))
	b = AppendDelete(b, layout.Timers, nil)
	b = AppendSet(b, layout.Mail, []byte("far"), bytes.Repeat([]byte("x"), FarSize))
	cut := bytes.TrimRight(b, "x")
	got := golden.Hex(t, "body.v1.hex", cut)
	var out []string
	err := Each(append(got, bytes.Repeat([]byte("x"), FarSize)...), func(c Change) error {
		out = append(out, fmt.Sprintf("%d %s %d", c.Kind, c.Key, len(c.Value)))
		return nil
	})
	if want := "1 okey 5, 2 t 0, 3 mfar 8192"; err != nil || strings.Join(out, ", ") != want {
		t.Errorf("decoded %s, %v", out, err)
	}
}

// FuzzBody reads the body of a commit: whatever it is, every change lies within
// it, and what is written from the changes reads the same.
func FuzzBody(f *testing.F) {
	b := AppendSet(nil, layout.Objects, []byte("key"), []byte("value"))
	b = AppendDelete(b, layout.Timers, []byte("key"))
	f.Add(bytes.Clone(b))
	f.Add(AppendSet(b, layout.Objects, nil, make([]byte, FarSize)))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, p []byte) {
		var first, second []string
		var again []byte
		same := true // what our own code would write
		err := Each(p, func(c Change) error {
			if c.Kind != memtable.Delete && !bytes.Equal(p[c.At:c.At+len(c.Value)], c.Value) {
				t.Errorf("%x: the value of %x is not at %d", p, c.Key, c.At)
			}
			first = append(first, fmt.Sprintf("%d %x %x", c.Kind, c.Key, c.Value))
			if c.Kind == memtable.Delete {
				again = AppendDelete(again, layout.Table(c.Key[0]), c.Key[1:])
				return nil
			}
			far := c.Kind == memtable.Far
			same = same && far == (len(c.Value) >= FarSize) && (!far || c.Sum == sum(c.Value))
			again = AppendSet(again, layout.Table(c.Key[0]), c.Key[1:], c.Value)
			return nil
		})
		if err != nil || !same {
			return
		}
		if err := Each(again, func(c Change) error {
			second = append(second, fmt.Sprintf("%d %x %x", c.Kind, c.Key, c.Value))
			return nil
		}); err != nil || !slices.Equal(first, second) {
			t.Errorf("%x: %q, and written again %q, %v", p, first, second, err)
		}
	})
}

// FuzzRow reads rows of tables: what can be read is written the same.
func FuzzRow(f *testing.F) {
	f.Add(AppendRow(nil, memtable.Far, far.Ref{Number: 1, At: 2, Size: 3, Sum: 4}.Append(nil)))
	f.Fuzz(func(t *testing.T, p []byte) {
		if kind, v, err := SplitRow(p); err == nil && !bytes.Equal(p, AppendRow(nil, kind, v)) {
			t.Errorf("%x decodes, and encodes to %x", p, AppendRow(nil, kind, v))
		}
	})
}
