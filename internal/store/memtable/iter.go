package memtable

// Iter is a walk over a range of rows as they were when Table.Iter was called.
// One goroutine uses it; puts go on beside it. It stands on a row, before the
// first or after the last; a move that returns true leaves it on a row. Deleted
// keys are shown, with the kind Delete. It needs no closing, but keeps the
// table's memory for as long as it is kept.
type Iter struct {
	t      *Table
	order  order
	keys   chunks
	limit  pos // versions from here on are too new
	begin  cursor
	end    cursor
	at     cursor // from begin to end, end if it stands after the last
	before bool   // it stands before the first, and at is begin

	key   []byte
	value []byte
	kind  Kind
}

// First goes to the first row.
func (i *Iter) First() bool {
	i.at, i.before = i.begin, false
	return i.load()
}

// Last goes to the last row.
func (i *Iter) Last() bool {
	i.at, i.before = i.end, false
	return i.Prev()
}

// Next goes to the row after this one. Before the first it goes to the first;
// after the last it stays there.
func (i *Iter) Next() bool {
	switch {
	case i.before:
		i.before = false
	case i.at.less(i.end):
		i.at = i.order.next(i.at)
	}
	return i.load()
}

// Prev goes to the row before this one. After the last it goes to the last;
// before the first it stays there.
func (i *Iter) Prev() bool {
	if i.begin.less(i.at) {
		i.at = i.order.prev(i.at)
	} else {
		i.before = true
	}
	return i.load()
}

// SeekGE goes to the first row whose key is not less than key, which may be
// outside the range.
func (i *Iter) SeekGE(key []byte) bool {
	i.at, i.before = i.order.search(i.keys, key), false
	if i.at.less(i.begin) {
		i.at = i.begin
	}
	if i.end.less(i.at) {
		i.at = i.end
	}
	return i.load()
}

// Key returns the key of the row, nil if the Iter is on none. It must not be
// changed, and stays as it is for as long as the caller keeps it.
func (i *Iter) Key() []byte { return i.key }

// Value returns the value of the row, nil if the Iter is on none. It must not
// be changed, and stays as it is for as long as the caller keeps it.
func (i *Iter) Value() []byte { return i.value }

// Kind returns the kind of the row, 0 if the Iter is on none.
func (i *Iter) Kind() Kind { return i.kind }

// load fetches the row where the Iter stands, and reports whether there is one.
func (i *Iter) load() bool {
	if i.before || !i.at.less(i.end) {
		i.key, i.value, i.kind = nil, nil, 0
		return false
	}
	p := i.order.key(i.at)
	i.t.mu.RLock()
	version, chunks := i.t.arena.newest(p), i.t.arena.chunks
	i.t.mu.RUnlock()
	// Every key in the order has a version from before the limit: its first.
	for version >= i.limit {
		version = chunks.before(version)
	}
	i.key = chunks.key(p)
	i.kind, i.value = chunks.version(version)
	return true
}
