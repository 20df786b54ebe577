package wal

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/wire"
)

// Ext is how the names of segments end.
const Ext = ".log"

// Name returns the name of a segment in its directory.
func Name(number uint64) string { return fmt.Sprintf("%08d%s", number, Ext) }

// List returns the numbers of the segments in dir, ascending. A directory that
// is not there has none.
func List(fs vfs.FS, dir string) ([]uint64, error) {
	names, err := fs.List(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var nums []uint64
	for _, name := range names {
		if digits, ok := strings.CutSuffix(name, Ext); ok {
			if n, err := strconv.ParseUint(digits, 10, 64); err == nil && Name(n) == name {
				nums = append(nums, n)
			}
		}
	}
	slices.Sort(nums)
	return nums, nil
}

// Segment is a file of the log, and how long it is without what may be behind
// its last record.
type Segment struct{ Number, Size uint64 }

// Tail is what Read found.
type Tail struct {
	Segments []Segment
	Bytes    uint64 // of all records
}

// Last returns the last segment; number 0 is none.
func (t Tail) Last() Segment {
	if len(t.Segments) == 0 {
		return Segment{}
	}
	return t.Segments[len(t.Segments)-1]
}

// Read calls fn for each record of the log of the directory with that id, from
// segment from on, in the order in which they were written. A body is
// valid during fn only. It changes nothing. What comes behind the last record of the
// last segment and was never durable is passed over. An error is a *Damage, what fn
// returned, or the file system's.
func Read(fs vfs.FS, dir string, id [8]byte, from uint64, fn func(number uint64, at int64, r Record) error) (t Tail, err error) {
	nums, err := List(fs, dir)
	if err != nil {
		return t, err
	}
	nums = slices.DeleteFunc(nums, func(n uint64) bool { return n < from })
	if len(nums) == 0 || nums[0] != from {
		return t, damagef(fs.PathJoin(dir, Name(from)), "segment %d of the log is missing", from)
	}
	r := reader{fs: fs, dir: dir, fn: fn}
	for i, n := range nums {
		if n != from+uint64(i) {
			return t, damagef(fs.PathJoin(dir, Name(from+uint64(i))), "segment %d of the log is missing, and segment %d is there", from+uint64(i), n)
		}
	}
	for i, n := range nums {
		next := int64(-1)
		if i+1 < len(nums) {
			if next, err = r.before(segmentID{id, nums[i+1]}, i+2 == len(nums)); err != nil {
				return t, err
			}
		}
		end, bytes, err := r.segment(segmentID{id, n}, next)
		if err != nil {
			return t, err
		}
		t.Segments = append(t.Segments, Segment{n, end})
		t.Bytes += bytes
		if next < 0 {
			break // what may be behind was cut short when it was made
		}
	}
	return t, nil
}

type reader struct {
	fs  vfs.FS
	dir string
	fn  func(uint64, int64, Record) error
	buf []byte
}

func (r *reader) path(n uint64) string { return r.fs.PathJoin(r.dir, Name(n)) }

// open opens a segment to be read from its start on, up to max bytes.
func (r *reader) open(n uint64, max int64) (*window, error) {
	f, err := r.fs.Open(r.path(n))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &window{f: f, size: min(info.Size(), max), buf: r.buf[:0]}, nil
}

// close closes what open has opened, and keeps its buffer.
func (r *reader) close(w *window) {
	r.buf = w.buf
	_ = w.f.Close() // it was only read
}

// before returns how long the segment before this one is, or -1 if this one is
// the last and its making was cut short: then it holds no record.
func (r *reader) before(id segmentID, last bool) (int64, error) {
	w, err := r.open(id.number, 1<<62)
	if err != nil {
		return 0, err
	}
	defer r.close(w)
	b, err := w.from(0, segmentHead)
	if err != nil {
		return 0, err
	}
	before, err := decodeSegmentHead(b, id)
	if err == nil {
		return int64(min(before, 1<<62)), nil
	}
	at, err := w.find(segmentHead, id, 0)
	if err != nil {
		return 0, err
	}
	if !last || at >= 0 {
		return 0, damagef(r.path(id.number), "%v", errHead)
	}
	return -1, nil
}

// segment reads one segment; size is how long it is known to be, or -1 for the last.
func (r *reader) segment(id segmentID, size int64) (end, read uint64, err error) {
	limit := size
	if size < 0 {
		limit = 1 << 62
	}
	w, err := r.open(id.number, limit)
	if err != nil {
		return 0, 0, err
	}
	defer r.close(w)
	if w.size < size {
		return 0, 0, damagef(r.path(id.number), "the segment had %d bytes, and has %d", size, w.size)
	}
	b, err := w.from(0, segmentHead)
	if err != nil {
		return 0, 0, err
	}
	if _, err := decodeSegmentHead(b, id); err != nil {
		return 0, 0, damagef(r.path(id.number), "%v", err)
	}
	at := int64(segmentHead)
	for at < w.size {
		h, body, n, err := w.record(at, id)
		if err != nil {
			return 0, 0, err
		}
		if n == 0 {
			if err := r.torn(w, at, id, size); err != nil {
				return 0, 0, err
			}
			break
		}
		err = r.fn(id.number, at+HeadSize, Record{wire.ShardID(h.shard), wire.Seq(h.seq), h.prev, h.hash, body})
		if err != nil {
			return 0, 0, err
		}
		at += int64(n)
		read += uint64(n)
	}
	return uint64(min(at, w.size)), read, nil
}

// torn says whether a segment may end at a byte where no record is: only what
// was never durable may be unreadable.
func (r *reader) torn(w *window, at int64, id segmentID, size int64) error {
	if size >= 0 {
		return damagef(r.path(id.number), "the record at byte %d of %d is damaged", at, size)
	}
	later, err := w.find(at+align, id, uint64(at)+1)
	if err == nil && later >= 0 {
		err = damagef(r.path(id.number), "the record at byte %d is damaged: what follows it at byte %d was written when it was durable", at, later)
	}
	return err
}

// Each calls fn for each record of one segment that Read has read before, or
// that a Writer wrote.
func Each(fs vfs.FS, dir string, id [8]byte, number uint64, end int64, fn func(at int64, r Record) error) error {
	r := reader{fs: fs, dir: dir, fn: func(_ uint64, at int64, r Record) error { return fn(at, r) }}
	_, _, err := r.segment(segmentID{id, number}, end)
	return err
}
