package wal

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/store/file"
)

// Options says how a log is written.
type Options struct {
	FS       vfs.FS
	Dir      string // of the segments; it must be there
	ID       [8]byte
	Category vfs.DiskWriteCategory
	// Ahead is how many bytes ahead of its records a segment gets its room, so
	// that it lies on the disk in few pieces.
	Ahead int64
	// Spare gives the log a file to be written over as its next segment, by its path,
	// if there is one. Nobody reads it. Nil: there is none.
	Spare func() (path string, ok bool)
	// Fail is told of the first error, before anybody else is.
	Fail func(error)
}

// Log writes a log. Its methods may be called by any goroutine.
type Log struct {
	o Options

	mu      sync.Mutex
	free    []*request
	queue   []*request // to be written
	spare   []*request
	leading bool
	err     error // the first: nothing is written after it

	// The leader's.
	f      vfs.File
	number uint64
	at     int64 // where the next record goes
	synced int64 // so much of the segment is durable
	room   int64 // so much of it is allocated
}

// request is one that waits for a sync.
type request struct {
	record *Record
	buf    []byte
	rotate bool

	number uint64 // where it went
	at     int64
	err    error
	done   chan bool // true: lead, nobody has done it yet
}

// Open begins a new segment behind the tail that Read found. What is in the
// segment before becomes durable first: after the death of a process it may be in
// the page cache only.
func Open(o Options, t Tail) (*Log, error) {
	last := t.Last()
	l := &Log{o: o, number: last.Number, at: int64(last.Size)}
	if last.Number > 0 {
		f, err := o.FS.OpenReadWrite(o.FS.PathJoin(o.Dir, Name(last.Number)), o.Category)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return nil, err
		}
	}
	if err := l.begin(); err != nil {
		return nil, err
	}
	return l, nil
}

// begin makes the next segment, durable with its name.
func (l *Log) begin() error {
	fs := l.o.FS
	path := fs.PathJoin(l.o.Dir, Name(l.number+1))
	if !l.reuse(path) {
		f, err := fs.Create(path, l.o.Category)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	// WriteAt leaves the bytes that it is given alone; a vfs.File's Write may not.
	f, err := fs.OpenReadWrite(path, l.o.Category)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(encodeSegmentHead(segmentID{l.o.ID, l.number + 1}, uint64(l.at)), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = file.SyncDir(fs, l.o.Dir)
	}
	var info os.FileInfo
	if err == nil {
		info, err = f.Stat()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.number, l.at, l.synced, l.room = f, l.number+1, segmentHead, segmentHead, info.Size()
	return nil
}

// reuse makes the spare file the segment of that path, and reports whether there was one.
// What it has is of no record: the sum of a record is of its segment, too.
func (l *Log) reuse(path string) bool {
	if l.o.Spare == nil {
		return false
	}
	spare, ok := l.o.Spare()
	return ok && l.o.FS.Rename(spare, path) == nil
}

// Append writes a record and returns when it is durable: its segment and where its
// body begins. buf is HeadSize bytes, which are written over, and then the body;
// r.Body is not looked at, and r.Hash must be the body's Link. After the first error each call returns it.
func (l *Log) Append(r *Record, buf []byte) (number uint64, at int64, err error) {
	q := l.request()
	q.record, q.buf = r, buf
	l.do(q)
	number, at, err = q.number, q.at+HeadSize, q.err
	l.release(q)
	return number, at, err
}

// Rotate ends the segment, begins another, and returns the one that ended.
func (l *Log) Rotate() (Segment, error) {
	q := l.request()
	q.rotate = true
	l.do(q)
	ended, err := Segment{q.number, uint64(q.at)}, q.err
	l.release(q)
	return ended, err
}

// request returns one that nobody uses. They are kept by their log, not by
// all: in a bubble of virtual time a channel must not come from outside.
func (l *Log) request() *request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		q := l.free[n-1]
		l.free = l.free[:n-1]
		return q
	}
	return &request{done: make(chan bool, 1)}
}

func (l *Log) release(q *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*q = request{done: q.done}
	l.free = append(l.free, q)
}

