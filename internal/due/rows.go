package due

import (
	"cmp"
	"slices"
	"sort"

	"github.com/situ-dev/situ/internal/wire"
)

// key is the place of an item in the order of time.
type key struct {
	due wire.Time
	seq wire.Seq
}

// compare orders keys by time, then by arrival.
func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.due, o.due), cmp.Compare(k.seq, o.seq))
}

// before reports whether k comes before o.
func (k key) before(o key) bool { return k.compare(o) < 0 }

// after returns the smallest key that comes after k.
func (k key) after() key {
	if k.seq+1 == 0 {
		return key{k.due + 1, 0}
	}
	return key{k.due, k.seq + 1}
}

// blockSize is how many items a block of rows holds at most. It bounds the
// bytes that an insertion moves.
const blockSize = 128

// rows is a sorted set of items: blocks of at most blockSize items, in order.
// Both ends are at hand, and an insertion moves one block's items at most.
// Invariant: no block is empty.
type rows[T any] struct {
	blocks [][]Item[T]
	n      int
}

// first returns the key of the earliest item. There must be one.
func (r *rows[T]) first() key { return r.blocks[0][0].key() }

// last returns the key of the latest item. There must be one.
func (r *rows[T]) last() key {
	b := r.blocks[len(r.blocks)-1]
	return b[len(b)-1].key()
}

// find returns where k is, or where it belongs, as a block and an index. The
// block is -1 if there are no blocks.
func (r *rows[T]) find(k key) (b, i int, found bool) {
	b = sort.Search(len(r.blocks), func(b int) bool {
		blk := r.blocks[b]
		return !blk[len(blk)-1].key().before(k)
	})
	if b == len(r.blocks) {
		b--
		if b < 0 {
			return b, 0, false
		}
		return b, len(r.blocks[b]), false
	}
	i, found = slices.BinarySearchFunc(r.blocks[b], k, func(it Item[T], k key) int { return it.key().compare(k) })
	return b, i, found
}

// put inserts the item, or replaces the one with its key.
func (r *rows[T]) put(it Item[T]) {
	b, i, found := r.find(it.key())
	switch {
	case found:
		r.blocks[b][i] = it
		return
	case b < 0, i == blockSize: // only past the end of the last block
		blk := make([]Item[T], 1, blockSize)
		blk[0] = it
		r.blocks = append(r.blocks, blk)
	default:
		if blk := r.blocks[b]; len(blk) == blockSize {
			half := blockSize / 2
			upper := make([]Item[T], half, blockSize)
			copy(upper, blk[half:])
			clear(blk[half:])
			r.blocks[b] = blk[:half]
			r.blocks = slices.Insert(r.blocks, b+1, upper)
			if i > half {
				b, i = b+1, i-half
			}
		}
		r.blocks[b] = slices.Insert(r.blocks[b], i, it)
	}
	r.n++
}

// remove takes the item with key k out and returns it.
func (r *rows[T]) remove(k key) (it Item[T], ok bool) {
	b, i, found := r.find(k)
	if !found {
		return it, false
	}
	blk := r.blocks[b]
	it = blk[i]
	if i == 0 { // the usual case, a pop: nothing moves
		blk[0] = Item[T]{}
		r.blocks[b] = blk[1:]
	} else {
		r.blocks[b] = slices.Delete(blk, i, i+1)
	}
	if len(r.blocks[b]) == 0 {
		r.blocks = slices.Delete(r.blocks, b, b+1)
	}
	r.n--
	return it, true
}
