package mark

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

var store = [8]byte{0, 1, 2, 3, 4, 5, 6, 7}

// TestGolden holds the bytes on disk; a change needs a new version.
func TestGolden(t *testing.T) {
	const path = "testdata/mark.v1.hex"
	m := Mark{Index: 5, Seq: 0x0102030405060708, Hash: 0x1112131415161718, Store: store}
	b := m.encode()
	if *rewrite {
		if err := os.WriteFile(path, []byte(hex.EncodeToString(b[:])+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || !bytes.Equal(want, b[:]) {
		t.Errorf("got %x, want %x, %v", b, want, err)
	}
	if got, err := decodeMark(want); err != nil || got != m {
		t.Errorf("decoded %+v, %v", got, err)
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
		if m, lost := Decode(p, store, 2); lost < 0 && len(m.All) != 3 {
			t.Error("no marks and no problem")
		}
	})
}
