package situ

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// A Turn is one atomic run of one method of one object, or of one function.
// State changes, sends and timers of a turn are committed together, or not at
// all. It is the context of the run: done when its time is up, or when the
// handler has returned. It is used only by the handler that got it, by one
// goroutine at a time, and only until the handler returns: verbs panic then.
type Turn struct {
	context.Context
	h       *host.Turn
	out     []*wire.Envelope
	owner   string // the verb that gave the caller's callback a new owner
	deleted bool
	over    atomic.Bool
	quiet   bool // read-only: sends are refused
	rand    *rand.Rand
	err     error             // what a verb could not do: fails the turn
	few     [2]*wire.Envelope // where out begins
}

// sides is a turn with both its sides, the user's and the host's.
type sides struct {
	Turn
	h host.Turn
}

// newTurns makes n turns at once, for a host.
func newTurns(n int) []*host.Turn {
	both, turns := make([]sides, n), make([]*host.Turn, n)
	for i := range both {
		b := &both[i]
		b.Context, b.Turn.h, b.h.User = &b.h, &b.h, &b.Turn
		turns[i] = &b.h
	}
	return turns
}

// turnOf returns the user's side of a host's turn.
func turnOf(ht *host.Turn) *Turn {
	t, ok := ht.User.(*Turn)
	if !ok { // of a host that makes its turns itself
		t = &Turn{Context: ht, h: ht}
	}
	t.quiet, t.out = ht.Method.ReadOnly, t.few[:0]
	return t
}

// Key returns the key of the object taking the turn, "" in a function.
func (t *Turn) Key() string { return t.h.Env.To.Key }

// Now returns the time at which the turn began, in UTC: the same however often
// it is asked for.
func (t *Turn) Now() time.Time { return time.Unix(0, int64(t.h.Now)).UTC() }

// Rand returns the turn's random source. It gives the same numbers when the
// same message is run again.
func (t *Turn) Rand() *rand.Rand {
	if t.rand == nil {
		t.rand = rand.New(rand.NewPCG(t.h.Seed, 0x5174753d))
	}
	return t.rand
}

// Log returns a logger that says which object and method is speaking.
func (t *Turn) Log() *slog.Logger {
	to := t.h.Env.To
	if to.Function() {
		return t.h.Log.With("function", to.Method)
	}
	return t.h.Log.With("object", to.Object().String(), "method", to.Method)
}

// Attempt returns how often this message was run before and failed.
func (t *Turn) Attempt() int { return int(t.h.Attempt) }

// Traceparent returns the W3C trace context that the call came with, "" if it
// came with none. What the turn sends carries it on.
func (t *Turn) Traceparent() string { return t.h.Env.Trace() }

// Delete removes the object's state when the turn commits: the object is as if
// it had never been used, whatever else the turn did to its fields. Sends and
// the reply of the turn stand. In a read-only method or a function it fails the
// turn.
func (t *Turn) Delete() {
	t.live()
	if t.quiet || t.h.Env.To.Function() {
		t.fail(fault.New(fault.Crashed, "delete", t.h.Env.To.String(), "a function has no state, and a read-only method changes none"))
	}
	t.deleted = true
}

// live panics if the handler has returned.
func (t *Turn) live() {
	if t.over.Load() {
		panic("situ: a turn was used after its handler returned (by a goroutine it started?)")
	}
}

// fail makes err the turn's answer, unless it has failed already.
func (t *Turn) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// errMoved ends a turn whose callback has a new owner. Users pass it on
// without looking at it.
var errMoved = errors.New("situ: the callback has a new owner")

// Send makes a one-way call when the turn commits. Messages from one object to
// another arrive in the order in which they were sent. A call that cannot be
// made (a malformed key, say) fails the turn, whatever the handler returns;
// this is so with every verb.
func Send[O any](t *Turn, c Call[O]) { t.send(c.envelope(t, nil), c.err) }

// Tail ends the turn by handing the caller's callback to c: whatever c
// returns, our caller receives. Use it as the operand of return; its error is
// not a failure but says that the answer is another's. A handler that returns
// an error of its own instead answers that, and nothing is handed over.
func Tail[O any](t *Turn, c Call[O]) (zero O, err error) {
	t.move("Tail")
	if to := t.onFail(); to != (wire.Address{}) && (c.policy == nil || c.policy.OnFail == (wire.Address{})) {
		c = c.with(func(p *wire.Policy) { p.OnFail = to }, nil)
	}
	t.send(c.envelope(t, t.h.Env.Back), c.err)
	return zero, errMoved
}

