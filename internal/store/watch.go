package store

import (
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/space"
)

// Writable returns nil, or an error of kind Full when less than
// Options.MinFree bytes are free: take no new work then. What is under way
// may still be committed, into the room that is left, then into the reserve;
// after that, commits wait. It resumes by itself.
func (s *Store) Writable() error {
	d := s.look()
	if !d.Full {
		return nil
	}
	err := fault.New(fault.Full, "store.writable", s.dir,
		"%d bytes are free and %d are needed to take new work: free some space on this disk; reads go on, and writes resume by themselves",
		d.Free, d.Need)
	err.Retry = time.Second
	return err
}

// look asks about the disk. The moment it is full, the log becomes tables,
// while there is room for them: to open a directory takes room for what is in
// its log, and it may have to be opened before there is more.
func (s *Store) look() space.State {
	d := s.disk.Look()
	if s.full.Swap(d.Full) == d.Full || !d.Full {
		return d
	}
	if s.enter() == nil {
		go s.flush(d.Free) // it waits for commits that wait for room
	}
	return d
}

// flush makes tables of the log if there is room for them. It is a user of the
// store, so Close waits for it.
func (s *Store) flush(free uint64) {
	defer s.leave()
	if free > s.db.Metrics().WAL.Size {
		if _, err := s.db.AsyncFlush(); err != nil {
			s.log.Error("store: flush on a full disk", "error", err)
		}
	}
}

// Stats is a store's counters since it was opened, and its size.
type Stats struct {
	BytesWritten uint64 // of our batches, as logged
	WALBytes     uint64 // written to the log, with its framing
	Commits      uint64
	FlushBytes   uint64 // from memory to tables
	CompactBytes uint64 // rewritten by compactions
	DiskSize     uint64 // of Pebble's files
	MinFree      uint64 // the reserve
	Free         uint64 // bytes free on the disk; 0 if FreeKnown is false
	FreeKnown    bool
	Full         bool // Writable refuses
}

// Stats returns the counters. After Close, only those of commits.
func (s *Store) Stats() Stats {
	st := Stats{BytesWritten: s.bytes.Load(), Commits: s.commits.Load(), MinFree: s.min}
	d := s.look()
	st.Free, st.FreeKnown, st.Full = d.Free, d.Known, d.Full
	if s.enter() != nil {
		return st
	}
	defer s.leave()
	m := s.db.Metrics()
	st.WALBytes = m.WAL.BytesWritten
	st.DiskSize = m.DiskSpaceUsage()
	for _, l := range m.Levels {
		st.FlushBytes += l.TableBytesFlushed
		st.CompactBytes += l.TableBytesCompacted
	}
	return st
}
