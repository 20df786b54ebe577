package store

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/chain"
	"github.com/situ-dev/situ/internal/store/database"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/wal"
)

const (
	// logPerTable is how many times as long as a memtable the log gets before
	// it becomes tables: a few rows that change often are many bytes of log.
	logPerTable = 4
	// idleAfter is how long there must be no commit for tables to be made early, of
	// at least 1/idlePart of a memtable: the processor is free, and the next
	// start has less to read.
	idleAfter = 100 * time.Millisecond
	idlePart  = 8
	// slack is how many times their bound the memtables may grow, those that are
	// being written included; then commits wait.
	slack = 4
	// flushRetry is how long the writing of tables waits after it failed.
	flushRetry = 100 * time.Millisecond
)

// generation is what becomes tables at once: what the memtables of all shards
// hold is frozen, written in order as one table that Pebble takes as a whole, and then
// the segments of the log that held it go.
type generation struct {
	segments []wal.Segment // the log up to here is in it, but for what was in tables before
	tips     []chain.Tip
}

// grown notes what a commit added, and begins a generation when it is time.
func (s *Store) grown(memory, logged int64) {
	m, l := s.unflushed.Add(memory), s.logged.Add(logged)
	if m >= s.memTable || l >= logPerTable*s.memTable {
		s.startFlush()
	} else if s.worthIdle() && s.watching.CompareAndSwap(false, true) {
		s.watchIdle(s.commits.Load())
	}
}

func (s *Store) worthIdle() bool {
	return s.unflushed.Load() >= s.memTable/idlePart || s.logged.Load() >= logPerTable*s.memTable/idlePart
}

// watchIdle looks again in a while, until the memtables are small or there was
// no commit after the first so many.
func (s *Store) watchIdle(commits uint64) {
	s.idleTimer.Store(time.AfterFunc(idleAfter, func() {
		now := s.commits.Load()
		switch {
		case s.stopped.Load() || !s.worthIdle():
		case now != commits:
			s.watchIdle(now)
			return
		default:
			s.startFlush()
		}
		s.watching.Store(false)
	}))
}

// startFlush begins a generation unless one is under way.
func (s *Store) startFlush() {
	if !s.flushing.CompareAndSwap(false, true) {
		return
	}
	if s.enter() != nil {
		s.flushing.Store(false)
		return
	}
	go func() {
		defer s.leave()
		s.flushUntilDone()
		s.flushing.Store(false)
		s.wake()
	}()
}

// wake has those who wait for room look again. The lock is for one that has
// just looked and does not yet wait.
func (s *Store) wake() {
	s.roomMu.Lock()
	defer s.roomMu.Unlock()
	s.room.Broadcast()
}

// throttle waits while the memtables have outgrown their bound and older ones
// are still being written.
func (s *Store) throttle() {
	over := func() bool {
		return s.flushing.Load() && !s.stopped.Load() && s.broken() == nil &&
			(s.unflushed.Load()+s.frozen.Load() > slack*s.memTable || s.logged.Load()+s.ended.Load() > slack*logPerTable*s.memTable)
	}
	if !over() {
		return
	}
	s.roomMu.Lock()
	defer s.roomMu.Unlock()
	for over() {
		s.room.Wait()
	}
}

// flushUntilDone makes tables of one generation, however often it takes: until
// then the rows are in the log.
func (s *Store) flushUntilDone() {
	for {
		if !s.mayFlush() {
			return
		}
		err := s.flush()
		if err == nil || s.broken() != nil {
			return
		}
		s.log.Error("store: the newest rows could not be written to tables; it is tried again", "error", err)
		if !s.pause(flushRetry) {
			return
		}
	}
}

// mayFlush waits until there are few enough tables above the others: compactions
// come first, or each read would have to look into more and more of them. It
// returns false when the store closes.
func (s *Store) mayFlush() bool {
	for s.db.Metrics().Levels[0].Sublevels >= int32(s.opts.L0StopWritesThreshold) {
		if s.broken() != nil || !s.pause(flushRetry) {
			return false
		}
	}
	return true
}

// pause returns false when the store closes.
func (s *Store) pause(d time.Duration) bool {
	select {
	case <-s.stopping:
		return false
	case <-time.After(d):
		return true
	}
}

// flush makes tables of one generation. One goroutine at a time calls it.
func (s *Store) flush() error {
	if s.gen == nil {
		g, err := s.freeze()
		if err != nil {
			return err
		}
		s.gen = g
	}
	g := s.gen
	live := s.live.Clone()
	for _, seg := range g.segments {
		live.Ended(seg)
	}
	err := s.ingest(func(w *database.Writer) {
		for i, sh := range s.shards {
			w.Tip(sh.id, g.tips[i])
			w.Memtable(sh.id, sh.layers.Load().frozen, live)
		}
		w.First(g.segments[len(g.segments)-1].Number + 1)
		w.Usages(live, s.live)
	})
	if err != nil {
		return err
	}
	for _, sh := range s.shards {
		sh.layers.Store(&layers{now: sh.layers.Load().now})
	}
	s.frozen.Store(0)
	s.ended.Store(0)
	s.gen, s.segments, s.live = nil, nil, live
	s.generations++
	for _, seg := range g.segments {
		s.since[seg.Number] = s.generations
	}
	s.collect()
	s.filesSize.Store(s.live.Size())
	return nil
}

// freeze ends the segment of the log, and gives every shard a new memtable.
// A shard's is taken under its lock, so that no commit is in the log that ended
// and not yet in the memtable.
func (s *Store) freeze() (*generation, error) {
	logged := s.logged.Load() // what is added from here on may be in the next segment
	ended, err := s.wal.Rotate()
	if err != nil {
		return nil, err
	}
	s.logged.Add(-logged)
	s.ended.Add(int64(ended.Size))
	s.segments = append(s.segments, ended)
	g := &generation{segments: s.segments}
	for _, sh := range s.shards {
		sh.mu.Lock()
		l := sh.layers.Load()
		sh.layers.Store(&layers{now: memtable.New(), frozen: l.now})
		g.tips = append(g.tips, chain.Tip{Last: sh.Last(), Hash: sh.hash})
		s.unflushed.Add(-sh.held)
		s.frozen.Add(l.now.Size())
		sh.held = 0
		sh.mu.Unlock()
	}
	return g, nil
}

// ingest writes a table and gives it to Pebble. When it returns, all of it is
// durable; when it fails, nothing of it is there.
func (s *Store) ingest(rows func(*database.Writer)) error {
	path := s.opts.FS.PathJoin(s.dir, layout.TableFile)
	f, err := s.opts.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := database.NewWriter(s.db, s.opts, f)
	rows(w)
	if err := w.Close(); err != nil {
		return errors.Join(err, s.opts.FS.Remove(path))
	}
	if err := s.broken(); err != nil {
		return err // a failed sync of what the table holds must not be covered up
	}
	if err := s.db.Ingest(context.Background(), []string{path}); err != nil {
		return err
	}
	s.flushed.Add(w.Bytes())
	return nil
}
