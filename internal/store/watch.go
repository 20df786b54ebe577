package store

import (
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/wal"
)

// Writable returns nil, or an error of kind Full when less than
// Options.MinFree bytes are free: take no new work then. What is under way
// may still be committed, into the room that is left, then into the reserve;
// after that, commits wait. It resumes by itself.
func (s *Store) Writable() error {
	d := s.disk.Look()
	if !d.Full {
		return nil
	}
	err := fault.New(fault.Full, "store.writable", s.dir,
		"%d bytes are free and %d are needed to take new work: free some space on this disk; reads go on, and writes resume by themselves",
		d.Free, d.Need)
	err.Retry = time.Second
	return err
}

// Hindrance returns why commits wait, if they do, as far as it is known: an
// error of kind Full while the disk is full, of kind Internal while rows become
// tables and do not get there; else nil. It never waits for the disk.
func (s *Store) Hindrance() error {
	switch {
	case s.disk.WasFull():
		return fault.New(fault.Full, opCommit, s.dir, "the disk is full")
	case s.flushing.Load():
		return fault.New(fault.Internal, opCommit, s.dir, "the newest rows are not in tables yet; the log says if they cannot be written")
	}
	return nil
}

// Stats is a store's counters since it was opened, and its size.
type Stats struct {
	BytesWritten uint64 // of our batches, as logged
	WALBytes     uint64 // the same, with what the log adds
	Commits      uint64
	FlushBytes   uint64 // from memory to tables
	CompactBytes uint64 // rewritten by compactions
	DiskSize     uint64 // of the tables, the log and the files of values
	Free         uint64 // bytes free on the disk; 0 if FreeKnown is false
	FreeKnown    bool
	Full         bool // Writable refuses
}

// Stats returns the counters. After Close, only those of commits.
func (s *Store) Stats() Stats {
	st := Stats{BytesWritten: s.bytes.Load(), Commits: s.commits.Load()}
	d := s.disk.Look()
	st.Free, st.FreeKnown, st.Full = d.Free, d.Known, d.Full
	if s.enter() != nil {
		return st
	}
	defer s.leave()
	st.WALBytes = st.BytesWritten + st.Commits*wal.HeadSize
	m := s.db.Metrics()
	st.DiskSize = m.DiskSpaceUsage() + uint64(s.logged.Load()+s.ended.Load()) + s.filesSize.Load() + d.Kept
	st.FlushBytes = s.flushed.Load()
	for _, l := range m.Levels {
		st.CompactBytes += l.TableBytesCompacted
	}
	return st
}
