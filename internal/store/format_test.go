package store

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/wal"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares with a file of testdata; a change of it is a change of
// the format on disk and needs a new version.
func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
	}
	return want
}

func unhex(t *testing.T, b []byte) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(strings.Fields(string(b)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestGoldenTip(t *testing.T) {
	want := tip{0x0102030405060708, 0x1112131415161718}
	b := golden(t, "tip.v1.hex", []byte(hex.EncodeToString(want.append(nil))+"\n"))
	if got, err := decodeTip(unhex(t, b)); err != nil || got != want {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// TestGoldenRef holds the row of a far value, and that of its file.
func TestGoldenRef(t *testing.T) {
	r := far.Ref{Number: far.InValues | 0x0102, At: 0x1112131415, Size: 0x21222324, Sum: 0x3132333435363738}
	row := appendKind(nil, memtable.Far, r.Append(nil))
	b := golden(t, "ref.v1.hex", []byte(hex.EncodeToString(row)+"\n"))
	kind, v, err := splitKind(unhex(t, b))
	got, err2 := far.DecodeRef(v)
	if err != nil || err2 != nil || kind != memtable.Far || got != r {
		t.Errorf("decoded %d %+v, %v, %v", kind, got, err, err2)
	}
}

// TestGoldenUsage holds the rows that say what files are good for.
func TestGoldenUsage(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 2, MemTable: 16 << 10})
	put(t, s.Shard(1), Objects, "k", string(make([]byte, 40_000)))
	put(t, s.Shard(1), Objects, "l", string(make([]byte, 50_000)))
	idle(s)
	var out bytes.Buffer
	for _, tab := range []Table{layout.First, layout.Values, layout.Far} {
		err := layout.Each(s.db, tab, func(k, v []byte) error {
			fmt.Fprintf(&out, "%c %x %x\n", tab, k, v)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "usage.v1.txt", out.Bytes())
}

// TestGoldenBody holds what a commit writes to the log.
func TestGoldenBody(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 2})
	b := s.Shard(0).NewBatch(0)
	defer b.Close()
	b.Set(Objects, []byte("key"), []byte("val"), []byte("ue"))
	b.Delete(Timers, nil)
	b.Set(Mail, []byte("far"), bytes.Repeat([]byte("x"), farValue))
	body := b.buf[wal.HeadSize:]
	cut := bytes.TrimRight(body, "x")
	got := golden(t, "body.v1.hex", []byte(hex.EncodeToString(cut)+"\n"))
	var out []string
	err := each(append(unhex(t, got), bytes.Repeat([]byte("x"), farValue)...), func(c change) error {
		out = append(out, fmt.Sprintf("%d %s %d", c.kind, c.key, len(c.value)))
		return nil
	})
	if want := "1 okey 5, 2 t 0, 3 mfar 8192"; err != nil || strings.Join(out, ", ") != want {
		t.Errorf("decoded %s, %v", out, err)
	}
}

// FuzzBody reads the body of a commit: whatever it is, every change lies within
// it, and what is written from the changes reads the same.
func FuzzBody(f *testing.F) {
	s := &Store{}
	b := (&Shard{s: s}).NewBatch(0)
	b.Set(Objects, []byte("key"), []byte("value"))
	b.Delete(Timers, []byte("key"))
	f.Add(bytes.Clone(b.buf[wal.HeadSize:]))
	b.Set(Objects, nil, make([]byte, farValue))
	f.Add(bytes.Clone(b.buf[wal.HeadSize:]))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, p []byte) {
		var first, second []string
		again := (&Shard{s: s}).NewBatch(0)
		same := true // what our own code would write
		err := each(p, func(c change) error {
			if c.kind != memtable.Delete && !bytes.Equal(p[c.at:c.at+len(c.value)], c.value) {
				t.Errorf("%x: the value of %x is not at %d", p, c.key, c.at)
			}
			first = append(first, fmt.Sprintf("%d %x %x", c.kind, c.key, c.value))
			if c.kind == memtable.Delete {
				again.Delete(Table(c.key[0]), c.key[1:])
				return nil
			}
			far := c.kind == memtable.Far
			same = same && far == (len(c.value) >= farValue) && (!far || c.sum == sum(c.value))
			again.Set(Table(c.key[0]), c.key[1:], c.value)
			return nil
		})
		if err != nil || !same {
			return
		}
		if err := each(again.buf[wal.HeadSize:], func(c change) error {
			second = append(second, fmt.Sprintf("%d %x %x", c.kind, c.key, c.value))
			return nil
		}); err != nil || !slices.Equal(first, second) {
			t.Errorf("%x: %q, and written again %q, %v", p, first, second, err)
		}
	})
}

// FuzzRows reads the small rows that a start depends on.
func FuzzRows(f *testing.F) {
	f.Add(tip{1, 2}.append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		if v, err := decodeTip(p); err == nil && !bytes.Equal(p, v.append(nil)) {
			t.Errorf("%x decodes, and encodes to %x", p, v.append(nil))
		}
		if kind, v, err := splitKind(p); err == nil && !bytes.Equal(p, appendKind(nil, kind, v)) {
			t.Errorf("%x decodes, and encodes to %x", p, appendKind(nil, kind, v))
		}
	})
}
