package store

import (
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
)

// watch answers whether the disk has room for new work. It asks the file
// system at most ten times a second.
type watch struct {
	fs  vfs.FS
	dir string
	min uint64

	mu    sync.Mutex
	until time.Time // the answer holds until then
	free  uint64
	known bool // false: the file system cannot say
	full  bool
}

const watchEvery = 100 * time.Millisecond

// look refreshes the answer when it is old. Once full, the disk counts as
// full until a quarter more than the reserve is free, so that work does not
// flicker at the mark.
func (w *watch) look() (free uint64, known, full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); !now.Before(w.until) {
		w.until = now.Add(watchEvery)
		u, err := w.fs.GetDiskUsage(w.dir)
		if err == nil {
			w.free, w.known = u.AvailBytes, true
			w.full = w.free < w.need()
		} else if errors.Is(err, vfs.ErrUnsupported) {
			w.known, w.full = false, false
		} // any other failure says nothing new: the last answer stays
	}
	return w.free, w.known, w.full
}

func (w *watch) need() uint64 {
	if w.full {
		return w.min + w.min/4
	}
	return w.min
}

// Writable returns nil, or an error of kind Full when less than
// Options.MinFree bytes are free: take no new work then. What is under way
// may still be committed, into the reserve. It resumes by itself.
func (s *Store) Writable() error {
	free, _, full := s.watch.look()
	if !full {
		return nil
	}
	err := fault.New(fault.Full, "store.writable", s.dir,
		"%d bytes are free and %d are needed to take new work: free some space on this disk; reads go on, and writes resume by themselves",
		free, s.watch.min+s.watch.min/4)
	err.Retry = time.Second
	return err
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
	st := Stats{BytesWritten: s.bytes.Load(), Commits: s.commits.Load(), MinFree: s.watch.min}
	st.Free, st.FreeKnown, st.Full = s.watch.look()
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
