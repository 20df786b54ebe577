// Package space keeps the end of the disk away from a database that would not
// survive it. It holds a reserve, a file that only takes up room; it says when
// there is too little for new work; and a write that meets the end of the disk
// all the same gets the reserve, and then waits until there is room. It knows
// nothing of what is written. Package store writes through its FS.
package space

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// File is the name of the reserve in its directory.
const File = "situ.reserve"

// Kept is the name of a file that is kept to be written over.
const Kept = "situ.spare"

const (
	lookEvery  = 100 * time.Millisecond // least time between questions to the file system
	tryEvery   = 20 * time.Millisecond  // a write that waits for room tries again
	metFor     = time.Second            // a disk counts as full after a write met its end
	flushAfter = 2 * time.Second        // between tables of the log that find no room
	lately     = 5 * time.Second        // what waits for room looks more often
)

// Disk is the room on the disk of one directory. Its methods may be called by
// any goroutine.
type Disk struct {
	fs      vfs.FS
	wrapped diskFS
	path    string // of the reserve
	dir     string
	min     uint64
	reserve uint64
	log     *slog.Logger
	closed  chan struct{}
	once    sync.Once
	shown   atomic.Pointer[shown] // what the last look found, nil before the first

	mu      sync.Mutex
	patient bool  // writes wait for room
	held    bool  // the reserve is there
	kept    int64 // bytes of the file that is kept to be written over; 0: there is none
	until   time.Time
	now     State
	met     time.Time // when a write last met the end of the disk
	tables  time.Time // when a table last found no room
	stuck   bool      // it was a compaction's
	base    uint64    // free bytes after that

	full atomic.Pointer[time.Time] // when a look last found it full, nil if the last did not
}

// State is what is known of the room on a disk.
type State struct {
	Free  uint64 // bytes, without the reserve
	Known bool   // false: the file system cannot say, and Free is 0
	Full  bool   // there is no room for new work
	Need  uint64 // bytes that must be free for new work
	Kept  uint64 // bytes of a file that is kept to be written over
}

// shown is what Look returns until then, without the mutex: each call asks.
type shown struct {
	State
	until time.Time
}

// New returns the disk of dir, which must be there, on fs. Under min free
// bytes it is full. The reserve has a quarter of min.
func New(fs vfs.FS, dir string, min uint64, log *slog.Logger) *Disk {
	d := &Disk{fs: fs, dir: dir, path: fs.PathJoin(dir, File), min: min, reserve: min / 4, log: log, closed: make(chan struct{})}
	d.wrapped = diskFS{fs, d}
	_, err := fs.Stat(d.path)
	d.held = err == nil
	return d
}

// Hold makes the reserve if there is room for it, and from now on writes that
// find no room wait for it. Before, they fail when the reserve is gone.
func (d *Disk) Hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.patient = true
	d.until = time.Time{}
	d.look()
}

func (d *Disk) isPatient() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.patient
}

// Fits reports whether n bytes fit on the disk, the reserve included.
func (d *Disk) Fits(n uint64) bool {
	u, err := d.fs.GetDiskUsage(d.dir)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held {
		u.AvailBytes += d.reserve
	}
	return err != nil || u.AvailBytes >= n
}

// Spare reports whether n bytes can be written without making the disk full.
func (d *Disk) Spare(n uint64) bool {
	s := d.Look()
	return !s.Full && (!s.Known || s.Free >= s.Need+n)
}

// Close makes writes that wait for room fail. It may be called twice.
func (d *Disk) Close() { d.once.Do(func() { close(d.closed) }) }

