package crashfs_test

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/store/crashfs"
)

// Links beside losses of power come to an end. With Pebble's own file system
// this hangs.
func TestLinkBesideCrashClone(t *testing.T) {
	fs := crashfs.New()
	f, err := fs.Create("a", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := range 500 {
				if err := fs.Link("a", strconv.Itoa(i)+"-"+strconv.Itoa(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 200 {
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(n), 0))})
		if _, err := clone.List(""); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
}
