package situ

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// Retry says what happens to a turn that panics, times out or loses its
// worker: it runs at most Attempts times in all, with pauses that begin at
// Backoff and double up to MaxBackoff, and not when it would begin later than MaxAge
// after it was due; then its message becomes a dead letter, or goes where
// [Call.OnFailure] says. Zero fields are inherited: a call's from its method, that from its type,
// that from the platform (5 attempts, 100 ms, 10 s, any age).
//
// A returned error is an answer and is not retried, unless On has its code or
// its Kind, or "*". What Final has, a code or a kind such as "timeout", is
// never retried, whatever it comes from.
type Retry struct {
	Attempts            int
	Backoff, MaxBackoff time.Duration
	MaxAge              time.Duration
	On, Final           []string
}

// RetryPolicy returns a Retry with these fields. Negative ones are zero.
func RetryPolicy(attempts int, backoff, maxBackoff time.Duration) Retry {
	return Retry{Attempts: max(attempts, 0), Backoff: max(backoff, 0), MaxBackoff: max(maxBackoff, 0)}
}

// policy returns r as data, or what is wrong with it.
func (r Retry) policy() (p wire.Policy, err error) {
	if r.Attempts < 0 || r.Attempts > math.MaxInt32 {
		return p, fault.New(fault.Invalid, "", "policy", "%d attempts are not between 1 and %d", r.Attempts, wire.MaxAttempts)
	}
	for _, code := range slices.Concat(r.On, r.Final) {
		if code == "" || strings.Contains(code, "\n") {
			return p, fault.New(fault.Invalid, "", "policy", "%q cannot be an error's code", code)
		}
	}
	p = wire.Policy{Attempts: uint32(r.Attempts), Backoff: wire.Time(r.Backoff), MaxBackoff: wire.Time(r.MaxBackoff),
		MaxAge: wire.Time(r.MaxAge), On: wire.CodesOf(r.On), Final: wire.CodesOf(r.Final)}
	return p, p.Check()
}

// Retries sets the retry policy of a method, function or type. It panics if a
// field is out of its range.
func Retries(r Retry) Option {
	p, err := r.policy()
	must(err)
	return func(m *host.Method) { m.Policy = p }
}

// Retry sets the retry policy of this call. A field that is out of its range is an
// error of Kind "invalid" of the verb.
func (c Call[O]) Retry(r Retry) Call[O] {
	p, err := r.policy()
	return c.with(func(own *wire.Policy) {
		p.Priority, p.OnFail = own.Priority, own.OnFail
		*own = p
	}, err)
}

// A Priority says what is run first of what could be run now.
type Priority uint8

// The priorities of calls. The messages of one object stay in their order, whatever their priority.
const (
	Normal = Priority(wire.Normal)
	High   = Priority(wire.High) // as if it had come a second earlier
	Low    = Priority(wire.Low)  // as if it had come ten seconds later
)

// Priority sets the priority of this call: before which others it is run, where
// more could be run than there is time for. One that there is not is an error of
// Kind "invalid" of the verb.
func (c Call[O]) Priority(p Priority) Call[O] {
	var err error
	if p > Low {
		err = fault.New(fault.Invalid, "", "policy", "there is no priority %d; there is Low, Normal and High", p)
	}
	return c.with(func(own *wire.Policy) { own.Priority = wire.Priority(p) }, err)
}

// A Failure is the input of a call that [Call.OnFailure] names: what failed, why,
// and what its input was.
type Failure[I any] struct {
	To       string `json:"to"`   // "type/key.method", or a function's name
	Kind     string `json:"kind"` // as in Error
	Code     string `json:"code,omitempty"`
	Message  string `json:"message"`
	Attempts int    `json:"attempts"`        // how often it was run
	Input    I      `json:"input,omitempty"` // of a continuation, zero
}

// Err returns the failure as an *Error.
func (f Failure[I]) Err() error { return &Error{Code: f.Code, Kind: f.Kind, Message: f.Message} }

func (f Failure[I]) isFailure() {}

// A FailureCall is a call of a method or function with an input of type Failure.
type FailureCall interface {
	handlesFailure() (to wire.Address, err error)
}

func (c Call[O]) handlesFailure() (wire.Address, error) {
	switch {
	case c.err != nil:
		return c.to, c.err
	case !c.failure:
		return c.to, fault.New(fault.Invalid, "OnFailure", c.to.String(), "its input is no situ.Failure")
	case c.policy != nil || c.key != "" || c.settled || c.after != 0 || !c.at.IsZero():
		return c.to, fault.New(fault.Invalid, "OnFailure", c.to.String(), "the call has options: it is made as it is, so give the policy to its method")
	}
	return c.to, nil
}

// OnFailure says where failures of this call go: when it is given up, or answered
// with an error, h is called, with a [Failure] in place of the input that it has.
// A message that is given up is then no dead letter; the caller is told all the
// same. Who takes the call over with Tail, or goes on after Then, takes over this, too.
//
//	situ.Send(t, Charge.To(id, c).OnFailure(Complain.With(situ.Failure[Cart]{})))
func (c Call[O]) OnFailure(h FailureCall) Call[O] {
	to, err := h.handlesFailure()
	return c.with(func(own *wire.Policy) { own.OnFail = to }, err)
}

// with returns c with a changed policy.
func (c Call[O]) with(change func(*wire.Policy), err error) Call[O] {
	p := new(wire.Policy)
	if c.policy != nil {
		*p = *c.policy
	}
	change(p)
	c.policy = p
	if c.err == nil {
		c.err = err
	}
	return c
}
