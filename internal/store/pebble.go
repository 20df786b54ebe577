package store

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// pebbleOptions are the options of every open, read-only or not.
func pebbleOptions(o Options, fs vfs.FS, log pebble.Logger) *pebble.Options {
	p := &pebble.Options{
		FS:                          fs,
		Logger:                      log,
		FormatMajorVersion:          pebble.FormatNewest,
		CacheSize:                   o.Cache,
		MemTableSize:                uint64(o.MemTable),
		MemTableStopWritesThreshold: 4,
		MaxManifestFileSize:         16 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		WALMinSyncInterval:          func() time.Duration { return o.SyncInterval },
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

// logs learns from Pebble's events which commits are in tables, and no
// longer in the log only: those acknowledged before the creation of a log
// file, once the file before it is dropped or recycled.
type logs struct {
	mu     sync.Mutex
	shards []*Shard
	made   []madeLog // ascending
}

type madeLog struct {
	num  uint64
	last []uint64 // of each shard, when the file was made
}

func (l *logs) created(num, recycled uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := madeLog{num, make([]uint64, len(l.shards))}
	for i, sh := range l.shards {
		m.last[i] = sh.last.Load()
	}
	l.made = append(l.made, m)
	if recycled != 0 {
		l.drop(recycled)
	}
}

func (l *logs) deleted(num uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(num)
}

// drop frees what was committed before the first file made after num.
func (l *logs) drop(num uint64) {
	for len(l.made) > 0 && l.made[0].num <= num {
		l.made = l.made[1:]
	}
	if len(l.made) == 0 {
		return
	}
	for i, sh := range l.shards {
		if last := l.made[0].last[i]; last > sh.free.Load() {
			sh.free.Store(last)
		}
	}
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
		WALCreated: func(i pebble.WALCreateInfo) {
			if i.Err == nil {
				s.logs.created(uint64(i.FileNum), uint64(i.RecycledFileNum))
			}
		},
		WALDeleted: func(i pebble.WALDeleteInfo) {
			if i.Err == nil {
				s.logs.deleted(uint64(i.FileNum))
			}
		},
	}
}
