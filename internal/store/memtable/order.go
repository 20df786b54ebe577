package memtable

import (
	"bytes"
	"slices"
	"sort"
)

// A block has at most maxBlock keys. What is split gets blocks of about
// fillBlock, so that there is room for what comes next.
const (
	maxBlock  = 1024
	fillBlock = 768
)

// order is a list of keys in order, in blocks of some hundred. Neither it nor a
// block ever changes: with makes another order, which shares the blocks
// into which no key fell. So whoever has an order keeps it, at no cost.
type order struct {
	blocks [][]pos // none is empty
	keys   int
}

// bytes returns the memory of the order, about.
func (o order) bytes() int64 { return int64(o.keys)*posSize + int64(len(o.blocks))*listEntry }

// cursor is a place in an order: a key, or the end, which is the place after
// the last block.
type cursor struct{ block, i int }

func (c cursor) less(d cursor) bool { return c.block < d.block || c.block == d.block && c.i < d.i }

func (o order) end() cursor { return cursor{len(o.blocks), 0} }

func (o order) key(c cursor) pos { return o.blocks[c.block][c.i] }

// next returns the place after c, which is not the end.
func (o order) next(c cursor) cursor {
	if c.i++; c.i == len(o.blocks[c.block]) {
		return cursor{c.block + 1, 0}
	}
	return c
}

// prev returns the place before c, which is not the first.
func (o order) prev(c cursor) cursor {
	if c.i == 0 {
		return cursor{c.block - 1, len(o.blocks[c.block-1]) - 1}
	}
	return cursor{c.block, c.i - 1}
}

// search returns the place of the first key that is not less than key.
func (o order) search(keys chunks, key []byte) cursor {
	// The first block that begins after key: the place is in the one before it,
	// or right after that one, which is where this one begins.
	b := sort.Search(len(o.blocks), func(i int) bool { return bytes.Compare(keys.key(o.blocks[i][0]), key) > 0 })
	if b == 0 {
		return cursor{}
	}
	block := o.blocks[b-1]
	i := sort.Search(len(block), func(i int) bool { return bytes.Compare(keys.key(block[i]), key) >= 0 })
	if i == len(block) {
		return cursor{b, 0}
	}
	return cursor{b - 1, i}
}

// with returns the order with more keys, which are sorted and are not in it. It
// costs a search for each of them, a copy of the blocks that they fall into,
// and a copy of the list of blocks.
func (o order) with(keys chunks, more []pos) order {
	n := order{keys: o.keys + len(more)}
	n.blocks = make([][]pos, 0, len(o.blocks)+len(more)/fillBlock+2)
	if len(o.blocks) == 0 {
		n.add(slices.Clone(more))
		return n
	}
	done := 0 // blocks of o that are in n
	for len(more) > 0 {
		// The last block that does not begin after the next key, or the first.
		b := done + gallop(len(o.blocks)-done-1, len(more), func(i int) bool { return keys.less(more[0], o.blocks[done+1+i][0]) })
		n.blocks = append(n.blocks, o.blocks[done:b]...)
		take := len(more)
		if b+1 < len(o.blocks) {
			take = gallop(len(more), len(o.blocks)-b, func(i int) bool { return !keys.less(more[i], o.blocks[b+1][0]) })
		}
		n.add(keys.merge(o.blocks[b], more[:take]))
		done, more = b+1, more[take:]
	}
	n.blocks = append(n.blocks, o.blocks[done:]...)
	return n
}

// add adds the keys at the end, as one block or as some of about the same size.
func (o *order) add(keys []pos) {
	if len(keys) <= maxBlock {
		o.blocks = append(o.blocks, keys)
		return
	}
	for parts := (len(keys) + fillBlock - 1) / fillBlock; parts > 0; parts-- {
		n := len(keys) / parts
		o.blocks = append(o.blocks, slices.Clone(keys[:n]))
		keys = keys[n:]
	}
}

// merge returns the keys of a and b, both sorted, in order.
func (c chunks) merge(a, b []pos) []pos {
	out := make([]pos, 0, len(a)+len(b))
	for i, k := range b {
		n := gallop(len(a), len(b)-i, func(i int) bool { return c.less(k, a[i]) })
		out = append(append(out, a[:n]...), k)
		a = a[n:]
	}
	return append(out, a...)
}

func (c chunks) compare(p, q pos) int { return bytes.Compare(c.key(p), c.key(q)) }

func (c chunks) less(p, q pos) bool { return c.compare(p, q) < 0 }

// gallop returns the lowest i < n for which f is true, or n: f is false up to
// there and true from there on. It is quickest if i is about n / parts, as it
// is when n things are spread over so many parts and the first one is sought.
func gallop(n, parts int, f func(i int) bool) int {
	lo, step := 0, max(1, n/(2*parts))
	for lo+step <= n && !f(lo+step-1) {
		lo += step
		step *= 2
	}
	hi := min(lo+step-1, n)
	return lo + sort.Search(hi-lo, func(i int) bool { return f(lo + i) })
}
