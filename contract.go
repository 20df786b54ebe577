package situ

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/schema"
	"github.com/situ-dev/situ/internal/wire"
)

// None is the input or output of a method that has none. As JSON it is {}.
type None struct{}

// A Type names a kind of object and lists the methods of its contract.
type Type struct {
	name    string
	doc     string
	retry   wire.Policy
	halts   bool
	methods []*host.Method
}

// NewType declares an object type. The name is durable: it is written to disk,
// so it does not change when Go identifiers are renamed. NewType panics if the
// name is not made of letters, digits, '-', '_' and '.', or if it gets an
// option other than Doc, Retries and PauseOnDead.
func NewType(name string, options ...Option) *Type {
	must(wire.CheckName("type", name))
	var m host.Method
	for _, o := range options {
		o(&m)
	}
	if m.ReadOnly || m.Relaxed || m.Timeout != 0 || m.Example != nil {
		panic("situ: type " + name + ": ReadOnly, Relaxed, Timeout and Example are for methods: a type takes Doc, Retries and PauseOnDead")
	}
	return &Type{name: name, doc: m.Doc, retry: m.Policy, halts: m.Halts}
}

// Name returns the durable name of the type.
func (t *Type) Name() string { return t.name }

// An Option says something about a method, a function or a type when it is
// declared. A type takes Doc, Retries and PauseOnDead.
type Option func(*host.Method)

// Doc describes a method, function or type to those who call it.
func Doc(text string) Option { return func(m *host.Method) { m.Doc = text } }

// Example shows an input that is worth trying: it becomes part of the input's
// JSON Schema, and `situ dev` suggests it. It must have the input's type;
// otherwise declaring the method or function panics.
func Example(in any) Option { return func(m *host.Method) { m.Example = in } }

// ReadOnly declares that a method writes nothing: no state, no sends, and it
// keeps its caller's callback. It answers from committed state and costs no
// commit. A send fails the turn; that the state stays as it is, is checked in
// tests and trusted elsewhere.
func ReadOnly(m *host.Method) { m.ReadOnly = true }

// Relaxed declares that a method may answer before its commit is durable. What
// it did may be lost in a crash, although the caller was told of it. State,
// sends and timers of the turn stay together all the same.
func Relaxed(m *host.Method) { m.Relaxed = true }

// Durable declares that a method answers only when its commit is durable. It
// is the default.
func Durable(m *host.Method) { m.Relaxed = false }

// Internal declares that a method or function is for the program's own turns: a
// timer to itself, say. A call of it from outside, by HTTP, a command, a schedule or a
// flow that came as a value, is refused. Continuations are internal as they are.
func Internal(m *host.Method) { m.Internal = true }

// Timeout bounds a handler's run; 0 is the platform's, 1 minute unless it is
// told otherwise. When it is over, the turn's context is done, and the turn
// counts as failed and is retried by policy.
func Timeout(d time.Duration) Option { return func(m *host.Method) { m.Timeout = d } }

// PauseOnDead declares that an object of a type pauses when a message of it becomes a
// dead letter: its later messages wait, in order, until the letter is run again (`situ
// dead retry`), which is then the first, or the object is resumed without it (`situ resume`).
// Without it, an object goes on with its next message. It is for types.
func PauseOnDead(m *host.Method) { m.Halts = true }

// A Method is the typed name of one operation of an object type.
type Method[I, O any] struct {
	typ *Type
	m   *host.Method
}

// NewMethod declares a method of t. Like the type's name, name is durable. It
// panics if the name is malformed or t has such a method already.
func NewMethod[I, O any](t *Type, name string, options ...Option) Method[I, O] {
	must(wire.CheckName("method", name))
	for _, m := range t.methods {
		if m.Name == name {
			panic(fmt.Sprintf("situ: type %s declares method %s twice", t.name, name))
		}
	}
	m := newMethod[I, O](name, options)
	t.methods = append(t.methods, m)
	return Method[I, O]{t, m}
}

func newMethod[I, O any](name string, options []Option) *host.Method {
	m := &host.Method{Name: name}
	for _, o := range options {
		o(m)
	}
	if m.Halts {
		panic(fmt.Sprintf("situ: %s: PauseOnDead is for types, not for a method or function", name))
	}
	for _, t := range []reflect.Type{reflect.TypeFor[I](), reflect.TypeFor[O]()} {
		if why := traitsOf(t).Unfit; why != "" {
			panic(fmt.Sprintf("situ: %s: the type %v has %s", name, t, why))
		}
	}
	m.In, m.Out = schemaOf[I](), schemaOf[O]()
	if m.Example != nil {
		if _, ok := m.Example.(I); !ok {
			panic(fmt.Sprintf("situ: %s: the example is a %T, and the input a %v", name, m.Example, reflect.TypeFor[I]()))
		}
		m.In = schema.WithExample(m.In, m.Example)
	}
	if _, back := any(new(I)).(continuation); back {
		m.Internal = true
	}
	return m
}

// To describes a call of m on the object with the given key: 1 to 512 bytes of
// UTF-8 without control characters. A malformed key, or an input that cannot
// be encoded, is an error of the verb that makes the call.
func (m Method[I, O]) To(key string, in I) Call[O] {
	c := newCall[O](wire.Address{Type: m.typ.name, Key: key, Method: m.m.Name}, &in)
	if err := wire.CheckKey(key); err != nil && c.err == nil {
		c.err = err
	}
	return c
}

// A Func is the typed name of a stateless function.
type Func[I, O any] struct{ m *host.Method }

