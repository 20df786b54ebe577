package mark

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/golden"
)

var store = [8]byte{0, 1, 2, 3, 4, 5, 6, 7}

// TestGolden holds the bytes on disk; a change needs a new version.
func TestGolden(t *testing.T) {
	m := Mark{Index: 5, Seq: 0x0102030405060708, Hash: 0x1112131415161718, Store: store}
	b := m.encode()
	if got, err := decodeMark(golden.Hex(t, "mark.v1.hex", b[:])); err != nil || got != m {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// TestGoldenFile holds the layout of the whole file: where each slot is.
func TestGoldenFile(t *testing.T) {
	m := New(store, 70) // more than a page of slots
	for i := range m.All {
		m.All[i].Seq, m.All[i].Hash = uint64(i+1), uint64(i)<<32
	}
	b := m.Encode()
	var text strings.Builder
	fmt.Fprintf(&text, "%d bytes\n", len(b))
	for at := 0; at < len(b); at += slotSize {
		if slot := b[at : at+slotSize]; !bytes.Equal(slot, make([]byte, slotSize)) {
			fmt.Fprintf(&text, "%d %x\n", at, slot)
		}
	}
	want := golden.File(t, "marks.v1.golden", []byte(text.String()))
	var size, at int
	lines := strings.Split(strings.TrimSpace(string(want)), "\n")
	if _, err := fmt.Sscanf(lines[0], "%d bytes", &size); err != nil {
		t.Fatal(err)
	}
	file := make([]byte, size)
	for _, line := range lines[1:] {
		var slot []byte
		if _, err := fmt.Sscanf(line, "%d %x", &at, &slot); err != nil {
			t.Fatal(err)
		}
		copy(file[at:], slot)
	}
	if got, lost := Decode(file, store, 70); lost >= 0 || !slices.Equal(got.All, m.All) {
		t.Errorf("the file reads as %+v, lost %d", got.All, lost)
	}
}

// TestAlternate: whichever slot is torn, the other one counts.
func TestAlternate(t *testing.T) {
	fs := vfs.NewMem()
	f, err := fs.Create("f", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(New(store, 2).Encode())
	_ = f.Close()
	f, err = fs.OpenReadWrite("f", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, Size(2))
	g := NewGuard(f, New(store, 2), func(err error) { t.Error(err) })
	for n := range uint64(7) {
		g.Commit(1, 0, n+1) // the hash tells them apart
		g.Commit(1, 7, n+1)
	}
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for half := range 2 {
		torn := bytes.Clone(b)
		clear(torn[half*pageSize+slotSize+20:][:20])
		m, lost := Decode(torn, store, 2)
		if lost >= 0 {
			t.Fatal(lost)
		}
		seen[m.All[1].Seq] = true
		clear(torn[(1-half)*pageSize+slotSize:][:slotSize])
		if _, lost := Decode(torn, store, 2); lost != 1 {
			t.Errorf("both slots gone: %v", lost)
		}
	}
	if !seen[0] || !seen[7] {
		t.Errorf("with one slot torn the marks are %v", seen)
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func FuzzMark(f *testing.F) {
	b := Mark{Index: manifest, Seq: 7, Hash: 9}.encode()
	f.Add(b[:])
	f.Fuzz(func(t *testing.T, p []byte) {
		if m, err := decodeMark(p); err == nil {
			if q := m.encode(); !bytes.Equal(p, q[:]) {
				t.Errorf("%x decodes, and encodes to %x", p, q)
			}
		}
	})
}

func FuzzMarks(f *testing.F) {
	f.Add(New(store, 2).Encode())
	f.Fuzz(func(t *testing.T, p []byte) {
		m, lost := Decode(p, store, 2)
		if lost >= 0 {
			return
		}
		if len(m.All) != 3 {
			t.Error("no marks and no problem")
		}
		if again, lost := Decode(m.Encode(), store, 2); lost >= 0 || !slices.Equal(again.All, m.All) {
			t.Errorf("%+v is written, and read as %+v", m.All, again.All)
		}
	})
}
