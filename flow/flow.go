// Package flow runs workflows: functions that wait. A workflow is an object of
// its own; its key names it. Its code calls objects, functions and other workflows
// and awaits their results, sleeps, waits for signals, and does steps; while it
// waits it is rows on disk, and nothing else: no goroutine, no process, no bill.
//
// What the code asks for and what came of it is in a journal. When the code is to go
// on and is not in memory any more, after a crash for example, it is run again from its
// beginning, and everything that is in the journal is answered from there. So
// between two waits the code must do the same in every run: it uses Now and Rand
// of its Flow instead of those of Go, does I/O in a Step, and starts no
// goroutines.
//
//	var Order = situ.NewType("order")
//	var Run = situ.NewMethod[Cart, Receipt](Order, "run")
//	var Approve = flow.NewSignal[Decision](Order, "approve")
//
//	flow.Workflow(Order, Run, func(f *flow.Flow, cart Cart) (Receipt, error) {
//		id, err := flow.Step(f, "reserve", reserve(cart))
//		...
//		d, err := flow.Wait(f, Approve)
//		...
//		return flow.Await(f, Charge.To(cart.Customer, cart.Total()))
//	})
//
// Callers call Run like any method: who calls it for a key that runs already
// waits for the same result.
package flow

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	journal "github.com/situ-dev/situ/internal/flow"
	"github.com/situ-dev/situ/internal/wire"
)

// A Flow is what the code of a workflow talks to. It is used only by that code,
// by one goroutine, and only until the code returns.
type Flow struct {
	key   string
	run   int       // how often it was continued as new
	began time.Time // of this run
	now   time.Time // of the last event
	rand  *rand.Rand

	j      journal.Journal
	t      *situ.Turn // the turn under way
	s      *state     // of that turn
	yield  func(struct{}) bool
	halted error // why no verb does anything any more

	settling  bool // a step is to be run when all that the code has seen is durable
	durable   int  // how much it had seen of what is, plus 1
	cancelled bool
	undo      []func(*Flow) error
	queries   map[string]handler
	updates   map[string]handler
	answers   map[int]answer // of updates delivered in this turn, by event
	mute      *slog.Logger
}

// answer is what an update returned.
type answer struct {
	v   any
	err error
}

// errUnload ends the code of a workflow that leaves memory. It is a panic: code sees it
// only in its deferred functions.
var errUnload = errors.New("situ: the workflow leaves memory")

// Key returns the key of the workflow.
func (f *Flow) Key() string { return f.key }

// Run returns how often the workflow was continued as new, 0 at first.
func (f *Flow) Run() int { return f.run }

// Now returns the time, in UTC, of what the code has seen last. It is the same in every
// run of the code.
func (f *Flow) Now() time.Time { return f.now }

// Rand returns a random source that gives the same numbers in every run of the
// code.
func (f *Flow) Rand() *rand.Rand {
	if f.rand == nil {
		h := fnv.New64a()
		_, _ = h.Write([]byte(f.key + "\x00" + strconv.Itoa(f.run))) // never fails
		f.rand = rand.New(rand.NewPCG(h.Sum64(), uint64(f.began.UnixNano())))
	}
	return f.rand
}

// Log returns a logger that says which workflow is speaking. It is silent while
// the code is only run again.
func (f *Flow) Log() *slog.Logger {
	if f.j.Replaying() {
		if f.mute == nil {
			f.mute = slog.New(slog.DiscardHandler)
		}
		return f.mute
	}
	return f.t.Log()
}

// Cancelled reports whether the workflow was asked to end.
func (f *Flow) Cancelled() bool { return f.cancelled }

// wait lets the code stand until ready. It returns an error if the workflow was
// cancelled meanwhile.
func (f *Flow) wait(ready func() bool) error {
	for !ready() {
		if f.cancelled {
			return ErrCancelled
		}
		f.park()
	}
	return nil
}

// park lets the code stand until something has happened.
func (f *Flow) park() {
	if f.halted == nil && f.yield(struct{}{}) && f.halted == nil {
		return
	}
	if f.halted == nil {
		f.halted = errUnload
	}
	panic(f.halted)
}

// ask notes a command, or finds it in the journal. If the code is not the one
// that wrote the journal, it ends here.
func (f *Flow) ask(name string) (e journal.Entry, n int, old bool) {
	if f.halted != nil {
		panic(f.halted)
	}
	e, n, old, err := f.j.Ask(name)
	if err != nil {
		f.halted = err
		panic(err)
	}
	return e, n, old
}

// write adds a line to the journal and to the state.
func (f *Flow) write(e journal.Entry) {
	e.At = f.t.Now().UnixNano()
	f.j.Add(e)
	f.s.append(e)
}

// begin notes what is begun, and returns the ID under which its result comes.
func (f *Flow) begin(name string) int {
	f.s.Last++
	f.write(journal.Entry{Kind: journal.Asked, ID: f.s.Last, Name: name})
	return f.s.Last
}

