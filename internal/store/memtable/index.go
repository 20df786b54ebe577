package memtable

import (
	"math/bits"
)

const (
	indexParts = 64
	wordSize   = 8
	firstWords = 16
)

// index finds keys by their hash. It has parts that grow each on its own, so
// that no put has to wait until all of it has doubled.
type index struct {
	parts [indexParts]part
	used  int // words in all
}

// part returns the part for keys of hash h.
func (x *index) part(h uint64) *part { return &x.parts[h%indexParts] }

// part is a hash table with linear probing. A word is 0, or 32 bits of a key's
// hash over the position of the key. The home of a word are the uppermost of
// these bits, so growing needs no look at the keys, and goes through memory
// from its start to its end.
type part struct {
	words []uint64
	shift uint8 // leaves as many bits of 32 as a home has
	used  int
}

// full reports whether the part must grow before a key comes. A quarter of the
// words is always free: it ends the searches.
func (p *part) full() bool { return p.used >= len(p.words)/4*3 }

// tag returns the bits of h that are in a word. Those that choose the part are
// not among them.
func tag(h uint64) uint32 { return uint32(h >> 32) }

func (p *part) word(h uint64, at pos) uint64 { return uint64(tag(h))<<32 | uint64(at) }

// find returns the word of the key, whose hash is h, or else the free word
// where it belongs; nil if the part has no words at all.
func (p *part) find(h uint64, key []byte, a *arena) *uint64 {
	words, tag := p.words, tag(h)
	if len(words) == 0 {
		return nil
	}
	last := uint32(len(words) - 1)
	for i := tag >> p.shift; ; i++ {
		w := &words[i&last]
		if *w == 0 || uint32(*w>>32) == tag && string(a.chunks.key(pos(*w))) == string(key) {
			return w
		}
	}
}

// grow doubles the part and returns by how many bytes.
func (p *part) grow() int64 {
	old := p.words
	n := max(firstWords, 2*len(old))
	p.words = make([]uint64, n)
	p.shift = uint8(32 - bits.Len(uint(n-1)))
	last := uint32(n - 1)
	for _, w := range old {
		if w == 0 {
			continue
		}
		i := uint32(w>>32) >> p.shift
		for p.words[i&last] != 0 {
			i++
		}
		p.words[i&last] = w
	}
	return int64(n-len(old)) * wordSize
}
