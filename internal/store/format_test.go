package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/store/layout"
)

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
	golden.File(t, "usage.v1.txt", out.Bytes())
}