// do queues q, and returns when it is done. Whoever finds nobody at work writes
// for all that are in the queue, then gives the work to the first of
// those that came meanwhile.
func (l *Log) do(q *request) {
	l.mu.Lock()
	l.queue = append(l.queue, q)
	lead := !l.leading
	l.leading = true
	l.mu.Unlock()
	if !lead {
		lead = <-q.done
	}
	if !lead {
		return
	}
	l.mu.Lock()
	mine := l.queue
	l.queue = l.spare[:0]
	err := l.err
	l.mu.Unlock()
	if err == nil {
		err = l.write(mine)
	}
	if err != nil {
		l.failed(err)
	}
	l.mu.Lock()
	for i, w := range mine {
		w.err = err
		if w != q {
			w.done <- false
		}
		mine[i] = nil
	}
	l.spare = mine[:0]
	if len(l.queue) > 0 {
		l.queue[0].done <- true
	} else {
		l.leading = false
	}
	l.mu.Unlock()
}

// failed notes the first error. Whoever has to know is told before any caller.
func (l *Log) failed(err error) {
	l.mu.Lock()
	first := l.err == nil
	if first {
		l.err = err
	}
	l.mu.Unlock()
	if first {
		l.o.Fail(err)
	}
}

// write writes what was asked for, in order, and syncs it.
func (l *Log) write(queue []*request) error {
	for _, q := range queue {
		if q.rotate {
			if err := l.sync(); err != nil {
				return err
			}
			q.number, q.at = l.number, l.at
			f := l.f
			if err := l.begin(); err != nil {
				return fmt.Errorf("a new segment of the log: %w", err)
			}
			if err := f.Close(); err != nil {
				return err
			}
			continue
		}
		if err := l.put(q); err != nil {
			return fmt.Errorf("the log: %w", err)
		}
	}
	return l.sync()
}

var zeros [align]byte

func (l *Log) put(q *request) error {
	r, body := q.record, len(q.buf)-HeadSize
	n := padded(body)
	if end := l.at + int64(n); end > l.room {
		l.room = end + l.o.Ahead
		_ = l.f.Preallocate(l.at, l.room-l.at) // whether there is room is for the write to say
	}
	recordHead{uint32(body), uint64(r.Seq), r.Prev, r.Hash, uint64(l.synced), uint16(r.Shard)}.put(q.buf, segmentID{l.o.ID, l.number}, l.at)
	q.number, q.at = l.number, l.at
	if pad := n - len(q.buf); pad > 0 && cap(q.buf) >= n {
		q.buf = append(q.buf, zeros[:pad]...)
	}
	if _, err := l.f.WriteAt(q.buf, l.at); err != nil {
		return err
	}
	if pad := n - len(q.buf); pad > 0 {
		if _, err := l.f.WriteAt(zeros[:pad], l.at+int64(len(q.buf))); err != nil {
			return err
		}
	}
	l.at += int64(n)
	return nil
}

func (l *Log) sync() error {
	if l.synced == l.at {
		return nil
	}
	if err := l.f.SyncData(); err != nil {
		return fmt.Errorf("sync of the log: %w", err)
	}
	l.synced = l.at
	return nil
}

// Close closes the file. Nothing may be under way.
func (l *Log) Close() error { return l.f.Close() }

// Writer writes one segment that is no part of the log, all at once.
type Writer struct{ l *Log }

// Create makes the segment with that number. Options.Fail is not called.
func Create(o Options, number uint64) (*Writer, error) {
	l := &Log{o: o, number: number - 1}
	if err := l.begin(); err != nil {
		return nil, err
	}
	return &Writer{l}, nil
}

// Write writes a record like Append, and returns where its body begins. It is not
// durable before Finish. The hash of the record is made here.
func (w *Writer) Write(r *Record, buf []byte) (at int64, err error) {
	r.Hash = Link(r.Prev, r.Shard, r.Seq, buf[HeadSize:])
	q := request{record: r, buf: buf}
	err = w.l.put(&q)
	return q.at + HeadSize, err
}

// Finish makes the segment durable, closes it, and returns its length.
func (w *Writer) Finish() (size int64, err error) {
	err = w.l.sync()
	if e := w.l.f.Close(); err == nil {
		err = e
	}
	return w.l.at, err
}
