// Package due keeps timers in order. It is pure: it never reads the clock,
// starts nothing and does no I/O; its owner says what time it is and reads the
// rows that do not fit in memory.
//
// Timers are rows on disk, and memory holds the earliest of them: a window. A
// shard with a hundred million sleeping timers needs no more memory than one
// with a few thousand. Where the window ends is the horizon. Rows before it
// are all in memory; rows from it on are on disk, and come in with Refill.
package due

import (
	"github.com/situ-dev/situ/internal/invariants"
	"github.com/situ-dev/situ/internal/wire"
)

// DefaultWindow is the window of a queue that is made with none.
const DefaultWindow = 1 << 16

// Item is a timer: Value is due at Due, and among those due at the same time
// the lower Seq comes first. Due and Seq together name it; Due is not negative.
type Item[T any] struct {
	Due   wire.Time
	Seq   wire.Seq
	Value T
}

// key returns the item's place in the order.
func (it *Item[T]) key() key { return key{it.Due, it.Seq} }

// Queue gives timers back in order of (Due, Seq), as one owner asks for them.
// It is not safe for use by several goroutines.
//
// Invariant: every row that was added and neither popped nor removed is in
// memory if it comes before the horizon, and not in memory otherwise. Without
// a horizon all are in memory. So the first row in memory is the first of all,
// however small the window.
type Queue[T any] struct {
	window  int
	mem     rows[T]
	horizon key
	beyond  bool // there is a horizon
}

// NewQueue returns an empty queue, with nothing on disk, that keeps at most
// window items in memory. A window below 1 means DefaultWindow.
func NewQueue[T any](window int) *Queue[T] {
	if window < 1 {
		window = DefaultWindow
	}
	return &Queue[T]{window: window}
}

// Resume returns a queue whose rows are all on disk, none of them read yet: it
// has its horizon at (0, 0) and needs a refill. This is how an owner starts
// with the rows that it finds.
func Resume[T any](window int) *Queue[T] {
	q := NewQueue[T](window)
	q.beyond = true
	return q
}

// Add takes a timer in and reports whether it is in memory. False means that
// it is on disk only, because it comes at or after the horizon; Refill will
// bring it. Over the window, the latest timer leaves memory for the disk and
// the horizon moves to it. Adding a (Due, Seq) that is in memory replaces its
// value.
func (q *Queue[T]) Add(it Item[T]) bool {
	invariants.Check(it.Due >= 0, "a timer's due time is not negative, have %d", it.Due)
	k := it.key()
	if q.beyond && !k.before(q.horizon) {
		return false
	}
	q.mem.put(it)
	if q.mem.n <= q.window {
		return true
	}
	last := q.mem.last()
	q.mem.remove(last)
	q.horizon, q.beyond = last, true
	return last != k
}

// Remove takes the timer out of memory and reports whether it was there. False
// says nothing about the disk: the owner deletes the row in either case.
func (q *Queue[T]) Remove(due wire.Time, seq wire.Seq) bool {
	_, ok := q.mem.remove(key{due, seq})
	return ok
}

// Next returns the time when there is something to do next: when the first
// timer is due, or, when memory has run out before the disk, the horizon's
// time. It reports false if there are no timers at all.
func (q *Queue[T]) Next() (wire.Time, bool) {
	if q.mem.n > 0 {
		return q.mem.first().due, true
	}
	return q.horizon.due, q.beyond
}

// Pop takes out and returns the first timer that is due at or before now. It
// reports false if none is, or if memory has run out before the disk
// (NeedRefill says which). A timer is popped once, whatever the clock does:
// an earlier now only yields fewer.
func (q *Queue[T]) Pop(now wire.Time) (it Item[T], ok bool) {
	if q.mem.n == 0 {
		return it, false
	}
	first := q.mem.first()
	if first.due > now {
		return it, false
	}
	return q.mem.remove(first)
}

// Len returns the number of timers in memory.
func (q *Queue[T]) Len() int { return q.mem.n }

// Room returns how many more timers fit in memory: as many rows as it is worth
// reading for Refill.
func (q *Queue[T]) Room() int { return q.window - q.mem.n }

// Horizon returns the first (due, seq) that is possibly only on disk, where
// the reading for Refill starts. It reports false if all timers are in memory.
func (q *Queue[T]) Horizon() (wire.Time, wire.Seq, bool) {
	return q.horizon.due, q.horizon.seq, q.beyond
}

// NeedRefill reports whether there is a horizon and less than a quarter of the
// window is filled, so it is time to read on.
func (q *Queue[T]) NeedRefill() bool {
	return q.beyond && (q.mem.n == 0 || q.mem.n*4 < q.window)
}

// Refill takes in the rows from the horizon on, in order; more says that there
// may be others after the last of them. The horizon moves behind what was
// taken, or goes away with the last row. Rows that do not fit in the window
// stay on disk, and rows before the horizon are passed over: they are in
// memory already, or were popped.
//
// The rows are those on disk as if every Add and Remove so far had been
// written. An owner that collects changes before it writes them reads them
// too, or refills after the write.
func (q *Queue[T]) Refill(items []Item[T], more bool) {
	if !q.beyond {
		return
	}
	next := q.horizon // before which all rows are in memory
	for i := range items {
		k := items[i].key()
		if k.before(next) {
			invariants.Check(i == 0 || items[i-1].key().before(k), "refilled rows are in order, have %v at %d", k, i)
			continue
		}
		if q.mem.n >= q.window {
			next, more = k, true
			break
		}
		q.mem.put(items[i])
		next = k.after()
	}
	q.horizon, q.beyond = next, more
	if !more {
		q.horizon = key{}
	}
}
