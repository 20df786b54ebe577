package store

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/layout"
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

// FuzzRows reads the small rows that a start depends on.
func FuzzRows(f *testing.F) {
	f.Add(tip{1, 2}.append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		if v, err := decodeTip(p); err == nil && !bytes.Equal(p, v.append(nil)) {
			t.Errorf("%x decodes, and encodes to %x", p, v.append(nil))
		}
	})
}
