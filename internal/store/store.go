package store

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/mark"
	"github.com/situ-dev/situ/internal/store/problem"
	"github.com/situ-dev/situ/internal/store/space"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// Store is an open data directory. Its methods may be called by any
// goroutine.
type Store struct {
	dir    string
	log    *slog.Logger
	onFail func(error)
	id     identity.Identity
	lock   interface{ Close() error }
	db     *pebble.DB
	guard  *mark.Guard
	opts   *pebble.Options
	wal    *wal.Log
	files  *far.Files
	shards []*Shard
	disk   *space.Disk
	bufs   sync.Pool

	commits, bytes, flushed, moved, filesSize atomic.Uint64
	reused                                    atomic.Uint64          // segments that were written over
	damaged                                   atomic.Pointer[string] // the last damaged file met
	failure                                   atomic.Pointer[error]  // set once: nothing is acknowledged any more

	// Memtables become tables: see flush.go. What is between the lines is the
	// flushing goroutine's.
	memTable  int64        // Options.MemTable
	unflushed atomic.Int64 // bytes of the memtables that are not frozen
	frozen    atomic.Int64 // bytes of those that are
	logged    atomic.Int64 // bytes of the segment of the log
	ended     atomic.Int64 // bytes of those before it that are not in tables
	flushing  atomic.Bool
	watching  atomic.Bool // whether there are no commits
	idleTimer atomic.Pointer[time.Timer]
	roomMu    sync.Mutex
	room      *sync.Cond // a generation is done, or there will be none
	stopped   atomic.Bool
	stopping  chan struct{}
	// ----
	gen         *generation   // frozen and not in tables; nil: none
	segments    []wal.Segment // ended, and not in tables
	live        far.Usages    // files with far values that rows in tables name
	generations int
	since       map[uint64]int // the generation with which a segment ended
	nextValues  uint64
	// ----

	between func() // of a test: called while a walk is made

	users atomic.Int64 // calls and walks under way, plus closing
	idle  chan struct{}
	idled sync.Once
	once  sync.Once
	err   error // of Close
}

// closing is set in users when Close was called.
const closing = 1 << 62

// Open opens the data directory dir, and makes it when there is none.
//
// Before anything is written, it reads the directory as it is: identity,
// high-water marks, manifest, and the chain of every shard. Errors: Corrupt
// names the file, the shard and the commit that are damaged or missing, and
// nothing was changed; Locked when another process has the directory; Full
// when the disk has no room to open; Invalid for options that do not fit
// the directory, or a directory of a newer format.
func Open(dir string, o Options) (*Store, error) {
	real := o.FS == nil
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if real {
		// One directory must have one name, or this process could lock it twice.
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, opOpen, dir, err)
		}
		dir = abs
	}
	if err := file.MakeDir(o.FS, dir); err != nil {
		return nil, problem.Classify(fault.Invalid, opOpen, dir, err)
	}
	l, err := lockDir(o.FS, dir, opOpen)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, log: o.Logger, onFail: o.Fatal, lock: l, memTable: o.MemTable,
		idle: make(chan struct{}), stopping: make(chan struct{}), since: map[uint64]int{}}
	s.room = sync.NewCond(&s.roomMu)
	s.disk = space.New(o.FS, dir, o.MinFree, o.Logger)
	o.FS = s.disk.FS()
	if err := s.open(o); err != nil {
		s.disk.Close()
		_ = l.Close()
		return nil, problem.Classify(fault.Corrupt, opOpen, dir, err)
	}
	s.disk.Hold()
	if len(s.segments) > maxSegments {
		s.startFlush()
	}
	s.grown(0, 0)
	return s, nil
}

// maxSegments is how many short segments of the log many starts may leave.
const maxSegments = 32

// ID returns the random identity of the data directory.
func (s *Store) ID() string { return s.id.ID }

// Shards returns the number of shards of the directory.
func (s *Store) Shards() int { return len(s.shards) }

// Shard returns a shard by its number, which must be less than Shards.
func (s *Store) Shard(id wire.ShardID) *Shard { return s.shards[id] }

// Close waits for the calls and walks under way, refuses new ones with
// Unavailable, and gives the directory free. It may be called twice; each
// call returns when all is done. It must not be called from within a Scan.
func (s *Store) Close() error {
	s.once.Do(func() {
		if s.users.Or(closing) == 0 {
			s.idled.Do(func() { close(s.idle) })
		}
		s.disk.Close() // what waits for room will not get it
		s.stop()
		<-s.idle
		s.files.Close()
		err := errors.Join(s.wal.Close(), s.db.Close())
		s.disk.Drop()
		if e := s.guard.Close(); err == nil {
			err = e
		}
		if e := s.lock.Close(); err == nil {
			err = e
		}
		s.err = fault.Wrap(fault.Internal, "store.close", s.dir, err)
	})
	return s.err
}

// stop ends the making of tables, and those who wait for it.
func (s *Store) stop() {
	s.roomMu.Lock()
	s.stopped.Store(true)
	s.roomMu.Unlock()
	if t := s.idleTimer.Load(); t != nil {
		t.Stop()
	}
	close(s.stopping)
	s.room.Broadcast()
}

// enter counts a user of the database in, so that Close waits for it.
func (s *Store) enter() error {
	if s.users.Add(1)&closing != 0 {
		s.leave()
		return fault.New(fault.Unavailable, "store", s.dir, "the store is closed")
	}
	return nil
}

func (s *Store) leave() {
	if s.users.Add(-1) == closing {
		s.idled.Do(func() { close(s.idle) })
	}
}

// fatal records that nothing may be acknowledged any more, and says so.
func (s *Store) fatal(err error) {
	err = fault.Wrap(fault.Internal, "store", s.dir, err)
	s.failure.CompareAndSwap(nil, &err)
	s.log.Error("store: cannot go on", "error", err)
	s.wake()
	s.onFail(err)
}

func (s *Store) broken() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}
