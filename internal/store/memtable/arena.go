package memtable

import (
	"encoding/binary"
	"fmt"
)

// pos is the place of a record in the arena. Later records have higher ones, so
// a position is a point in time as well. No record has position 0.
type pos uint32

const (
	posSize   = 4
	slotBits  = 18
	slotSize  = 1 << slotBits // of the largest common chunk
	firstSize = 4 << 10       // of the first chunk; the next ones double
	maxSlots  = 1<<(32-slotBits) - 1
	maxKey    = 1 << 24 // what the length of a key stays under
	maxLen    = 1 << 30 // and that of a value

	headSize  = 8  // of each record
	listEntry = 24 // bytes of a slice in a list
)

// arena is where the rows are, in records that are appended to chunks and, but
// for one field, never changed:
//
//	key      newest version (4), length (4), the key
//	version  version before or 0 (4), kind (2 bits) and length (30 bits), the value
//
// A key's first version follows it.
type arena struct {
	chunks chunks
	cur    []byte // the newest chunk
	used   int    // bytes of cur
	base   pos    // of the first byte of cur
}

// chunks finds the bytes of a position: its upper bits number a slot, its lower
// ones are the offset in there. A chunk that is larger than a slot has several,
// each of which goes to the end of the chunk. Slots are only ever appended, so
// a copy of chunks stays good for what was there when it was made.
type chunks [][]byte

func (c chunks) at(p pos) []byte { return c[p>>slotBits][p%slotSize:] }

// key returns the key of the record at p, which is one of a key.
func (c chunks) key(p pos) []byte {
	b := c.at(p)
	n := headSize + binary.LittleEndian.Uint32(b[4:])
	return b[headSize:n:n]
}

// version returns what the version at p says.
func (c chunks) version(p pos) (Kind, []byte) {
	b := c.at(p)
	size := binary.LittleEndian.Uint32(b[4:])
	n := headSize + size%maxLen
	return Kind(size / maxLen), b[headSize:n:n]
}

// before returns the version before the one at p, or 0.
func (c chunks) before(p pos) pos { return pos(binary.LittleEndian.Uint32(c.at(p))) }

func (a *arena) version(p pos) (Kind, []byte) { return a.chunks.version(p) }

// newest returns the newest version of the key at p: the one field of a record
// that changes.
func (a *arena) newest(p pos) pos { return pos(binary.LittleEndian.Uint32(a.chunks.at(p))) }

// next returns the position that the next record will have, or a lower one
// that is above all that there are.
func (a *arena) next() pos { return a.base + pos(a.used) }

// addKey adds a key and its first version, whose parts have size bytes in all.
// It returns where the key is and by how many bytes the arena has grown.
func (a *arena) addKey(key []byte, kind Kind, value [][]byte, size int) (at pos, grown int64) {
	b, at, grown := a.room(2*headSize + len(key) + size)
	first := headSize + len(key)
	binary.LittleEndian.PutUint32(b, uint32(at)+uint32(first))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(key)))
	copy(b[headSize:], key)
	putVersion(b[first:], 0, kind, value, size)
	return at, grown
}

// addVersion adds a version of the key at p. It returns by how many bytes the
// arena has grown.
func (a *arena) addVersion(p pos, kind Kind, value [][]byte, size int) (grown int64) {
	b, at, grown := a.room(headSize + size)
	newest := a.chunks.at(p)
	putVersion(b, pos(binary.LittleEndian.Uint32(newest)), kind, value, size)
	binary.LittleEndian.PutUint32(newest, uint32(at))
	return grown
}

func putVersion(b []byte, before pos, kind Kind, value [][]byte, size int) {
	binary.LittleEndian.PutUint32(b, uint32(before))
	binary.LittleEndian.PutUint32(b[4:], uint32(kind)*maxLen|uint32(size))
	b = b[headSize:]
	for _, part := range value {
		b = b[copy(b, part):]
	}
}

// room returns n bytes for a record, where they are, and by how many bytes the
// arena has grown for them.
func (a *arena) room(n int) (b []byte, at pos, grown int64) {
	if n > len(a.cur)-a.used {
		grown = a.grow(n)
	}
	b, at = a.cur[a.used:a.used+n], a.next()
	a.used += n
	return b, at, grown
}

// grow begins a chunk with at least n bytes. What is left of the one before is
// less than n and stays unused, so that positions tell the order of records.
func (a *arena) grow(n int) int64 {
	slots := len(a.chunks)
	if slots == 0 {
		n++ // for position 0
	}
	n = max(n, min(slotSize, firstSize<<min(slots, slotBits)))
	take := (n + slotSize - 1) / slotSize
	if slots+take > maxSlots {
		panic(fmt.Sprintf("memtable: the table is full: %d of %d slots of %d bytes are taken, and a row needs %d bytes", slots, maxSlots, slotSize, n))
	}
	a.cur, a.used, a.base = make([]byte, n), 0, pos(slots)*slotSize
	if slots == 0 {
		a.used = 1
	}
	was := cap(a.chunks)
	for i := range take {
		a.chunks = append(a.chunks, a.cur[i*slotSize:])
	}
	return int64(n) + int64(cap(a.chunks)-was)*listEntry
}
