// Package timer keeps the timers of one shard: messages that are not due yet.
// Each is a row, and memory holds the next of them, large ones without what
// they bring. A timer that fires before it was a row never becomes one. Package core drives it from its goroutine;
// it never asks for the time, and runs nothing.
package timer

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/situ-dev/situ/internal/due"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Timers is the timers of one shard.
type Timers struct {
	rows   Rows
	window int
	queue  *due.Queue[*wire.Envelope] // nil for one of which memory has the time only
	fresh  map[name]*wire.Envelope    // not rows yet
	flown  map[name]*wire.Envelope    // in the commit under way
	large  []*wire.Envelope           // of them, those with a row of more than keepRow bytes
	gone   map[name]struct{}          // removed; their rows go with the next Seal
	going  map[name]struct{}          // in the commit under way
}

// name is what a timer is known by.
type name struct {
	due wire.Time
	seq wire.Seq
}

// keepRow is how long the row of a timer may be that is in memory as a whole. A
// longer one is read again when it is due: a window of long ones would be more
// than all else that a shard holds.
const keepRow = 256

// New returns timers of which at most about window are in memory. The others
// are read from committed when their time comes near.
func New(window int, committed Rows) *Timers {
	return &Timers{rows: committed, window: window, queue: due.NewQueue[*wire.Envelope](window),
		fresh: map[name]*wire.Envelope{}, flown: map[name]*wire.Envelope{}, gone: map[name]struct{}{}, going: map[name]struct{}{}}
}

// Open looks for rows, and returns the highest arrival number among them. It
// leaves reading them to the first refill.
func (t *Timers) Open() (last wire.Seq, err error) {
	none := true
	err = t.rows.Scan(store.Timers, nil, nil, func(k, _ []byte) (bool, error) {
		_, seq, err := rows.SplitTimer(k)
		last, none = max(last, seq), false
		return true, err
	})
	if !none {
		t.queue = due.Resume[*wire.Envelope](t.window)
	}
	return last, err
}

// Add takes an envelope that is to fire when it is Due. It becomes a row with
// the next Seal, unless it has fired by then.
func (t *Timers) Add(env *wire.Envelope) {
	t.fresh[name{env.Due, env.Seq}] = env
	t.queue.Add(item(env))
}

// Remove takes a timer away that has not fired, and its row.
func (t *Timers) Remove(when wire.Time, seq wire.Seq) {
	n := name{when, seq}
	t.queue.Remove(when, seq)
	if t.fresh[n] != nil {
		delete(t.fresh, n)
		return
	}
	delete(t.flown, n)
	t.gone[n] = struct{}{}
}

// Next returns when the first timer is due, and whether there is one.
func (t *Timers) Next() (wire.Time, bool) { return t.queue.Next() }

// Len returns the number of timers in memory.
func (t *Timers) Len() int { return t.queue.Len() }

// Pop takes the first timer, if it is due by now. The row, if there is one,
// is the caller's to delete. Rows that cannot be read are an error.
func (t *Timers) Pop(now wire.Time) (env *wire.Envelope, ok bool, err error) {
	if t.queue.NeedRefill() {
		err = t.refill()
	}
	it, ok := t.queue.Pop(now)
	if !ok || err != nil {
		return nil, false, err
	}
	if env = it.Value; env == nil {
		if env, err = t.read(it.Due, it.Seq); err != nil {
			return nil, false, err
		}
	}
	delete(t.fresh, name{env.Due, env.Seq})
	return env, true, nil
}

// Claim takes a timer that is a committed row out before its time, and its row,
// and reports whether it was still to come.
func (t *Timers) Claim(when wire.Time, seq wire.Seq) bool {
	if !t.queue.Remove(when, seq) {
		due, first, ok := t.queue.Horizon()
		if !ok || when < due || when == due && seq < first || t.removed(when, seq) {
			return false // it fired
		}
	}
	t.gone[name{when, seq}] = struct{}{}
	return true
}

