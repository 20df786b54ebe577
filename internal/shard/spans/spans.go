// Package spans keeps, for one shard, a row for each call of a chain that has a
// record: who made it, when it waited and ran, and what became of it. A row is
// written in the commit that has what it tells of, once for all that happened
// since the commit before; the rows of a chain go some time after its record.
//
// Package core drives it from its goroutine. It never asks for the time and
// starts nothing. Messages without a chain it does not see.
package spans

import (
	"hash/fnv"
	"slices"

	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Config says how spans are kept.
type Config struct {
	Max  int       // rows of one chain in this shard
	Keep wire.Time // how long a chain's record is kept at least
	Name string    // makes the names of this run different from other runs'
	// Record returns the record of a chain, nil if there is none any more.
	Record func(wire.InvocationID) (*wire.Invocation, error)
	// Told, if set, is given the spans that have ended, when they are durable.
	Told func([]span.Told)
}

// Book is the spans of one shard.
type Book struct {
	cfg  Config
	rows Rows
	next uint64 // makes names

	cur     *wire.Envelope // whose turn is being applied
	ended   wire.Time      // when that was over
	waiting []note         // may have to be written as they are
	over    []span.Told    // to be written: they have ended
	flown   []span.Told    // in the commit under way
	heads   map[wire.InvocationID]*head
	older   map[wire.InvocationID]*head
	touched []*head
	sealed  []*head // in the commit under way
	gone    []gone  // chains whose time is over
	look    wire.Time
	buf     []byte
}

// note is a message of which a row is to tell, unless it ends before that.
type note struct {
	env  *wire.Envelope
	next wire.Time     // when it is run again
	at   wire.Time     // when it failed
	fail *wire.Failure // why
}

// head is what is known of a chain here.
type head struct {
	span.Head
	chain wire.InvocationID
	saved span.Head
	fresh bool // it has no rows yet
	dirty bool // in Book.touched
	flown bool // in Book.sealed
}

type gone struct {
	chain wire.InvocationID
	key   []byte    // of the expiry
	until wire.Time // look again then; 0: the chain is over
}

// New returns the spans of a shard, to be read from committed.
func New(cfg Config, committed Rows) *Book {
	h := fnv.New64a()
	_, _ = h.Write([]byte(cfg.Name)) // never fails
	return &Book{cfg: cfg, rows: committed, next: h.Sum64(), heads: map[wire.InvocationID]*head{}, older: map[wire.InvocationID]*head{}}
}

// name returns a name for a call that no other call of its chain has: 56 bits,
// even.
func (b *Book) name() wire.SpanID {
	b.next += 0x9e3779b97f4a7c15
	x := b.next
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return wire.SpanID(x>>8)&^1 | 2
}

// Arrive gives a message that came to this shard its place in the chain, if it
// has none, and notes that it waits.
func (b *Book) Arrive(env *wire.Envelope) error {
	env.Note &^= wire.InSpans
	if env.Chain() == "" {
		return nil
	}
	if env.Span() == nil {
		switch a := env.Asked(); {
		case env.Kind == wire.Reply && a != nil:
			env.Amend().Span = &wire.Span{ID: a.Top().Call.Continuation(), Parent: a.Top().By}
		default:
			env.Amend().Span = &wire.Span{ID: b.name()}
		}
	}
	b.ask(env)
	err := b.count(env)
	if !env.Span().Left {
		b.waiting = append(b.waiting, note{env: env})
	}
	return err
}

// ask has the callback of a call know which call it answers. One that another
// call has handed on knows both.
func (b *Book) ask(env *wire.Envelope) {
	cb := env.Back
	if cb == nil || env.Kind != wire.Call || cb.Asked != nil && cb.Asked.Call == env.Span().ID {
		return
	}
	copied := *cb
	tail := cb.Asked
	if tail.Len() >= wire.MaxTail {
		tail = tail.Top()
	}
	copied.Asked = &wire.Asked{By: env.Span().Parent, Call: env.Span().ID, Type: env.To.Type, Method: env.To.Method, Made: env.Made, Tail: tail}
	if tail == nil {
		copied.Asked.Trace = env.Trace()
	}
	env.Back = &copied
}

// Begin notes that a message is run now.
func (b *Book) Begin(env *wire.Envelope, now wire.Time) {
	if env.Span() == nil {
		return
	}
	if env.Span().Begun == 0 {
		env.Span().Begun = now
	}
	if cb := env.Back; cb != nil && cb.Asked != nil && cb.Asked.Call == env.Span().ID && cb.Asked.Begun == 0 {
		copied, asked := *cb, *cb.Asked
		asked.Begun = now
		copied.Asked = &asked
		env.Back = &copied
	}
}

// End notes that the turn of a message took effect, at a time and after it had
// run for took. What is sent until Leave is of that turn.
func (b *Book) End(env *wire.Envelope, res *turn.Result, at wire.Time) {
	if env.Span() == nil {
		return
	}
	b.cur, b.ended = env, at
	if env.Span().Left {
		return
	}
	r := span.Of(env)
	r.State, r.Runs, r.Ended, r.Active = span.Ended, env.Attempt+1, at, env.Span().Active+res.Took
	if r.Fail = span.Short(res.Fail); res.Moved {
		r.How = how(env.Back, res.Sends)
	}
	for _, out := range res.Sends {
		if out.Kind == wire.Call && !out.Holds() {
			r.Sent++
		}
	}
	b.over = append(b.over, span.Told{Chain: env.Chain(), Trace: env.Trace(), Row: r})
}

// Leave ends what End began.
func (b *Book) Leave() { b.cur = nil }

// how tells what a turn that does not answer itself did with its callback.
func how(mine *wire.Callback, sends []*wire.Envelope) span.How {
	switch {
	case mine == nil: // nobody hears of it
		return span.Answered
	case mine.Asked == nil:
		return span.Held
	}
	same := func(cb *wire.Callback) bool {
		return cb != nil && cb.Asked != nil && cb.Asked.Call == mine.Asked.Call
	}
	for _, out := range sends {
		switch {
		case out.Kind != wire.Call || out.Back == nil, out.Holds():
		case same(out.Back):
			return span.Tailed
		case same(out.Back.Parent):
			return span.Then
		}
	}
	return span.Held
}

// Sent gives what is sent its place in the chain, at time now unless a turn
// sends it.
func (b *Book) Sent(env *wire.Envelope, now wire.Time) {
	if b.cur != nil {
		now = b.ended
	}
	switch {
	case env.Kind == wire.Reply:
		if env.Asked() != nil && env.Made == 0 {
			env.Made = now
		}
	case env.Chain() != "" && !env.Holds():
		span := &wire.Span{ID: b.name()}
		if b.cur != nil && b.cur.Chain() == env.Chain() {
			span.Parent = b.cur.Span().ID
		}
		env.Amend().Span, env.Made = span, now
		b.ask(env)
	}
}

// Failed notes that a run of a message failed, after took: it is run again at
// next, or, if that is 0, given up.
func (b *Book) Failed(env *wire.Envelope, fail *wire.Failure, at, next wire.Time) {
	if env.Span() == nil || env.Span().Left {
		return
	}
	if next != 0 {
		b.waiting = append(b.waiting, note{env, next, at, span.Short(fail)})
		return
	}
	r := span.Of(env)
	r.State, r.Ended, r.Fail = span.GivenUp, at, span.Short(fail)
	b.over = append(b.over, span.Told{Chain: env.Chain(), Trace: env.Trace(), Row: r})
}

// Dirty reports whether there is a reason to commit.
func (b *Book) Dirty() bool { return len(b.over)+len(b.touched)+len(b.gone) > 0 }

// Seal writes into the commit what has changed.
func (b *Book) Seal(w *store.Batch) {
	b.expire(w)
	for _, n := range b.waiting {
		if n.env.Note&wire.Gone != 0 {
			continue
		}
		r := span.Of(n.env)
		if n.next != 0 {
			r.Next, r.Ended, r.Fail = n.next, n.at, n.fail
		}
		b.write(w, n.env.Chain(), &r)
	}
	clear(b.waiting)
	b.waiting = b.waiting[:0]
	for i := range b.over {
		b.write(w, b.over[i].Chain, &b.over[i].Row)
	}
	b.over, b.flown = b.flown[:0], b.over
	b.sealHeads(w)
}

func (b *Book) write(w *store.Batch, chain wire.InvocationID, r *span.Row) {
	b.buf = rows.SpanKey(b.buf[:0], chain, r.ID)
	key := len(b.buf)
	b.buf = span.Append(b.buf, r)
	w.Set(store.Spans, b.buf[:key], b.buf[key:])
}

// Committed says that the commit sealed last is durable.
func (b *Book) Committed() {
	if len(b.flown) > 0 && b.cfg.Told != nil {
		b.cfg.Told(slices.Clone(b.flown))
	}
	clear(b.flown)
	b.flown = b.flown[:0]
	for _, h := range b.sealed {
		h.flown = false
	}
	b.sealed = b.sealed[:0]
}
