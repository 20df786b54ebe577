// Package body is the encoding of changes: in the body of a commit, as the log
// has it, and as rows of tables.
//
// A body has, for each change, its kind (memtable.Kind), the length of the key with
// its table, the table, the key; but for a delete, the length of the value and the
// value. A far value has its checksum between the two.
package body

import (
	"encoding/binary"
	"errors"

	"github.com/cespare/xxhash/v2"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
)

// FarSize is from how many bytes on a value stays in the log, or in a file of
// values, and its row only says where: it is written once, not three times.
const FarSize = 8 << 10

// AppendSet appends a change that makes key hold value, which may come in parts, in table t.
func AppendSet(b []byte, t layout.Table, key []byte, value ...[]byte) []byte {
	size := 0
	for _, part := range value {
		size += len(part)
	}
	kind := memtable.Set
	if size >= FarSize {
		kind = memtable.Far
	}
	b = appendKey(b, kind, t, key)
	b = binary.AppendUvarint(b, uint64(size))
	if kind == memtable.Far {
		b = binary.LittleEndian.AppendUint64(b, sum(value...))
	}
	for _, part := range value {
		b = append(b, part...)
	}
	return b
}

// AppendDelete appends a change that removes key from table t.
func AppendDelete(b []byte, t layout.Table, key []byte) []byte {
	return appendKey(b, memtable.Delete, t, key)
}

// appendKey begins a change.
func appendKey(b []byte, kind memtable.Kind, t layout.Table, key []byte) []byte {
	b = append(b, byte(kind))
	b = binary.AppendUvarint(b, uint64(len(key)+1))
	b = append(b, byte(t))
	return append(b, key...)
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

// Change is one change of a commit.
type Change struct {
	Kind  memtable.Kind
	Key   []byte // with the table
	Value []byte
	Sum   uint64 // of a far value
	At    int    // the first byte of the value in the body
}

var errBody = errors.New("malformed commit")

// Each calls fn for each change of the body of a record, until fn returns an error, which it
// returns. What is malformed is an error, too. The slices are those of body.
func Each(body []byte, fn func(Change) error) error {
	for at := 0; at < len(body); {
		c := Change{Kind: memtable.Kind(body[at])}
		at++
		n, used := binary.Uvarint(body[at:])
		if at += used; used <= 0 || n == 0 || n > uint64(len(body)-at) {
			return errBody
		}
		c.Key = body[at : at+int(n)]
		at += int(n)
		switch c.Kind {
		case memtable.Delete:
		case memtable.Set, memtable.Far:
			n, used := binary.Uvarint(body[at:])
			if at += used; used <= 0 {
				return errBody
			}
			if c.Kind == memtable.Far {
				if len(body)-at < 8 {
					return errBody
				}
				c.Sum = binary.LittleEndian.Uint64(body[at:])
				at += 8
			}
			if n > uint64(len(body)-at) {
				return errBody
			}
			c.Value, c.At = body[at:at+int(n)], at
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

// Insert puts the changes of a body, which is at byte at of the segment number of the
// log, into a memtable. Its error is that of Each.
func Insert(m *memtable.Table, body []byte, number uint64, at int64) error {
	var buf [far.RefSize]byte
	m.Begin()
	defer m.End()
	return Each(body, func(c Change) error {
		if c.Kind == memtable.Far {
			c.Value = far.Ref{Number: number, At: uint64(at) + uint64(c.At), Size: uint32(len(c.Value)), Sum: c.Sum}.Append(buf[:0])
		}
		m.Put(c.Kind, c.Key, c.Value)
		return nil
	})
}