// ErrCancelled is what waits return in a workflow that was cancelled.
var ErrCancelled error = &situ.Error{Kind: fault.Canceled.String(), Code: "cancelled", Message: "the workflow was cancelled"}

// A Future is the result of something that was begun, when it is there.
type Future[O any] struct {
	f *Flow
	n int
	e error // it could not be begun
}

// Pending is any Future or Receipt.
type Pending interface {
	// Done reports whether the result is there. In code between two waits it does
	// not change.
	Done() bool
	flow() *Flow
}

// Done reports whether the result is there.
func (p Future[O]) Done() bool {
	if p.e != nil {
		return true
	}
	_, ok := p.f.j.Result(p.n)
	return ok
}

func (p Future[O]) flow() *Flow { return p.f }

// Get waits for the result. The error is an *situ.Error: what was called
// answered it, or it could not be called; or it is ErrCancelled.
func (p Future[O]) Get() (out O, err error) {
	if p.e != nil {
		return out, p.e
	}
	if err := p.f.wait(p.Done); err != nil {
		return out, err
	}
	e, _ := p.f.j.Result(p.n)
	return unpack[O](e)
}

func unpack[O any](e journal.Entry) (out O, err error) {
	if e.Fail != nil {
		return out, errorOf(e.Fail)
	}
	if len(e.Body) > 0 {
		if err := codec.Decode(e.Body, &out); err != nil {
			return out, &situ.Error{Kind: fault.Unfit.String(), Message: "the result of " + e.Name + " does not fit: " + err.Error()}
		}
	}
	return out, nil
}

// raw is CBOR that is left as it is.
type raw = cbor.RawMessage

// ticket is what a message of a workflow to itself brings back.
type ticket struct {
	ID   int `json:"id,omitempty"`   // of the command that is answered
	Gen  int `json:"gen,omitempty"`  // of the state that it is for
	Seen int `json:"seen,omitempty"` // how much the code had seen, plus 1
}

// Start makes a call, and does not wait for its result. A workflow that was
// cancelled starts nothing.
func Start[O any](f *Flow, c situ.Call[O]) Future[O] {
	if f.cancelled {
		return Future[O]{f, 0, ErrCancelled}
	}
	if err := c.Err(); err != nil {
		return Future[O]{f, 0, err}
	}
	_, n, old := f.ask("call " + c.String())
	if !old {
		id := f.begin("call " + c.String())
		// A workflow is of no chain: who called it may have gone long since.
		situ.Ask(f.t, situ.Call[raw](c).Detached().Behind(f.s.Path), f.s.p.reply, ticket{ID: id})
	}
	return Future[O]{f: f, n: n}
}

// Token returns a call whose callee is whoever has the token, as situ.Token does:
// Start or Await it, after a Step that hands the token over. The token is the same
// in every run of the code.
func Token[O any](f *Flow, expiry time.Duration) (call situ.Call[O], token string) {
	e, _, old := f.ask("token")
	if !old {
		_, token = situ.Token[O](f.t, expiry)
		e = journal.Entry{Kind: journal.Noted, Name: "token"}
		e.Body, _ = codec.Encode(&token) // a string can be encoded
		f.write(e)
	}
	if err := codec.Decode(e.Body, &token); err != nil {
		f.halted = err
		panic(err)
	}
	return situ.Callback[O](token, expiry), token
}

// Await makes a call and waits for its result.
func Await[O any](f *Flow, c situ.Call[O]) (O, error) { return Start(f, c).Get() }

// Timer returns a Future that is done after d.
func Timer(f *Flow, d time.Duration) Future[situ.None] {
	if f.cancelled {
		return Future[situ.None]{f, 0, ErrCancelled}
	}
	_, n, old := f.ask("timer")
	if !old {
		id := f.begin("timer")
		situ.Send(f.t, f.s.p.fired.To(f.key, ticket{ID: id}).After(max(d, 1)))
	}
	return Future[situ.None]{f: f, n: n}
}

// Sleep waits for d.
func Sleep(f *Flow, d time.Duration) error {
	_, err := Timer(f, d).Get()
	return err
}

// Step runs fn and notes its result, so that it is not run again once it is
// durable. Before that it may be: fn runs at least once, like any call of what is
// outside. It is run when everything before it is durable. Its error is its
// result. The context is done when fn takes too long; then, or if fn panics, the
// step is tried again, a few times.
func Step[T any](f *Flow, name string, fn func(context.Context) (T, error)) (out T, err error) {
	if f.cancelled {
		return out, ErrCancelled
	}
	e, _, old := f.ask("step " + name)
	if old {
		f.now = e.Time()
		return unpack[T](e)
	}
	for f.durable != f.j.Seen()+1 {
		f.settling = true
		f.park()
		f.settling = false
	}
	out, err = fn(f.t)
	e = journal.Entry{Kind: journal.Noted, Name: "step " + name}
	if err != nil {
		e.Fail = failure(err)
	} else if e.Body, err = codec.Encode(&out); err != nil {
		panic("the result of step " + name + " cannot be kept: " + err.Error())
	}
	if len(e.Body) > maxBody {
		e.Fail, e.Body = failure(tooLarge(len(e.Body))), nil
	}
	f.write(e)
	f.now = f.t.Now()
	return unpack[T](e)
}

