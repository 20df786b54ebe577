// Package record keeps what callers outside may still hear of their calls: who
// waits in this process, and the records of calls with a key or with
// respond-async. A record is a row from the commit that takes its call, and
// holds the answer from the commit that has it; when its time is over, it goes.
//
// Package core drives it from its goroutine, and decides when an answer leaves.
// It never asks for the time, answers nobody and starts nothing.
package record

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Waiter is a caller outside that waits in this process.
type Waiter struct {
	Done func(*wire.Response, error) // called once, must not block
	Seed uint64                      // of the call's random source; 0: from the message
	gone atomic.Bool
}

// Leave says that nobody listens to Done any more, from any goroutine. The
// call goes on all the same.
func (w *Waiter) Leave() { w.gone.Store(true) }

func (w *Waiter) left() bool { return w.gone.Load() }

// Records is the records of one shard's invocations, and who waits for them.
type Records struct {
	rows   Rows
	keep   wire.Time
	open   map[wire.InvocationID]*entry  // changed and not committed since, or awaited
	expect map[wire.InvocationID]*Waiter // callers of invocations without a record
	fresh  []*entry                      // changed since the last Seal
	flown  []*entry                      // in the commit under way
	over   []expired                     // to go with the next Seal
	look   wire.Time                     // when to look for expired ones
}

// entry is a record that changes.
type entry struct {
	rec     *wire.Invocation
	fresh   bool // in Records.fresh
	flown   bool // in Records.flown
	waiters []*Waiter
}

// expired is a row of the expiry table whose time has come.
type expired struct {
	key  []byte
	id   wire.InvocationID
	last bool // the record goes, too: it has not been used again since
}

// New returns records that are kept for that long after their answer, and read
// from committed when they are needed.
func New(keep time.Duration, committed Rows) *Records {
	return &Records{rows: committed, keep: wire.Time(keep), open: map[wire.InvocationID]*entry{}, expect: map[wire.InvocationID]*Waiter{}}
}

// Begin makes a record of an invocation that is taken now. w, if not nil, waits
// for its answer.
func (r *Records) Begin(rec *wire.Invocation, w *Waiter) {
	e := &entry{rec: rec}
	if w != nil {
		e.waiters = append(e.waiters, w)
	}
	r.open[rec.ID] = e
	r.touch(e)
}

func (r *Records) touch(e *entry) {
	if !e.fresh {
		e.fresh = true
		r.fresh = append(r.fresh, e)
	}
}

// Find returns the record of an invocation as it is at time now, nil if there
// is none or if its time is over, and whether it is durable as it is. It is
// not to be changed.
func (r *Records) Find(id wire.InvocationID, now wire.Time) (rec *wire.Invocation, durable bool, err error) {
	if e := r.open[id]; e != nil {
		rec = e.rec
	} else if rec, err = r.read(id); err != nil {
		return nil, false, err
	} else {
		durable = true
	}
	if rec == nil || rec.Expires != 0 && rec.Expires <= now {
		return nil, false, nil
	}
	return rec, durable, nil
}

// read reads a committed record, nil if there is none.
func (r *Records) read(id wire.InvocationID) (*wire.Invocation, error) {
	b, ok, err := r.rows.Get(store.Invocations, []byte(id))
	if err != nil || !ok {
		return nil, err
	}
	return rows.DecodeInvocation(id, b)
}

// pending returns the entry of an invocation that is not finished, nil if it
// is or if there is no record of it.
func (r *Records) pending(id wire.InvocationID) (*entry, error) {
	e := r.open[id]
	if e == nil {
		rec, err := r.read(id)
		if rec == nil || rec.Finished != 0 {
			return nil, err
		}
		e = &entry{rec: rec}
		r.open[id] = e
	}
	if e.rec.Finished != 0 {
		return nil, nil
	}
	return e, nil
}

// Await has w wait for the answer of a recorded invocation. It reports false
// if that is finished, or not known: then w waits for nothing.
func (r *Records) Await(id wire.InvocationID, w *Waiter) (bool, error) {
	e, err := r.pending(id)
	if e == nil {
		return false, err
	}
	e.waiters = append(e.waiters, w)
	return true, nil
}