// A Continuation is where a turn goes on when a reply arrives: a method of the
// same object or a function, with an input of type Reply.
type Continuation[R, C, O any] interface {
	address(self wire.Address) wire.Address
	types(Reply[R, C]) O
}

func (m Method[I, O]) address(self wire.Address) wire.Address {
	return wire.Address{Type: m.typ.name, Key: self.Key, Method: m.m.Name}
}
func (m Method[I, O]) types(I) (zero O)                { return zero }
func (f Func[I, O]) address(wire.Address) wire.Address { return wire.Address{Method: f.m.Name} }
func (f Func[I, O]) types(I) (zero O)                  { return zero }

// Then ends the turn and calls c; its result arrives as a later turn at back,
// which now owns the caller's callback: a continuation method of this object,
// or a continuation function. Carry is kept for it meanwhile. Nothing waits:
// other messages of the object are taken in between.
func Then[R, O, C any](t *Turn, c Call[R], back Continuation[R, C, O], carry C) (zero O, err error) {
	t.move("Then")
	cb := request(t, "Then", c, back.address(t.h.Env.To), &carry, t.h.Env.Back)
	if to := t.onFail(); to != (wire.Address{}) {
		cb.OnFail = &to
	}
	return zero, errMoved
}

// Ask makes a call whose result arrives as a later turn at back, with carry, as
// with Then. But the turn goes on, and keeps its caller's callback: it may ask
// more than once, answer, or give the callback away with another verb. What
// back returns is nobody's answer.
func Ask[R, O, C any](t *Turn, c Call[R], back Continuation[R, C, O], carry C) {
	request(t, "Ask", c, back.address(t.h.Env.To), &carry, nil)
}

func request[R, C any](t *Turn, verb string, c Call[R], to wire.Address, carry *C, parent *wire.Callback) *wire.Callback {
	kept, err := codec.Encode(carry)
	if c.err != nil {
		err = c.err
	}
	self := t.h.Env.To
	if !to.Function() && to.Type != self.Type {
		err = fault.New(fault.Crashed, verb, to.String(), "a continuation is a method of the same object, or a function")
	}
	cb := &wire.Callback{Kind: wire.ToMethod, To: to, Format: cmp.Or(c.want, wire.CBOR),
		Carry: wire.Payload{Format: wire.CBOR, Data: kept}, Parent: parent, Chain: t.h.Env.Chain(), Deadline: t.deadline()}
	if c.unchained {
		cb.Chain, cb.Deadline = "", 0
	}
	if parent != nil {
		cb.Path = t.h.Env.Path()
	}
	if cb.Depth() > wire.MaxChain {
		err = fault.New(fault.TooLarge, verb, self.String(), "more than %d turns wait for each other", wire.MaxChain)
	}
	t.send(c.envelope(t, cb), err)
	return cb
}

// onFail returns where failures of the call that the turn is for go.
func (t *Turn) onFail() (to wire.Address) {
	if p := t.h.Env.Policy; p != nil {
		to = p.OnFail
	}
	return to
}

// A Promise is a caller's callback kept in an object's state, to be resolved
// by a later turn, at most once: do not copy it. The zero Promise has no
// caller.
type Promise[O any] struct{ back *wire.Callback }

// Waiting reports whether a caller waits for p.
func (p Promise[O]) Waiting() bool { return p.back != nil }

// MarshalCBOR implements the encoding of state.
func (p Promise[O]) MarshalCBOR() ([]byte, error) {
	if p.back == nil {
		return []byte{0xf6}, nil // null
	}
	return codec.Encode(wire.AppendCallback(nil, p.back))
}

// UnmarshalCBOR implements the decoding of state.
func (p *Promise[O]) UnmarshalCBOR(b []byte) error {
	p.back = nil
	var raw []byte
	if err := codec.Decode(b, &raw); err != nil || len(raw) == 0 {
		return err
	}
	var err error
	p.back, err = wire.DecodeCallback(raw)
	return err
}

// Hold ends the turn by storing the caller's callback in *p, which must be
// part of the object's state. A caller that p held already is answered with an
// error: a promise has one. Use it like Tail. If the call is of a chain that is cancelled,
// its caller is told then, and what p is resolved with is dropped.
//
// If the call comes from one that this object is already waiting for, nobody could
// go on. Then nothing is held, and the error, of kind "in-progress" with the code
// "cycle", names who waits for whom.
func Hold[O any](t *Turn, p *Promise[O]) (zero O, err error) {
	if err := t.cycle(); err != nil {
		return zero, err
	}
	t.move("Hold")
	if p.back != nil {
		Reject(t, p, fault.New(fault.Failed, "", "", "replaced by a later call"))
	}
	p.back = t.keep(t.h.Env.Back)
	return zero, errMoved
}