// NewFunc declares a stateless function. The name is durable. It panics if the
// name is malformed.
func NewFunc[I, O any](name string, options ...Option) Func[I, O] {
	must(wire.CheckName("function", name))
	return Func[I, O]{newMethod[I, O](name, options)}
}

// With describes a call of f. An input that cannot be encoded is an error of
// the verb that makes the call.
func (f Func[I, O]) With(in I) Call[O] { return newCall[O](wire.Address{Method: f.m.Name}, &in) }

// A Call is a description of a call that has not been made. It is a value:
// its methods return a changed copy.
type Call[O any] struct {
	to     wire.Address
	in     wire.Payload
	after  time.Duration
	at     time.Time
	policy *wire.Policy
	key    string
	err    error // the input cannot be encoded: told by the verb

	settled   bool        // delivered when what sends it is durable
	unchained bool        // neither of the chain of what sends it, nor under its deadline
	failure   bool        // its input is a Failure
	want      wire.Format // of the answer; None is CBOR

	path wire.Waiters // who waits for it

	within   time.Duration // the caller has an answer after it at the latest; 0 is no bound
	by       time.Time     // the same, as an instant
	detached bool          // not bound by the deadline of the chain
	beat     time.Duration // of a callback token: how long it may be silent
}

func newCall[O any](to wire.Address, in any) Call[O] {
	b, err := codec.EncodeSorted(in) // an idempotency key goes with one payload
	_, failure := in.(interface{ isFailure() })
	return Call[O]{to: to, in: wire.Payload{Format: wire.CBOR, Data: b}, err: err, failure: failure}
}

// After delays delivery by d, from when the verb is used; not at all if d is not
// positive. It takes the place of an At.
func (c Call[O]) After(d time.Duration) Call[O] { c.after, c.at = d, time.Time{}; return c }

// At delays delivery until t; not at all if t is past. It takes the place of an
// After.
func (c Call[O]) At(t time.Time) Call[O] { c.at, c.after = t, 0; return c }

// Settled delays delivery until the turn that makes the call is durable. Without
// it, turns run ahead of the commit that they share: what they do to state is
// taken back with them in a crash, but not what their handlers do elsewhere.
func (c Call[O]) Settled() Call[O] { c.settled = true; return c }

// Behind notes who waits for the call. It is for package flow.
func (c Call[O]) Behind(w wire.Waiters) Call[O] { c.path = w; return c }

// Within gives the call a deadline, d from when the verb is used: the caller gets
// its answer until then, or an error of Kind "timeout", once, whatever the callee
// does. What has not begun by then is not run any more; the context of a turn that
// runs ends; and what the callee calls in its turn has the deadline, too, if that
// is sooner than its own; but what it only sends, one way, has none. A d that is
// not positive, or is over before a delayed call is delivered, is an error of the
// verb.
func (c Call[O]) Within(d time.Duration) Call[O] {
	c.within, c.by = d, time.Time{}
	if d <= 0 && c.err == nil {
		c.err = fault.New(fault.Invalid, "call", c.String(), "a deadline of %v is past: give it one that is to come", d)
	}
	return c
}

// By is Within with an instant. If that is past, Do and Start refuse the call with
// Kind "invalid"; in a turn it is answered with Kind "timeout", and not run.
func (c Call[O]) By(t time.Time) Call[O] { c.by, c.within = t, 0; return c }

// Detached takes the call out of the deadline of the chain that the turn is part
// of: for what is to be done although nobody waits for it any more, such as to
// clean up.
func (c Call[O]) Detached() Call[O] { c.detached = true; return c }

// Idempotent gives a call from outside a key: however often it is made with
// the same key, it has its effect once, and every time the same answer, for 24
// hours or what the platform is set to. With another input the error has Kind
// "key-reused", and while the call is under way "in-progress". Calls made in a
// turn have their effect once anyway, and need no key.
func (c Call[O]) Idempotent(key string) Call[O] { c.key = key; return c }

// Err returns why the call cannot be made, nil if it can: what the verb would
// say.
func (c Call[O]) Err() error {
	if c.err == nil {
		return nil
	}
	return publicError(c.err)
}

// String returns what is called, as "type/key.method" or a function's name. A
// callback token is a secret, and is not in it.
func (c Call[O]) String() string {
	if c.to.Type == wire.TokenType {
		return "callback token"
	}
	return c.to.String()
}

// deadline returns until when c is answered, 0 for no deadline of its own.
func (c Call[O]) deadline(now wire.Time) wire.Time {
	switch {
	case c.within > 0 && now+wire.Time(c.within) < now, c.by.Year() > 2261:
		return math.MaxInt64
	case c.within > 0:
		return now + wire.Time(c.within)
	case c.by.IsZero():
		return 0
	case c.by.Year() < 1970:
		return 1 // long ago
	}
	return wire.Time(c.by.UnixNano())
}

// due returns when c is to be delivered, 0 for at once. What is beyond the
// year 2262 is as late as can be.
func (c Call[O]) due(now wire.Time) wire.Time {
	switch {
	case c.after > 0 && now+wire.Time(c.after) < now, c.at.Year() > 2261:
		return math.MaxInt64
	case c.after > 0:
		return now + wire.Time(c.after)
	case c.at.Year() >= 1970:
		return wire.Time(c.at.UnixNano())
	}
	return 0
}

func must(err error) {
	if err != nil {
		panic("situ: " + err.Error()) // a programmer's error, found at start-up
	}
}