// Finish records the answer of an invocation, and returns who waits for it, and the
// record. A second answer changes nothing, nor does one to a caller who is gone:
// then there is no record.
func (r *Records) Finish(id wire.InvocationID, now wire.Time, body wire.Payload, fail *wire.Failure) ([]*Waiter, *wire.Invocation, error) {
	e, err := r.pending(id)
	if e == nil {
		return nil, nil, err
	}
	e.rec.Finished, e.rec.Body, e.rec.Fail = now, body, fail
	e.rec.Expires = now + r.keep
	r.touch(e)
	waiters := e.waiters
	e.waiters = nil
	return waiters, e.rec, nil
}

// Expect has w wait for the answer of an invocation that has no record: its
// call moved on, or is not due yet.
func (r *Records) Expect(id wire.InvocationID, w *Waiter) { r.expect[id] = w }

// Expected returns who waits for an invocation without a record, nil if nobody
// does, and forgets it.
func (r *Records) Expected(id wire.InvocationID) *Waiter {
	w := r.expect[id]
	if w != nil {
		delete(r.expect, id)
	}
	return w
}

// Waiting returns how many wait for invocations without a record.
func (r *Records) Waiting() int { return len(r.expect) }

// Waiters calls f for everybody who waits.
func (r *Records) Waiters(f func(*Waiter)) {
	for _, w := range r.expect {
		f(w)
	}
	for _, e := range r.open {
		for _, w := range e.waiters {
			f(w)
		}
	}
}

// How often to look for expired records, and how many to take at once. If there
// are more, the next look is soon.
const (
	lookEvery = wire.Time(60e9)
	lookSoon  = wire.Time(100e6)
	lookMost  = 1000
)

// NextLook returns when Expire has something to do.
func (r *Records) NextLook() wire.Time { return r.look }

// Expire has the records go whose time is over, with the next Seal, and forgets
// callers who have left and whose answer may never come. It does nothing before
// NextLook.
func (r *Records) Expire(now wire.Time) error {
	if now < r.look {
		return nil
	}
	r.forgetLeft()
	n := 0
	err := r.rows.Scan(store.Expiry, nil, rows.ExpiryKey(now+1, ""), func(k, _ []byte) (bool, error) {
		when, id, err := rows.SplitExpiry(k)
		if err != nil {
			return false, err
		}
		x := expired{key: slices.Clone(k), id: id}
		if r.open[id] == nil {
			rec, err := r.read(id)
			if err != nil {
				return false, err
			}
			x.last = rec != nil && rec.Expires == when // else the key was used again since
		}
		r.over = append(r.over, x)
		n++
		return n < lookMost, nil
	})
	r.look = now + lookEvery
	if n == lookMost {
		r.look = now + lookSoon
	}
	return err
}

func (r *Records) forgetLeft() {
	maps.DeleteFunc(r.expect, func(_ wire.InvocationID, w *Waiter) bool { return w.left() })
	for _, e := range r.open {
		e.waiters = slices.DeleteFunc(e.waiters, (*Waiter).left)
		r.rest(e)
	}
}

// rest forgets an entry that says no more than its row, and for which nobody
// waits: calls that are answered late, if ever, must not fill the memory.
func (r *Records) rest(e *entry) {
	if !e.fresh && !e.flown && len(e.waiters) == 0 && r.open[e.rec.ID] == e {
		delete(r.open, e.rec.ID)
	}
}

// Dirty reports whether there is a reason to commit.
func (r *Records) Dirty() bool { return len(r.fresh)+len(r.over) > 0 }

// Seal writes into the commit what has changed. What has expired goes first: a
// key may have been used again since.
func (r *Records) Seal(w *store.Batch) {
	for _, x := range r.over {
		w.Delete(store.Expiry, x.key)
		if x.last {
			w.Delete(store.Invocations, []byte(x.id))
		}
	}
	for _, e := range r.fresh {
		e.fresh, e.flown = false, true
		w.Set(store.Invocations, []byte(e.rec.ID), rows.EncodeInvocation(e.rec))
		if e.rec.Finished != 0 {
			w.Set(store.Expiry, rows.ExpiryKey(e.rec.Expires, e.rec.ID), nil)
		}
	}
	clear(r.over)
	r.over = r.over[:0]
	r.fresh, r.flown = r.flown, r.fresh
}

// Committed says that the commit sealed last is durable. Its records are rows
// only from now on, but for those that somebody waits for.
func (r *Records) Committed() {
	for _, e := range r.flown {
		e.flown = false
		r.rest(e)
	}
	clear(r.flown)
	r.flown = r.flown[:0]
}
