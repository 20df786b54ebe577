package store

import (
	"encoding/binary"
	"errors"

	"github.com/cespare/xxhash/v2"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/wal"
)

// Batch gathers the changes of one commit of one shard, applied in the order
// they were made. One goroutine uses it. After Commit only Close is left.
//
// It is the body of a record of the log, behind room for its head: for each
// change its kind (memtable.Kind), the length of the key with its table, the
// table, the key; but for a delete, the length of the value and the value. A far
// value has its checksum between the two.
type Batch struct {
	sh    *Shard
	buf   []byte
	count int
	err   error
	done  bool // committed or refused: not to be committed again
}

// farValue is from how many bytes on a value stays in the log, or in a file of
// values, and its row only says where: it is written once, not three times.
const farValue = 8 << 10

// keepBuf is how large a buffer may be that is used again.
const keepBuf = 4 << 20

// Set makes key hold value in table t. Both are copied. A value may come in
// parts.
func (b *Batch) Set(t Table, key []byte, value ...[]byte) {
	size := 0
	for _, part := range value {
		size += len(part)
	}
	kind := memtable.Set
	if size >= farValue {
		kind = memtable.Far
	}
	b.key(kind, t, key)
	b.buf = binary.AppendUvarint(b.buf, uint64(size))
	if kind == memtable.Far {
		b.buf = binary.LittleEndian.AppendUint64(b.buf, sum(value...))
	}
	for _, part := range value {
		b.buf = append(b.buf, part...)
	}
}

func sum(parts ...[]byte) uint64 {
	if len(parts) == 1 {
		return xxhash.Sum64(parts[0])
	}
	var d xxhash.Digest
	d.Reset()
	for _, p := range parts {
		_, _ = d.Write(p) // it cannot fail
	}
	return d.Sum64()
}

// maxKey is how long a key may be: what a memtable takes, less its table.
const maxKey = 16<<20 - 2

// key begins a change.
func (b *Batch) key(kind memtable.Kind, t Table, key []byte) {
	if len(key) > maxKey && b.err == nil {
		b.err = fault.New(fault.Invalid, opCommit, b.sh.id.String(), "a key has %d bytes, at most %d are allowed", len(key), maxKey)
	}
	b.buf = append(b.buf, byte(kind))
	b.buf = binary.AppendUvarint(b.buf, uint64(len(key)+1))
	b.buf = append(b.buf, byte(t))
	b.buf = append(b.buf, key...)
	b.count++
}

// Delete removes key from table t, if it is there.
func (b *Batch) Delete(t Table, key []byte) { b.key(memtable.Delete, t, key) }

// DeleteRange removes the committed keys of [from, to) from table t; a nil to is the
// table's end. It reads them, and costs a Delete for each.
func (b *Batch) DeleteRange(t Table, from, to []byte) {
	err := b.sh.Scan(t, from, to, func(k, _ []byte) (bool, error) {
		b.Delete(t, k)
		return true, nil
	})
	if err != nil && b.err == nil {
		b.err = err
	}
}

// Len returns the bytes gathered so far, as they will be logged.
func (b *Batch) Len() int { return max(len(b.buf)-wal.HeadSize, 0) }

// Count returns the number of changes gathered so far.
func (b *Batch) Count() int { return b.count }

// Close gives the memory back. It may be called twice, and never while a
// Commit of this batch runs.
func (b *Batch) Close() {
	if buf := b.buf; buf != nil && cap(buf) <= keepBuf {
		b.sh.s.bufs.Put(&buf)
	}
	b.buf, b.done = nil, true
}

// change is one change of a batch.
type change struct {
	kind  memtable.Kind
	key   []byte // with the table
	value []byte
	sum   uint64 // of a far value
	at    int    // where the value is in the body
}

var errBody = errors.New("malformed commit")

// each calls fn for each change of the body of a record.
func each(body []byte, fn func(change) error) error {
	for at := 0; at < len(body); {
		c := change{kind: memtable.Kind(body[at])}
		at++
		n, used := binary.Uvarint(body[at:])
		if at += used; used <= 0 || n == 0 || n > uint64(len(body)-at) {
			return errBody
		}
		c.key = body[at : at+int(n)]
		at += int(n)
		switch c.kind {
		case memtable.Delete:
		case memtable.Set, memtable.Far:
			n, used := binary.Uvarint(body[at:])
			if at += used; used <= 0 {
				return errBody
			}
			if c.kind == memtable.Far {
				if len(body)-at < 8 {
					return errBody
				}
				c.sum = binary.LittleEndian.Uint64(body[at:])
				at += 8
			}
			if n > uint64(len(body)-at) {
				return errBody
			}
			c.value, c.at = body[at:at+int(n)], at
			at += int(n)
		default:
			return errBody
		}
		if err := fn(c); err != nil {
			return err
		}
	}
	return nil
}

// insert puts the changes of a body, which is at that place of the log, into a
// memtable.
func insert(m *memtable.Table, body []byte, number uint64, at int64) error {
	var buf [far.RefSize]byte
	m.Begin()
	defer m.End()
	return each(body, func(c change) error {
		if c.kind == memtable.Far {
			c.value = far.Ref{Number: number, At: uint64(at) + uint64(c.at), Size: uint32(len(c.value)), Sum: c.sum}.Append(buf[:0])
		}
		m.Put(c.kind, c.key, c.value)
		return nil
	})
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
