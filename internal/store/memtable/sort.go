package memtable

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// The sizes up to which groups of keys are sorted by comparing whole keys, and
// by comparing heads.
const (
	fewKeys  = 12
	fewHeads = 200
)

// sortable is a key on its way into order.
type sortable struct {
	head uint64 // the eight bytes of the key that are looked at, zeros after its end
	at   pos
	size uint32 // of the key
}

// sort brings distinct keys into order. Keys are much alike at their beginning
// and far apart in memory, so what they have in common is skipped, and the
// eight bytes after it are fetched once and sorted as a number; those that are
// alike in these go on with the next eight.
func (c chunks) sort(keys []pos) {
	all := make([]sortable, 2*len(keys))
	s := all[:len(keys)]
	for i, p := range keys {
		s[i] = sortable{at: p, size: binary.LittleEndian.Uint32(c.at(p)[4:])}
	}
	c.sortFrom(0, s, all[len(keys):])
	for i := range s {
		keys[i] = s[i].at
	}
}

// sortFrom sorts keys whose first depth bytes are the same and which have as
// many. The spare slice is as long as s.
func (c chunks) sortFrom(depth int, s, spare []sortable) {
	if len(s) <= fewKeys {
		slices.SortFunc(s, func(a, b sortable) int {
			return bytes.Compare(c.key(a.at)[depth:], c.key(b.at)[depth:])
		})
		return
	}
	depth += c.common(depth, s)
	for i := range s {
		s[i].head = head(c.key(s[i].at)[depth:])
	}
	if len(s) <= fewHeads {
		slices.SortFunc(s, func(a, b sortable) int { return cmp.Compare(a.head, b.head) })
	} else {
		radix(s, spare)
	}
	for len(s) > 0 {
		n := 1
		for n < len(s) && s[n].head == s[0].head {
			n++
		}
		if n > 1 {
			c.sortAlike(depth+8, s[:n], spare[:n])
		}
		s, spare = s[n:], spare[n:]
	}
}

// sortAlike sorts keys that are the same up to depth, but for zeros after the
// end of those that end before. One that ends is the beginning of the longer
// ones, so it comes before them.
func (c chunks) sortAlike(depth int, s, spare []sortable) {
	ended := 0
	for i := range s {
		if int(s[i].size) <= depth {
			s[i], s[ended] = s[ended], s[i]
			ended++
		}
	}
	slices.SortFunc(s[:ended], func(a, b sortable) int { return cmp.Compare(a.size, b.size) })
	c.sortFrom(depth, s[ended:], spare[ended:])
}

// common returns how many bytes after depth all the keys have in common.
func (c chunks) common(depth int, s []sortable) int {
	first := c.key(s[0].at)[depth:]
	n := len(first)
	for i := 1; i < len(s) && n > 0; i++ {
		k := c.key(s[i].at)[depth:]
		if len(k) >= n && string(k[:n]) == string(first[:n]) {
			continue
		}
		n = commonPrefix(first[:n], k)
	}
	return n
}

// commonPrefix returns how many bytes a and b have in common at their
// beginning.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// head returns the first eight bytes of b as a number of the same order.
func head(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// radix sorts by head: a pass for each eight bits in which they differ, from
// the last to the first. The spare slice is as long as s.
func radix(s, spare []sortable) {
	var differ uint64
	for i := range s {
		differ |= s[i].head ^ s[0].head
	}
	to, from := spare, s
	for shift := uint(bits.TrailingZeros64(differ)); shift < 64; shift += 8 {
		if differ>>shift&0xff == 0 {
			continue
		}
		var start [256]uint32
		for i := range from {
			start[from[i].head>>shift&0xff]++
		}
		sum := uint32(0)
		for i, n := range start {
			start[i] = sum
			sum += n
		}
		for i := range from {
			b := from[i].head >> shift & 0xff
			to[start[b]] = from[i]
			start[b]++
		}
		to, from = from, to
	}
	if &from[0] != &s[0] {
		copy(s, from)
	}
}
