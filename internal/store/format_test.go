package store

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
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