// Look returns the state, at most 100 ms old. Once full, a disk counts as full
// until a quarter more than the minimum is free, and room for the reserve if
// that was given away, so that work does not flicker at the mark.
func (d *Disk) Look() State {
	if s := d.shown.Load(); s != nil && time.Until(s.until) > 0 {
		return s.State
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.look()
	return d.now
}

// WasFull reports whether the last look was just now and found the disk full,
// as it does while something waits for room. It never waits for the disk.
func (d *Disk) WasFull() bool {
	at := d.full.Load()
	return at != nil && time.Since(*at) < lately
}

func (d *Disk) look() {
	now := time.Now()
	if now.Before(d.until) {
		return
	}
	d.until = now.Add(lookEvery)
	defer func() { d.shown.Store(&shown{d.now, d.until}) }()
	u, err := d.fs.GetDiskUsage(d.dir)
	if err != nil && !errors.Is(err, vfs.ErrUnsupported) {
		return // that says nothing new
	}
	s := State{Free: u.AvailBytes, Known: err == nil, Need: d.min, Kept: uint64(d.kept)}
	if s.Known && s.Free < d.min+d.min/4+d.reserve && d.drop() {
		d.until = time.Time{}
		d.look() // there is more now
		return
	}
	if d.now.Full {
		s.Need += d.min / 4
	}
	if !d.held {
		s.Need += d.reserve
	}
	d.unstick(&s)
	s.Full = s.Known && s.Free < s.Need || !d.met.IsZero() && now.Sub(d.met) < metFor
	d.full.Store(nil)
	if s.Full {
		d.full.Store(&now)
	}
	if !s.Full && !d.held && d.patient {
		d.held = d.hold()
	}
	if s.Full != d.now.Full {
		d.log.Warn("store: the disk is full, or is no longer", "full", s.Full, "free", s.Free, "needed", s.Need, "reserve", d.held)
	}
	if s.Full && !d.now.Full { // it takes more to end it
		s.Need += d.min / 4
	}
	d.now = s
}

// unstick raises what is needed while a compaction finds no room: there must be
// more than there was when what it had written was removed.
func (d *Disk) unstick(s *State) {
	if !d.stuck {
		return
	}
	if d.stuck = s.Free < d.base+d.min/4; d.stuck {
		s.Need = max(s.Need, d.base+d.min/4)
	}
}

// hold makes the reserve.
func (d *Disk) hold() bool {
	tmp := d.path + ".tmp"
	f, err := d.fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		d.log.Warn("store: no reserve on the disk", "error", err)
		return false
	}
	err = errors.ErrUnsupported
	if runtime.GOOS == "linux" {
		err = f.Preallocate(0, int64(d.reserve))
	}
	if errors.Is(err, errors.ErrUnsupported) { // then bytes take up the room
		err = nil
		for left := d.reserve; left > 0 && err == nil; {
			n := min(left, 1<<20)
			_, err = f.Write(make([]byte, n))
			left -= n
		}
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.fs.Rename(tmp, d.path)
	}
	if err != nil {
		_ = d.fs.Remove(tmp) // the first error is told
		d.log.Warn("store: no reserve on the disk", "error", err)
	}
	return err == nil
}

// room is called by a write that has met the end of the disk. It returns true
// when it is worth another try.
func (d *Disk) room() bool {
	d.mu.Lock()
	if d.drop() {
		d.mu.Unlock()
		return true
	}
	d.met, d.until = time.Now(), time.Time{}
	held, patient := d.held, d.patient
	if held {
		d.held = false
		if err := d.fs.Remove(d.path); err != nil {
			d.log.Error("store: the reserve cannot be given away", "error", err)
		} else {
			d.log.Warn("store: the disk is full: the reserve is given away")
		}
	}
	d.look()
	d.mu.Unlock()
	if held || !patient {
		return held
	}
	return d.pause()
}

// pause returns false when nothing is to be tried again.
func (d *Disk) pause() bool {
	select {
	case <-d.closed:
		return false
	case <-time.After(tryEvery):
		return true
	}
}

// tableFailed notes that there was no room for a table. If that was the end of
// the disk, it is full. If a compaction failed, it is full, too: more work
// would only pile up, and in the end wait for that compaction.
// Written is what there is of it, which will be removed.
func (d *Disk) tableFailed(end, compaction bool, written uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tables, d.until = time.Now(), time.Time{}
	if end {
		d.met = d.tables
	}
	if compaction {
		u, err := d.fs.GetDiskUsage(d.dir)
		d.stuck, d.base = err == nil, u.AvailBytes+written
	}
	d.look()
}

// spare returns false when compactions have to leave alone what room there is.
func (d *Disk) spare() bool {
	u, err := d.fs.GetDiskUsage(d.dir)
	return err != nil || u.AvailBytes >= d.min/2
}

// rest holds a new table up for a while after one that found no room, and that
// of a compaction, which only moves what is there, while the disk is full.
// Pebble would begin again at once, and read and write without end. Not before
// Hold: while a database is being opened, it waits for its compactions.
func (d *Disk) rest(compaction bool) {
	for d.isPatient() && d.Look().Full && (compaction || d.sinceTable() < flushAfter) {
		select {
		case <-d.closed:
			return
		case <-time.After(lookEvery):
		}
	}
}

func (d *Disk) sinceTable() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.tables)
}

// IsFull reports whether err says that the disk, or what the user may have of
// it, is full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
