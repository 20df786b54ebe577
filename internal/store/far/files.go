package far

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/wal"
)

// ErrMoved says that a file with a value is gone: the value is elsewhere now,
// or was replaced, and the row says so when it is read again.
var ErrMoved = errors.New("the value has moved")

// Files reads far values from the segments of the log and the files of
// values, and removes those that nobody needs. A file is needed as long as a row
// in a memtable or table names it, or a walk that is older than its end is open.
type Files struct {
	fs     vfs.FS
	Logs   string // directory of the log
	Values string // directory of the files of values

	mu    sync.Mutex
	open  map[uint64]*valueFile
	epoch uint64
	walks map[uint64]int // open walks by the epoch they began in
	old   []oldFile
	gone  map[uint64]struct{} // removed
}

type valueFile struct {
	f    vfs.File
	refs int
}

type oldFile struct{ number, epoch uint64 }

// MaxOpen is how many files are kept open for reading.
const MaxOpen = 64

const op = "store.read"

// NewFiles returns the files of the data directory dir. Nothing is opened yet.
func NewFiles(fs vfs.FS, dir string) *Files {
	return &Files{fs: fs, Logs: fs.PathJoin(dir, layout.LogDir), Values: fs.PathJoin(dir, layout.ValuesDir),
		open: map[uint64]*valueFile{}, walks: map[uint64]int{}, gone: map[uint64]struct{}{}}
}

// Place returns the directory of a file, and its number there.
func (fi *Files) Place(number uint64) (dir string, n uint64) {
	if number&InValues != 0 {
		return fi.Values, number &^ InValues
	}
	return fi.Logs, number
}

// Path returns the path of a file.
func (fi *Files) Path(number uint64) string {
	dir, n := fi.Place(number)
	return fi.fs.PathJoin(dir, wal.Name(n))
}

// Read reads a value and checks its sum. The error is ErrMoved, or names the
// file: of kind Corrupt if it is missing or the value damaged.
func (fi *Files) Read(buf []byte, r Ref) ([]byte, error) {
	f, err := fi.hold(r.Number)
	if err != nil {
		return nil, err
	}
	defer fi.release(f)
	if cap(buf) < int(r.Size) {
		buf = make([]byte, r.Size)
	}
	buf = buf[:r.Size]
	n, err := f.f.ReadAt(buf, int64(r.At))
	if n == len(buf) && xxhash.Sum64(buf) == r.Sum {
		return buf, nil
	}
	return nil, &fault.Error{Kind: fault.Corrupt, Op: op, On: fi.Path(r.Number), Err: err,
		Msg: fmt.Sprintf("the value of %d bytes at byte %d is damaged", r.Size, r.At)}
}

// hold opens a file, or finds it open.
func (fi *Files) hold(number uint64) (*valueFile, error) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	if _, gone := fi.gone[number]; gone {
		return nil, ErrMoved // if it is still there, it is about to be written over
	}
	f := fi.open[number]
	if f == nil {
		got, err := fi.fs.Open(fi.Path(number))
		if file.NotExist(err) {
			return nil, fault.Wrap(fault.Corrupt, op, fi.Path(number), err)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Internal, op, fi.Path(number), err)
		}
		f = &valueFile{f: got, refs: 2} // with the one of the list
		fi.open[number] = f
		fi.shrink()
		return f, nil
	}
	f.refs++
	return f, nil
}

func (fi *Files) release(f *valueFile) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	fi.drop(f)
}

func (fi *Files) drop(f *valueFile) {
	if f.refs--; f.refs == 0 {
		_ = f.f.Close() // it was only read
	}
}

// shrink closes files that nobody reads while too many are open.
func (fi *Files) shrink() {
	for n, f := range fi.open {
		if len(fi.open) <= MaxOpen {
			return
		}
		if f.refs == 1 {
			delete(fi.open, n)
			fi.drop(f)
		}
	}
}

// Enter notes a walk; Leave with what it returned ends it.
func (fi *Files) Enter() uint64 {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	fi.walks[fi.epoch]++
	return fi.epoch
}

// Leave ends a walk: Enter returned epoch.
func (fi *Files) Leave(epoch uint64) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	if fi.walks[epoch]--; fi.walks[epoch] == 0 {
		delete(fi.walks, epoch)
	}
}

// Retire notes files that no row names any more, and removes those that no open
// walk needs, oldest first. A segment of the log is offered to keep first, with its
// path, unless it is being read; if keep takes it away, it is not there any more.
func (fi *Files) Retire(numbers []uint64, keep func(path string) bool) {
	for _, r := range fi.purge(numbers) {
		path := fi.Path(r.number)
		if r.number&InValues == 0 && !r.read && keep(path) {
			continue
		}
		// What cannot be removed now is removed by the next start.
		_ = fi.fs.Remove(path)
	}
}

type retired struct {
	number uint64
	read   bool // somebody reads it, and must find what it had
}

func (fi *Files) purge(numbers []uint64) (free []retired) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	for _, n := range numbers {
		fi.old = append(fi.old, oldFile{n, fi.epoch})
	}
	fi.epoch++
	for len(fi.old) > 0 {
		o := fi.old[0]
		for epoch := range fi.walks {
			if epoch <= o.epoch {
				return free
			}
		}
		fi.old = fi.old[1:]
		r := retired{number: o.number}
		if f := fi.open[o.number]; f != nil {
			delete(fi.open, o.number)
			fi.drop(f)
			r.read = f.refs > 0
		}
		fi.gone[o.number] = struct{}{}
		free = append(free, r)
	}
	return free
}

// Close closes the files that are open. None is read any more.
func (fi *Files) Close() {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	for n, f := range fi.open {
		delete(fi.open, n)
		fi.drop(f)
	}
}
