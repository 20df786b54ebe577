// Package database is how the store uses Pebble: it opens it, and writes the tables that
// it takes. A table has rows of memtables, up to where they are in the chains, and what
// is known of far values. When it is written, and that it is taken, is the store's.
package database

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Open opens Pebble in dir; damage that makes it panic is an error too.
func Open(dir string, opts *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("pebble panicked while opening %s: %v", dir, r)
		}
	}()
	return pebble.Open(dir, opts)
}

// Options are the options of every open, read-only or not; cache is in bytes.
func Options(cache int64, fs vfs.FS, log pebble.Logger) *pebble.Options {
	p := &pebble.Options{
		FS:                         fs,
		Logger:                     log,
		FormatMajorVersion:         pebble.FormatNewest,
		CacheSize:                  cache,
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

// Log passes Pebble's messages on. Fatalf is a law: Pebble calls it
// when a sync failed, and going on would acknowledge what is not on disk.
type Log struct {
	Logger *slog.Logger
	Fatal  func(error)
}

// Infof drops Pebble's chatter.
func (l Log) Infof(string, ...any) {}

// Errorf logs background errors, such as a compaction on a full disk; Pebble
// tries again by itself.
func (l Log) Errorf(f string, a ...any) {
	l.Logger.Error("store: pebble", "error", fmt.Sprintf(f, a...))
}

// Fatalf calls Fatal, which should not return.
func (l Log) Fatalf(f string, a ...any) {
	l.Fatal(fmt.Errorf(f, a...))
}
