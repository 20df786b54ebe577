package store

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/wire"
)

// Batch gathers the changes of one commit of one shard, applied in the order
// they were made. One goroutine uses it. After Commit only Close is left.
type Batch struct {
	shard wire.ShardID
	b     *pebble.Batch
	done  bool // committed or refused: not to be committed again
}

// Set makes key hold value in table t. Both are copied. A value may come in
// parts.
func (b *Batch) Set(t Table, key []byte, value ...[]byte) {
	size := 0
	for _, part := range value {
		size += len(part)
	}
	op := b.b.SetDeferred(prefixLen+len(key), size)
	putPrefix(op.Key, b.shard, t)
	copy(op.Key[prefixLen:], key)
	at := 0
	for _, part := range value {
		at += copy(op.Value[at:], part)
	}
	b.must(op.Finish())
}

// Delete removes key from table t, if it is there.
func (b *Batch) Delete(t Table, key []byte) {
	op := b.b.DeleteDeferred(prefixLen + len(key))
	putPrefix(op.Key, b.shard, t)
	copy(op.Key[prefixLen:], key)
	b.must(op.Finish())
}

// DeleteRange removes the keys of [from, to) from table t; a nil to is the
// table's end. It costs every later scan over the range a little: use
// Delete for a few known keys.
func (b *Batch) DeleteRange(t Table, from, to []byte) {
	lo, hi := bounds(b.shard, t, from, to)
	b.must(b.b.DeleteRange(lo, hi, nil))
}

// Len returns the bytes gathered so far, as they will be logged.
func (b *Batch) Len() int {
	if b.b == nil {
		return 0
	}
	return b.b.Len()
}

// Count returns the number of changes gathered so far.
func (b *Batch) Count() int {
	if b.b == nil {
		return 0
	}
	return int(b.b.Count())
}

// Close gives the memory back. It may be called twice, and never while a
// Commit of this batch runs.
func (b *Batch) Close() {
	if b.b != nil {
		_ = b.b.Close()
		b.b = nil
	}
}

// link adds the chain row, and drops the rows in [drop, l.first) if any.
func (b *Batch) link(seq wire.Seq, l link, drop wire.Seq) {
	var key [8]byte
	var value [32]byte
	binary.BigEndian.PutUint64(key[:], uint64(seq))
	b.Set(tableChain, key[:], l.append(value[:0]))
	if drop < l.first {
		b.must(b.b.DeleteRange(chainKey(b.shard, drop), chainKey(b.shard, l.first), nil))
	}
}

// must holds because Pebble's in-memory batch never fails to append.
func (b *Batch) must(err error) {
	if err != nil {
		panic("store: batch: " + err.Error())
	}
}
