package store

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleOptions are the options of every open, read-only or not.
func pebbleOptions(o Options, fs vfs.FS, log pebble.Logger) *pebble.Options {
	p := &pebble.Options{
		FS:                         fs,
		Logger:                     log,
		FormatMajorVersion:         pebble.FormatNewest,
		CacheSize:                  o.Cache,
		MemTableSize:               256 << 10, // nothing is written to it
		L0CompactionThreshold:      8,         // of generations; a filter says which of them a row is not in
		MaxManifestFileSize:        16 << 20,
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
		DisableWAL:                 true, // rows come as whole tables; the log is ours
	}
	for i := range p.Levels {
		// Most reads of a dedupe mark or a new object find nothing.
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return p
}

// pebbleLog passes Pebble's messages on. Fatalf is a law: Pebble calls it
// when a sync failed, and going on would acknowledge what is not on disk.
type pebbleLog struct {
	log   *slog.Logger
	fatal func(error)
}

// Infof drops Pebble's chatter.
func (l pebbleLog) Infof(string, ...any) {}

// Errorf logs background errors, such as a compaction on a full disk; Pebble
// tries again by itself.
func (l pebbleLog) Errorf(f string, a ...any) {
	l.log.Error("store: pebble", "error", fmt.Sprintf(f, a...))
}

// Fatalf ends the process by way of Options.Fatal.
func (l pebbleLog) Fatalf(f string, a ...any) {
	l.fatal(fmt.Errorf(f, a...))
}

// listener returns the events the store follows.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			s.log.Error("store: background work failed; it is tried again", "error", err)
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			// The read that met it fails; other rows can still be served.
			s.damaged.Store(&i.Path)
			s.log.Error("store: damaged file", "file", i.Path, "details", i.Details)
		},
		ManifestCreated: func(i pebble.ManifestCreateInfo) {
			if i.Err == nil {
				s.guard.ManifestUsed(uint64(i.FileNum))
			}
		},
	}
}
