package store

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/heap"
	"github.com/situ-dev/situ/internal/store/identity"
)

// Options configures a store; the zero value works.
type Options struct {
	FS       vfs.FS       // where the directory is; nil is the real disk
	Shards   int          // shards of a new directory; 0 is 8, or 4 on two cores. An existing one keeps its own number
	Logger   *slog.Logger // nil discards
	MemTable int64        // bytes of the memtables of all shards before they become tables; 0 is 64 MiB, or 1/32 of the memory limit if that is less, but at least 1 MiB
	Cache    int64        // bytes of the block cache; 0 is 32 MiB, or 1/32 of the memory limit if that is less
	MinFree  uint64       // free bytes under which Writable refuses; 0 is 64 MiB
	// Fatal is called, possibly more than once and from any goroutine, when
	// going on would be a lie: a sync failed, so nobody knows what is on the
	// disk. It should not return in production; if it does (in tests), no
	// later commit succeeds and the Store must be abandoned. Nil prints to
	// standard error and exits with status 74.
	Fatal func(error)
}

// exitIO is the status of a process that lost its disk (EX_IOERR).
const exitIO = 74

const (
	defaultMemTable = 64 << 20
	defaultCache    = 32 << 20
	defaultMinFree  = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MemTable == 0 {
		o.MemTable = max(heap.AtMost(defaultMemTable, 32), 1<<20) // there may be four
	}
	if o.Cache == 0 {
		o.Cache = heap.AtMost(defaultCache, 32)
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) {
			fmt.Fprintln(os.Stderr, "situ: store:", err)
			os.Exit(exitIO)
		}
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Shards < 0 || o.Shards > identity.MaxShards:
		return fault.New(fault.Invalid, opOpen, "", "shards: %d is not between 1 and %d", o.Shards, identity.MaxShards)
	case o.MemTable < 16<<10 || o.MemTable > 512<<20:
		return fault.New(fault.Invalid, opOpen, "", "memtable: %d bytes is not between 16 KiB and 512 MiB", o.MemTable)
	case o.Cache < 0:
		return fault.New(fault.Invalid, opOpen, "", "cache: it cannot be negative")
	}
	return nil
}

// defaultShards is how many shards a directory gets: two for a core, from four
// to eight. More of them share less, and less is one commit: measured on two
// cores, eight take a tenth more processor time than four.
func defaultShards() int { return min(max(2*runtime.GOMAXPROCS(0), 4), 8) }