func tooLarge(n int) error {
	return &situ.Error{Kind: fault.TooLarge.String(), Message: fmt.Sprintf("the result has %d bytes, and a journal keeps %d at most: return where it is kept", n, maxBody)}
}

// failure makes of an error what is kept of it.
func failure(err error) *wire.Failure {
	if e, ok := errors.AsType[*situ.Error](err); ok {
		return &wire.Failure{Kind: e.Kind, Code: e.Code, Message: err.Error()}
	}
	return &wire.Failure{Kind: fault.Failed.String(), Message: err.Error()}
}

func errorOf(f *wire.Failure) error {
	return &situ.Error{Kind: f.Kind, Code: f.Code, Message: f.Message}
}

// Wait waits for a signal and returns what it brings. Signals of one name are
// taken in the order in which they came, each once.
func Wait[T any](f *Flow, s Signal[T]) (T, error) { return Next(f, s).Get() }

// A Receipt is the next signal of a name, when it is there. Only Get takes it.
type Receipt[T any] struct {
	f    *Flow
	name string
}

// Next returns the next signal of a name, to be waited for beside others.
func Next[T any](f *Flow, s Signal[T]) Receipt[T] { return Receipt[T]{f, s.name} }

// Done reports whether the signal is there.
func (r Receipt[T]) Done() bool { return r.f.j.Waits(r.name) }

func (r Receipt[T]) flow() *Flow { return r.f }

// Get waits for the signal and takes it. The error is ErrCancelled, or the signal
// does not fit.
func (r Receipt[T]) Get() (out T, err error) {
	if err := r.f.wait(r.Done); err != nil {
		return out, err
	}
	e, _ := r.f.j.Signal(r.name)
	return unpack[T](e)
}

// Version guards a change of the code of workflows that are running. It returns version, unless
// the workflow passed here before the guard was there: then it returns 0.
//
//	if flow.Version(f, "check the address", 1) >= 1 {
//		// new code
//	}
func Version(f *Flow, change string, version int) int {
	name := "version " + change
	if f.j.Replaying() && f.j.Peek() != name {
		return 0
	}
	e, _, old := f.ask(name)
	if !old {
		e = journal.Entry{Kind: journal.Noted, Name: name}
		e.Body, _ = codec.Encode(&version) // an int can be encoded
		f.write(e)
	}
	was, err := unpack[int](e)
	if err != nil {
		f.halted = err
		panic(err)
	}
	return was
}

// Undo has fn run if the workflow ends with an error: what was done last is undone
// first. In fn the workflow is not cancelled, even if that is why it ends.
func (f *Flow) Undo(fn func(*Flow) error) { f.undo = append(f.undo, fn) }

// compensate undoes what was done, and returns why the workflow ends.
func (f *Flow) compensate(why error) error {
	for len(f.undo) > 0 {
		fn := f.undo[len(f.undo)-1]
		f.undo = f.undo[:len(f.undo)-1]
		f.cancelled = false
		if err := fn(f); err != nil {
			why = errors.Join(why, err)
		}
	}
	return why
}

// First waits until one of the Futures is done and returns its index: of several the
// one that is done the first in the order given.
func First(ps ...Pending) (int, error) {
	if len(ps) == 0 {
		return -1, &situ.Error{Kind: fault.Invalid.String(), Message: "flow.First of nothing would wait for ever"}
	}
	at := -1
	err := ps[0].flow().wait(func() bool {
		for i, p := range ps {
			if p.Done() {
				at = i
				return true
			}
		}
		return false
	})
	return at, err
}

// All waits for all Futures and returns their results in their order. The error
// joins those of the ones that failed, whose results are zero.
func All[O any](ps ...Future[O]) (out []O, err error) {
	for _, p := range ps {
		v, e := p.Get()
		out = append(out, v)
		err = errors.Join(err, e)
	}
	return out, err
}

// Outcome is one of several results.
type Outcome[O any] struct {
	Value O
	Err   error
}

// Each makes all calls, at most limit at a time, and waits for all of them.
// Limit 0 is no limit.
func Each[O any](f *Flow, limit int, calls ...situ.Call[O]) []Outcome[O] {
	if limit <= 0 || limit > len(calls) {
		limit = len(calls)
	}
	all, open := make([]Future[O], len(calls)), []int(nil)
	for next := 0; next < len(calls); {
		for ; next < len(calls) && len(open) < limit; next++ {
			all[next] = Start(f, calls[next])
			open = append(open, next)
		}
		n := len(open)
		_ = f.wait(func() bool { // of a workflow that is cancelled, Get says so
			open = slices.DeleteFunc(open, func(i int) bool { return all[i].Done() })
			return len(open) < n || next == len(calls)
		})
		if f.cancelled {
			open = nil
		}
	}
	out := make([]Outcome[O], len(calls))
	for i, p := range all {
		out[i].Value, out[i].Err = p.Get()
	}
	return out
}
