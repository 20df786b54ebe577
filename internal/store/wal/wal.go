// Package wal is the log of a data directory: what is written and synced
// before anybody is told that a commit is durable. A record is one commit of
// one shard; the records of all shards share the segments of the log, and
// commits that wait at the same time share a sync. A segment is replaced by
// a new one when its rows have been written to tables (see package store).
//
// A record names the hash of the one before it in its shard, and how much of
// its segment was durable when it was written. The first binds commits into
// a chain; the second tells damage from an end that was torn by a power loss:
// what is unreadable before something that was written when it was
// durable has been damaged.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
	"github.com/situ-dev/situ/internal/wire"
)

const (
	// HeadSize is how many bytes of a record come before its body.
	HeadSize = 48
	// segmentHead is how many bytes a segment begins with.
	segmentHead = 64
	// align is what the length of a record is rounded up to, with zeros.
	align = 8
	// MaxBody is how long a body may be.
	MaxBody = 1 << 30
)

// The last byte of each is the version of the format.
var (
	segmentMagic = [8]byte{'s', 'i', 't', 'u', 'l', 'o', 'g', 1}
	recordMagic  = [4]byte{'r', 'e', 'c', 1}
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one commit.
type Record struct {
	Shard wire.ShardID
	Seq   wire.Seq
	Prev  uint64 // hash of the commit before
	Hash  uint64 // see Link
	Body  []byte
}

// Link is the hash of a commit: it binds the body to its place. xxhash64: the
// chain guards against damage, stale files and our own bugs, not against an
// adversary, who could rewrite the whole directory anyway; it costs 0.1 ms
// for each MiB.
func Link(prev uint64, shard wire.ShardID, seq wire.Seq, body []byte) uint64 {
	var head [18]byte
	binary.BigEndian.PutUint64(head[:], prev)
	binary.BigEndian.PutUint16(head[8:], uint16(shard))
	binary.BigEndian.PutUint64(head[10:], uint64(seq))
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(head[:]) // it cannot fail
	_, _ = d.Write(body)
	return d.Sum64()
}

// recordHead is what comes before a body.
type recordHead struct {
	size   uint32 // of the body
	seq    uint64
	prev   uint64
	hash   uint64
	synced uint64 // so many bytes of the segment were durable by then
	shard  uint16
}

// put writes the head of the record at byte at. The checksum is of the place, too,
// so that a record of another place, segment or directory is not one.
func (h recordHead) put(b []byte, id segmentID, at int64) {
	copy(b, recordMagic[:])
	binary.LittleEndian.PutUint32(b[4:], h.size)
	binary.LittleEndian.PutUint64(b[8:], h.seq)
	binary.LittleEndian.PutUint64(b[16:], h.prev)
	binary.LittleEndian.PutUint64(b[24:], h.hash)
	binary.LittleEndian.PutUint64(b[32:], h.synced)
	binary.LittleEndian.PutUint16(b[40:], h.shard)
	binary.LittleEndian.PutUint16(b[42:], 0)
	binary.LittleEndian.PutUint32(b[44:], id.sum(at, b[:44]))
}

// decodeHead returns the head at the start of b, which is byte at of the segment,
// and whether there is one.
func decodeHead(b []byte, id segmentID, at int64) (h recordHead, ok bool) {
	if len(b) < HeadSize || [4]byte(b[:4]) != recordMagic || b[42]|b[43] != 0 ||
		binary.LittleEndian.Uint32(b[44:]) != id.sum(at, b[:44]) {
		return h, false
	}
	return recordHead{
		size:   binary.LittleEndian.Uint32(b[4:]),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		prev:   binary.LittleEndian.Uint64(b[16:]),
		hash:   binary.LittleEndian.Uint64(b[24:]),
		synced: binary.LittleEndian.Uint64(b[32:]),
		shard:  binary.LittleEndian.Uint16(b[40:]),
	}, true
}

// segmentID is which segment of which directory it is.
type segmentID struct {
	store  [8]byte
	number uint64
}

// sum is the checksum of what is at byte at.
func (id segmentID) sum(at int64, b []byte) uint32 {
	var seed [24]byte
	copy(seed[:], id.store[:])
	binary.LittleEndian.PutUint64(seed[8:], id.number)
	binary.LittleEndian.PutUint64(seed[16:], uint64(at))
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, b)
}

// encodeSegmentHead returns what a segment begins with. before is how long the
// segment before it is, without what may be behind its last record.
func encodeSegmentHead(id segmentID, before uint64) []byte {
	b := make([]byte, segmentHead)
	copy(b, segmentMagic[:])
	copy(b[8:], id.store[:])
	binary.LittleEndian.PutUint64(b[16:], id.number)
	binary.LittleEndian.PutUint64(b[24:], before)
	binary.LittleEndian.PutUint32(b[60:], id.sum(0, b[:60]))
	return b
}

var errHead = errors.New("the head of the segment is damaged, or of another directory")

func decodeSegmentHead(b []byte, id segmentID) (before uint64, err error) {
	if len(b) < segmentHead || [8]byte(b[:8]) != segmentMagic || binary.LittleEndian.Uint32(b[60:]) != id.sum(0, b[:60]) {
		return 0, errHead
	}
	return binary.LittleEndian.Uint64(b[24:]), nil
}

// padded returns the length of a record with its zeros.
func padded(body int) int { return (HeadSize + body + align - 1) &^ (align - 1) }

// recordAt returns the record at the start of b, which is byte at of the segment,
// its length with zeros, and whether there is a whole one.
func recordAt(b []byte, id segmentID, at int64) (h recordHead, body []byte, n int, ok bool) {
	h, ok = decodeHead(b, id, at)
	if !ok || h.size > MaxBody || len(b) < HeadSize+int(h.size) {
		return h, nil, 0, false
	}
	body = b[HeadSize : HeadSize+int(h.size)]
	if Link(h.prev, wire.ShardID(h.shard), wire.Seq(h.seq), body) != h.hash {
		return h, nil, 0, false
	}
	n = padded(int(h.size))
	for _, c := range b[HeadSize+int(h.size) : min(n, len(b))] {
		if c != 0 {
			return h, nil, 0, false
		}
	}
	return h, body, n, true
}

// Damage is what is wrong with a segment.
type Damage struct {
	Path string
	What string
}

// Error makes it an error.
func (d *Damage) Error() string { return d.What + " (file: " + d.Path + ")" }

func damagef(path, f string, a ...any) *Damage { return &Damage{path, fmt.Sprintf(f, a...)} }