// read reads a timer from its row.
func (t *Timers) read(when wire.Time, seq wire.Seq) (*wire.Envelope, error) {
	key := rows.TimerKey(when, seq)
	b, ok, err := t.rows.Get(store.Timers, key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.Corrupt, "timer.read", "", "the row %x of a timer is gone", key)
	}
	return decode(when, seq, b)
}

// decode decodes a row, whose bytes become the envelope's.
func decode(when wire.Time, seq wire.Seq, b []byte) (*wire.Envelope, error) {
	env, err := wire.DecodeEnvelope(b)
	if err != nil {
		return nil, err
	}
	env.Due, env.Seq, env.Note = when, seq, wire.InTimers
	return env, nil
}

// refill reads the next timers from their rows, and from those that are not
// rows yet.
func (t *Timers) refill() error {
	when, seq, ok := t.queue.Horizon()
	if !ok {
		return nil
	}
	var items []due.Item[*wire.Envelope]
	room, more := t.queue.Room(), false
	err := t.rows.Scan(store.Timers, rows.TimerKey(when, seq), nil, func(k, v []byte) (bool, error) {
		if len(items) == room {
			more = true
			return false, nil
		}
		it := due.Item[*wire.Envelope]{}
		var err error
		if it.Due, it.Seq, err = rows.SplitTimer(k); err == nil && t.removed(it.Due, it.Seq) {
			return true, nil
		}
		if err == nil && len(v) <= keepRow {
			it.Value, err = decode(it.Due, it.Seq, bytes.Clone(v))
		}
		items = append(items, it)
		return err == nil, err
	})
	add := func(env *wire.Envelope) {
		if env.Due > when || env.Due == when && env.Seq >= seq {
			items = append(items, item(env))
		}
	}
	for _, env := range t.fresh {
		add(env)
	}
	for _, env := range t.flown {
		add(env)
	}
	order := func(a, b due.Item[*wire.Envelope]) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.Seq, b.Seq))
	}
	slices.SortFunc(items, order)
	items = slices.CompactFunc(items, func(a, b due.Item[*wire.Envelope]) bool { return order(a, b) == 0 })
	if len(items) > room {
		items, more = items[:room], true
	}
	t.queue.Refill(items, more)
	return err
}

// removed reports whether a row is one that goes, and is not gone yet.
func (t *Timers) removed(when wire.Time, seq wire.Seq) bool {
	_, gone := t.gone[name{when, seq}]
	_, going := t.going[name{when, seq}]
	return gone || going
}

func item(env *wire.Envelope) due.Item[*wire.Envelope] {
	return due.Item[*wire.Envelope]{Due: env.Due, Seq: env.Seq, Value: env}
}

// Dirty reports whether there are timers that must become rows.
func (t *Timers) Dirty() bool { return len(t.fresh)+len(t.gone) > 0 }

// Seal writes the timers that are not rows yet into the commit, and deletes
// those that were removed.
func (t *Timers) Seal(w *store.Batch) {
	for n := range t.gone {
		w.Delete(store.Timers, rows.TimerKey(n.due, n.seq))
	}
	t.gone, t.going = t.going, t.gone
	for n, env := range t.fresh {
		b := wire.AppendEnvelope(nil, env)
		w.Set(store.Timers, rows.TimerKey(env.Due, env.Seq), b)
		env.Note |= wire.InTimers
		t.flown[n] = env
		if len(b) > keepRow {
			t.large = append(t.large, env)
		}
	}
	clear(t.fresh)
}

// Committed says that the commit sealed last is durable. Of the large timers in
// it memory keeps the time only.
func (t *Timers) Committed() {
	for _, env := range t.large {
		if t.queue.Remove(env.Due, env.Seq) { // else it has fired, or the window is full of earlier ones
			t.queue.Add(due.Item[*wire.Envelope]{Due: env.Due, Seq: env.Seq})
		}
	}
	clear(t.flown)
	clear(t.going)
	clear(t.large)
	t.large = t.large[:0]
}
