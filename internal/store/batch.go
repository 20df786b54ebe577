package store

import (
	"bytes"
	"errors"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/wal"
)

// Batch gathers the changes of one commit of one shard, applied in the order
// they were made. One goroutine uses it. After Commit only Close is left.
//
// It is the body of a record of the log (see package body), behind room for its head.
type Batch struct {
	sh    *Shard
	buf   []byte
	spans []span
	count int
	err   error
	done  bool // committed or refused: not to be committed again
}

// span is a range of keys to be deleted.
type span struct {
	at       int // where in the buffer the deletes belong
	t        Table
	from, to []byte
}

// keepBuf is how large a buffer may be that is used again.
const keepBuf = 64 << 20

// Set makes key hold value in table t. Both are copied. A value may come in
// parts.
func (b *Batch) Set(t Table, key []byte, value ...[]byte) {
	b.note(key)
	b.buf = body.AppendSet(b.buf, t, key, value...)
}

// maxKey is how long a key may be: what a memtable takes, less its table.
const maxKey = 16<<20 - 2

// note counts a change, and refuses a key that is too long.
func (b *Batch) note(key []byte) {
	if len(key) > maxKey && b.err == nil {
		b.err = fault.New(fault.Invalid, opCommit, b.sh.id.String(), "a key has %d bytes, at most %d are allowed", len(key), maxKey)
	}
	b.count++
}

// Delete removes key from table t, if it is there.
func (b *Batch) Delete(t Table, key []byte) {
	b.note(key)
	b.buf = body.AppendDelete(b.buf, t, key)
}

// DeleteRange removes the committed keys of [from, to) from table t; a nil to is the
// table's end. Commit reads them, and writes a Delete for each.
func (b *Batch) DeleteRange(t Table, from, to []byte) {
	b.count++
	b.spans = append(b.spans, span{len(b.buf), t, bytes.Clone(from), bytes.Clone(to)})
}

// expand puts a Delete for each key that is there in the place of each range.
func (b *Batch) expand() error {
	if len(b.spans) == 0 || b.err != nil {
		return b.err
	}
	whole, done := b.sh.s.newBuf(len(b.buf)), wal.HeadSize
	for _, x := range b.spans {
		whole = append(whole, b.buf[done:x.at]...)
		done = x.at
		b.err = errors.Join(b.err, b.sh.Scan(x.t, x.from, x.to, func(k, _ []byte) (bool, error) {
			whole = body.AppendDelete(whole, x.t, k)
			return true, nil
		}))
	}
	whole = append(whole, b.buf[done:]...)
	b.sh.s.oldBuf(b.buf)
	b.buf, b.spans = whole, nil
	return b.err
}

// Len returns the bytes gathered so far, as they will be logged, without the
// deletes of ranges.
func (b *Batch) Len() int { return max(len(b.buf)-wal.HeadSize, 0) }

// Count returns the number of changes gathered so far; a range is one.
func (b *Batch) Count() int { return b.count }

// Close gives the memory back. It may be called twice, and never while a
// Commit of this batch runs.
func (b *Batch) Close() {
	if b.buf != nil {
		b.sh.s.oldBuf(b.buf)
	}
	b.buf, b.spans, b.done = nil, nil, true
}

// oldBuf takes a buffer back.
func (s *Store) oldBuf(buf []byte) {
	if cap(buf) <= keepBuf {
		s.bufs.Put(&buf)
	}
}

// newBuf returns an empty buffer with room for the head of a record.
func (s *Store) newBuf(size int) []byte {
	var b []byte
	if p, ok := s.bufs.Get().(*[]byte); ok {
		b = *p
	}
	if cap(b) < wal.HeadSize+size {
		b = make([]byte, 0, wal.HeadSize+size+8)
	}
	return b[:wal.HeadSize]
}