// cycle returns an error if the caller waits, perhaps over others, for a call that
// this object waits for.
func (t *Turn) cycle() error {
	to := t.h.Env.To
	w := t.h.Env.Waiting().Cycle(to.Object())
	if to.Function() || w == nil {
		return nil
	}
	return &Error{Kind: fault.Conflict.String(), Code: "cycle",
		Message: w.Words(to) + ": none of them can ever go on; have one of them answer without waiting, or make one of the calls one-way"}
}

// Waiters returns who waits for what the turn does when it holds its caller, the
// object itself last. It is for package flow.
func (t *Turn) Waiters() wire.Waiters { return t.h.Env.Waiting().And(t.h.Env.To) }

// held notes on the calls of a turn that holds its caller, who waits for them.
func (t *Turn) held() {
	for _, out := range t.out {
		if out.Kind == wire.Call && out.Back != nil && out.Back.Kind == wire.ToMethod && out.Back.Parent == nil && out.Path() == nil {
			out.Amend().Path = t.Waiters()
		}
	}
}

// Resolve answers the caller whose callback p holds with v, and empties p. It
// does nothing when nobody waits.
func Resolve[O any](t *Turn, p *Promise[O], v O) {
	if p.back == nil {
		return
	}
	body, err := codec.Pack(p.back.Format, &v)
	t.send(wire.ReplyTo(p.back, body, nil), err)
	p.back = nil
}

// Reject answers the caller whose callback p holds with an error, and empties
// p. It does nothing when nobody waits.
func Reject[O any](t *Turn, p *Promise[O], err error) {
	if p.back == nil {
		return
	}
	t.send(wire.ReplyTo(p.back, wire.Payload{}, failureOf(err)), nil)
	p.back = nil
}

func (c Call[O]) envelope(t *Turn, back *wire.Callback) *wire.Envelope {
	path := c.path
	if back != nil && (back == t.h.Env.Back || back.Parent != nil) { // our caller waits for it
		path = t.h.Env.Path()
	}
	env := &wire.Envelope{Kind: wire.Call, To: c.to, Body: c.in, Back: back, Due: c.due(t.h.Now),
		Policy: c.policy, Made: t.h.Now, Settled: c.settled}
	line := wire.Lineage{Chain: t.h.Env.Chain(), Trace: t.h.Env.Trace(), Deadline: c.deadline(t.h.Now), Beat: wire.Time(c.beat), Path: path}
	if line.Guard = line.Deadline != 0; line.Guard && env.Due != 0 && line.Deadline <= env.Due {
		t.fail(fault.New(fault.Invalid, "call", c.String(), "its deadline is before it is to be delivered: it would never run"))
	}
	if c.to.Type == wire.TokenType && (env.Due != 0 || c.policy != nil) {
		t.fail(fault.New(fault.Invalid, "call", c.String(), "nothing is run that could be delayed or tried again"))
	}
	if chain := t.deadline(); chain != 0 && back != nil && !c.detached && !c.unchained && (chain < line.Deadline || !line.Guard) {
		line.Deadline = chain
	}
	if c.unchained {
		line.Chain = ""
	}
	env.Lineage = line.Some()
	return env
}

// deadline returns that of the chain which the turn is part of, 0 if it has none,
// or if it is over: what goes on after it, such as when it hears that, may clean
// up.
func (t *Turn) deadline() wire.Time {
	if d := t.h.Env.Deadline(); d > t.h.Now {
		return d
	}
	return 0
}

func (t *Turn) send(env *wire.Envelope, err error) {
	t.live()
	if t.quiet && err == nil {
		err = fault.New(fault.Crashed, "send to", env.To.String(), "a read-only method sends nothing")
	}
	if err != nil {
		t.fail(err)
	}
	t.out = append(t.out, env)
}

// move gives the caller's callback away with a verb.
func (t *Turn) move(verb string) {
	t.live()
	on := t.h.Env.To.String()
	if t.owner != "" {
		t.fail(fault.New(fault.Crashed, verb, on, "the caller's callback was given away by %s before: a turn ends with one owner of it", t.owner))
	}
	if t.quiet {
		t.fail(fault.New(fault.Crashed, verb, on, "a read-only method answers its caller itself"))
	}
	t.owner = verb
}
