// Package memtable holds the newest rows of one shard in memory: those that
// the log has and no table on disk has yet. Package store puts into it what a
// commit changed, looks there first when it reads, and, when it has grown,
// writes it out in order and drops it. It reads and writes no files.
//
// It is built for many puts, few reads and hardly any walks. A put appends the
// row to a chunk of bytes and changes one word of a hash index; nothing is
// kept in order. The order is made when a walk asks for it, for the keys that
// came since the walk before. No memory is ever freed or changed under a
// reader, so keys and values need no copies. Nothing in it but the lists of
// chunks and blocks has pointers, so a million rows cost the collector next to
// nothing.
package memtable

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Kind is what a row says of its key.
type Kind uint8

// The kinds. A Far row's value is a reference to where its value is; the table
// takes it as it is. A Delete hides what tables below may have.
const (
	Set    Kind = 1
	Delete Kind = 2
	Far    Kind = 3
)

// Table holds rows. One goroutine writes, in batches between Begin and End; any
// number read, and see whole batches. The zero Table is not usable; see New.
type Table struct {
	mu    sync.RWMutex // for what Put changes: all but the order
	seed  maphash.Seed
	index index
	arena arena
	fresh []pos // keys that came since the last walk

	sorting sync.Mutex // for the order, and for taking fresh. Taken before mu
	order   order      // all keys but the fresh ones. What it refers to never changes

	rows atomic.Int64 // as of the last End
	held atomic.Int64 // bytes
}

// New returns an empty table. It takes up no memory to speak of until the
// first Put.
func New() *Table {
	return &Table{seed: maphash.MakeSeed()}
}

// Begin takes the table for a batch of puts. Readers wait until End, so the
// goroutine that writes must not read in between.
func (t *Table) Begin() { t.mu.Lock() }

// Put makes value, in its parts one after another, the newest of key. It copies
// both. It is called between Begin and End only, and panics if the kind is
// unknown, if the key has 16 MiB or the value 1 GiB or more, and if the table
// would get larger than 4 GiB.
func (t *Table) Put(kind Kind, key []byte, value ...[]byte) {
	size := 0
	for _, part := range value {
		size += len(part)
	}
	if kind < Set || kind > Far || len(key) >= maxKey || size >= maxLen {
		panic(fmt.Sprintf("memtable: a row of kind %d with a key of %d and a value of %d bytes cannot be", kind, len(key), size))
	}
	h := maphash.Bytes(t.seed, key)
	part := t.index.part(h)
	if part.full() {
		t.held.Add(part.grow())
	}
	word := part.find(h, key, &t.arena)
	if *word == 0 {
		at, grown := t.arena.addKey(key, kind, value, size)
		*word = part.word(h, at)
		part.used++
		t.index.used++
		was := cap(t.fresh)
		t.fresh = append(t.fresh, at)
		if grown += int64(cap(t.fresh)-was) * posSize; grown != 0 {
			t.held.Add(grown)
		}
		return
	}
	if grown := t.arena.addVersion(pos(*word), kind, value, size); grown != 0 {
		t.held.Add(grown)
	}
}

// End ends the batch: readers see it.
func (t *Table) End() {
	t.rows.Store(int64(t.index.used))
	t.mu.Unlock()
}

// Get returns the newest row of key; ok is false if there is none, while a
// deleted key has a row of kind Delete. The value must not be changed. It stays
// as it is for as long as the caller keeps it, whatever is put later.
func (t *Table) Get(key []byte) (kind Kind, value []byte, ok bool) {
	h := maphash.Bytes(t.seed, key)
	t.mu.RLock()
	defer t.mu.RUnlock()
	word := t.index.part(h).find(h, key, &t.arena)
	if word == nil || *word == 0 {
		return 0, nil, false
	}
	kind, value = t.arena.version(t.arena.newest(pos(*word)))
	return kind, value, true
}

// Iter returns a walk over the rows with lo <= key < hi as they are now; a nil
// lo is the start and a nil hi the end of the table. It stands before the
// first row. The keys that came since the last call of Iter are brought into
// order first; that takes the longer the more they are, and holds up other
// calls of Iter, but no puts.
func (t *Table) Iter(lo, hi []byte) *Iter {
	it := &Iter{t: t}
	it.order, it.keys, it.limit = t.inOrder()
	it.end = it.order.end()
	if hi != nil {
		it.end = it.order.search(it.keys, hi)
	}
	if lo != nil {
		it.begin = it.order.search(it.keys, lo) // if that is after the end, nothing is in the range
	}
	it.at, it.before = it.begin, true
	return it
}

// inOrder returns all keys in order, where to read them, and the position that
// the next put will have.
func (t *Table) inOrder() (order, chunks, pos) {
	t.sorting.Lock()
	defer t.sorting.Unlock()
	t.mu.RLock()
	fresh, keys, limit := t.fresh, t.arena.chunks, t.arena.next()
	t.fresh = nil // nobody puts, and other readers of it wait for sorting
	t.mu.RUnlock()
	if len(fresh) > 0 {
		was := t.order.bytes() + int64(cap(fresh))*posSize
		keys.sort(fresh)
		t.order = t.order.with(keys, fresh)
		t.held.Add(t.order.bytes() - was)
	}
	return t.order, keys, limit
}

// Size returns the bytes of memory that the table holds, whether they are in
// use or set aside. What only an Iter still holds, and what sorting takes for
// the moment, is not counted. Any goroutine may call it at any time.
func (t *Table) Size() int64 { return t.held.Load() }

// Rows returns the number of distinct keys, deleted ones included, as of the
// last End. Any goroutine may call it at any time.
func (t *Table) Rows() int { return int(t.rows.Load()) }
