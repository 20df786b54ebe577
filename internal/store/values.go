package store

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/wal"
)

// A row in the tables is one byte, its kind, and then its value or, of a far
// value, where that is.
func appendKind(b []byte, kind memtable.Kind, value []byte) []byte {
	return append(append(b, byte(kind)), value...)
}

func splitKind(v []byte) (memtable.Kind, []byte, error) {
	if len(v) == 0 || memtable.Kind(v[0]) != memtable.Set && memtable.Kind(v[0]) != memtable.Far {
		return 0, nil, errors.New("malformed row")
	}
	return memtable.Kind(v[0]), v[1:], nil
}

// value returns the value of a row, reading a far one into buf.
func (s *Store) value(buf []byte, kind memtable.Kind, v []byte) ([]byte, error) {
	if kind != memtable.Far {
		return v, nil
	}
	r, err := decodeRef(v)
	if err != nil {
		return nil, err
	}
	return s.files.read(buf, r)
}

// copy is value with a slice of its own.
func (s *Store) copy(kind memtable.Kind, v []byte) ([]byte, error) {
	if kind == memtable.Far {
		return s.value(nil, kind, v)
	}
	if v == nil {
		v = []byte{}
	}
	return bytes.Clone(v), nil
}

// errMoved says that a file with a value is gone: the value is elsewhere now,
// or was replaced, and the row says so when it is read again.
var errMoved = errors.New("the value has moved")

// files reads far values from the segments of the log and the files of
// values, and removes those that nobody needs. A file is needed as long as a row
// in a memtable or table names it, or a walk that is older than its end is open.
type files struct {
	fs   vfs.FS
	logs string // directory of the log
	vals string // directory of the files of values

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

// maxOpen is how many files are kept open for reading.
const maxOpen = 64

func newFiles(fs vfs.FS, dir string) *files {
	return &files{fs: fs, logs: fs.PathJoin(dir, layout.LogDir), vals: fs.PathJoin(dir, layout.ValuesDir),
		open: map[uint64]*valueFile{}, walks: map[uint64]int{}, gone: map[uint64]struct{}{}}
}

// place returns the directory of a file, and its number there.
func (fi *files) place(number uint64) (dir string, n uint64) {
	if number&inValues != 0 {
		return fi.vals, number &^ inValues
	}
	return fi.logs, number
}

func (fi *files) path(number uint64) string {
	dir, n := fi.place(number)
	return fi.fs.PathJoin(dir, wal.Name(n))
}

// read reads a value and checks its sum. The error is errMoved, or names the
// file: of kind Corrupt if it is missing or the value damaged.
func (fi *files) read(buf []byte, r ref) ([]byte, error) {
	f, err := fi.hold(r.number)
	if err != nil {
		return nil, err
	}
	defer fi.release(f)
	if cap(buf) < int(r.size) {
		buf = make([]byte, r.size)
	}
	buf = buf[:r.size]
	n, err := f.f.ReadAt(buf, int64(r.at))
	if n == len(buf) && xxhash.Sum64(buf) == r.sum {
		return buf, nil
	}
	return nil, &fault.Error{Kind: fault.Corrupt, Op: opRead, On: fi.path(r.number), Err: err,
		Msg: fmt.Sprintf("the value of %d bytes at byte %d is damaged", r.size, r.at)}
}

// hold opens a file, or finds it open.
func (fi *files) hold(number uint64) (*valueFile, error) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	f := fi.open[number]
	if f == nil {
		got, err := fi.fs.Open(fi.path(number))
		if err != nil {
			_, gone := fi.gone[number]
			switch {
			case gone && file.NotExist(err):
				return nil, errMoved
			case file.NotExist(err):
				return nil, fault.Wrap(fault.Corrupt, opRead, fi.path(number), err)
			}
			return nil, fault.Wrap(fault.Internal, opRead, fi.path(number), err)
		}
		f = &valueFile{f: got, refs: 2} // with the one of the list
		fi.open[number] = f
		fi.shrink()
		return f, nil
	}
	f.refs++
	return f, nil
}

func (fi *files) release(f *valueFile) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	fi.drop(f)
}

func (fi *files) drop(f *valueFile) {
	if f.refs--; f.refs == 0 {
		_ = f.f.Close() // it was only read
	}
}

// shrink closes files that nobody reads while too many are open.
func (fi *files) shrink() {
	for n, f := range fi.open {
		if len(fi.open) <= maxOpen {
			return
		}
		if f.refs == 1 {
			delete(fi.open, n)
			fi.drop(f)
		}
	}
}

// enter notes a walk; leave with what it returned ends it.
func (fi *files) enter() uint64 {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	fi.walks[fi.epoch]++
	return fi.epoch
}

func (fi *files) leave(epoch uint64) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	if fi.walks[epoch]--; fi.walks[epoch] == 0 {
		delete(fi.walks, epoch)
	}
}

// retire notes files that no row names any more, and removes those that no open
// walk needs, oldest first.
func (fi *files) retire(numbers []uint64) {
	for _, n := range fi.purge(numbers) {
		// What cannot be removed now is removed by the next start.
		_ = fi.fs.Remove(fi.path(n))
	}
}

func (fi *files) purge(numbers []uint64) (free []uint64) {
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
		if f := fi.open[o.number]; f != nil {
			delete(fi.open, o.number)
			fi.drop(f)
		}
		fi.gone[o.number] = struct{}{}
		free = append(free, o.number)
	}
	return free
}

func (fi *files) close() {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	for n, f := range fi.open {
		delete(fi.open, n)
		fi.drop(f)
	}
}
