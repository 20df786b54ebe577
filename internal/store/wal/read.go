package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// load reads a segment as a whole, at most max bytes.
func (r *reader) load(n uint64, max int64) ([]byte, error) {
	f, err := r.fs.Open(r.path(n))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := min(info.Size(), max)
	if int64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if _, err = io.ReadFull(io.NewSectionReader(f, 0, size), r.buf); err != nil {
		return nil, err
	}
	return r.buf, nil
}

// before returns how long the segment before this one is, or -1 if this one is
// the last and its making was cut short: then it holds no record.
func (r *reader) before(id segmentID, last bool) (int64, error) {
	b, err := r.load(id.number, segmentHead)
	if err != nil {
		return 0, err
	}
	before, err := decodeSegmentHead(b, id)
	if err == nil {
		return int64(before), nil
	}
	if b, err = r.load(id.number, 1<<62); err != nil {
		return 0, err
	}
	if at := findRecord(b, segmentHead, id, 0); !last || at >= 0 {
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
	b, err := r.load(id.number, limit)
	if err != nil {
		return 0, 0, err
	}
	if int64(len(b)) < size {
		return 0, 0, damagef(r.path(id.number), "the segment had %d bytes, and has %d", size, len(b))
	}
	if _, err := decodeSegmentHead(b, id); err != nil {
		return 0, 0, damagef(r.path(id.number), "%v", err)
	}
	at := segmentHead
	for at < len(b) {
		h, body, n, ok := recordAt(b[at:], id)
		if !ok {
			if size >= 0 {
				return 0, 0, damagef(r.path(id.number), "the record at byte %d of %d is damaged", at, size)
			}
			// Only what was never durable may be unreadable.
			if later := findRecord(b, at+align, id, uint64(at)+1); later >= 0 {
				return 0, 0, damagef(r.path(id.number), "the record at byte %d is damaged: what follows it at byte %d was written when it was durable", at, later)
			}
			break
		}
		err := r.fn(id.number, int64(at+HeadSize), Record{wire.ShardID(h.shard), wire.Seq(h.seq), h.prev, h.hash, body})
		if err != nil {
			return 0, 0, err
		}
		at += n
		read += uint64(n)
	}
	return uint64(min(at, len(b))), read, nil
}

// findRecord returns where the first whole record from byte at on is that was
// written when at least synced bytes were durable, or -1.
func findRecord(b []byte, at int, id segmentID, synced uint64) int {
	for at < len(b) {
		i := bytes.Index(b[at:], recordMagic[:])
		if i < 0 {
			return -1
		}
		at += i
		if h, _, _, ok := recordAt(b[at:], id); ok && h.synced >= synced {
			return at
		}
		at++
	}
	return -1
}

// Each calls fn for each record of one segment that Read has read before, or
// that a Values wrote.
func Each(fs vfs.FS, dir string, id [8]byte, number uint64, end int64, fn func(at int64, r Record) error) error {
	r := reader{fs: fs, dir: dir, fn: func(_ uint64, at int64, r Record) error { return fn(at, r) }}
	_, _, err := r.segment(segmentID{id, number}, end)
	return err
}
