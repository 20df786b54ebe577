package situ

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// A Component is a piece of user code that can be hosted: the code of an
// object type or of a function, or a schedule of calls.
type Component struct {
	typ    *host.Type
	fn     *host.Function
	err    error
	closed func()

	schedule string // its name
	spec     json.RawMessage
}

// WhenClosed returns a component that is the same and has f called whenever its
// code leaves the hands of a platform: for what it keeps beside the objects. F may be called more
// than once, and while other code of the component runs.
func (c Component) WhenClosed(f func()) Component { c.closed = f; return c }

// A Binding ties a method of a contract to the code that runs it.
type Binding[S any] struct {
	typ  *Type
	m    *host.Method
	call func(*S, *Turn) (wire.Payload, error)
}

// On binds m to h. The compiler checks that h has the types that m promises.
//
// The handler gets the object's state, its turn and the input, the zero value
// if the call has none. An error that it returns is the answer, and final; the
// state is as before the turn. If it panics or takes too long, the state is as
// before, too, and the message is run again by policy: see [Retry].
func On[S, I, O any](m Method[I, O], h func(*S, *Turn, I) (O, error)) Binding[S] {
	return Binding[S]{m.typ, m.m, func(s *S, t *Turn) (wire.Payload, error) {
		return answer(t, func(in I) (O, error) { return h(s, t, in) })
	}}
}

// answer decodes a turn's input, calls h, and encodes what it returns as the
// caller wants it.
func answer[I, O any](t *Turn, h func(I) (O, error)) (wire.Payload, error) {
	env := t.h.Env
	v := new(struct { // both escape; once is enough
		in  I
		out O
	})
	var err error
	if c, ok := any(&v.in).(continuation); ok {
		if env.Kind != wire.Reply {
			return wire.Payload{}, fault.New(fault.NotFound, "call", env.To.String(), "it is a continuation: only the reply of a call made with Then runs it")
		}
		err = c.fromReply(env)
	} else {
		err = codec.Unpack(env.Body, &v.in)
	}
	if err != nil {
		return wire.Payload{}, &Error{Kind: fault.Unfit.String(), Message: fmt.Sprintf("the input of %v does not fit %T: %v", env.To, v.in, err)}
	}
	if v.out, err = h(v.in); err != nil {
		return wire.Payload{}, err
	}
	if t.owner != "" {
		return wire.Payload{}, fault.New(fault.Crashed, "answer", env.To.String(),
			"it returned a value after it had given its caller's callback away with %s: write return situ.%s(…)", t.owner, t.owner)
	}
	if env.Back == nil {
		return wire.Payload{}, nil
	}
	p, err := codec.Pack(env.Back.Format, &v.out)
	if err != nil {
		err = fault.New(fault.Crashed, "answer", env.To.String(), "what it returned cannot be encoded: %v", err)
	}
	return p, err
}

// Object hosts objects of type t. Each object is one S, a struct: its exported
// fields are its durable state, loaded before its first turn and committed
// after each. They are named as encoding/json names them, and can be whatever
// can be read back: no functions, channels or interfaces with methods. A [Map],
// [List], [Counter] or [Promise] is a field of S or of a struct in S. What S
// cannot be, and a method of t that is not bound, is an error of the host's.
func Object[S any](t *Type, bindings ...Binding[S]) Component {
	sh, err := shapeOf[S]()
	if err != nil {
		return Component{err: fmt.Errorf("type %s: %w", t.name, err)}
	}
	code := &code[S]{shape: sh, methods: map[*host.Method]func(*S, *Turn) (wire.Payload, error){}}
	ht := &host.Type{Name: t.name, Doc: t.doc, Policy: t.retry, Halts: t.halts, Methods: map[string]*host.Method{},
		State: schemaOf[S](), New: func() host.Instance { return &instance[S]{code: code} }}
	for _, b := range bindings {
		switch {
		case b.typ != t:
			return Component{err: fmt.Errorf("type %s: method %s belongs to type %s", t.name, b.m.Name, b.typ.name)}
		case ht.Methods[b.m.Name] != nil:
			return Component{err: fmt.Errorf("%s.%s is bound twice", t.name, b.m.Name)}
		}
		ht.Methods[b.m.Name] = b.m
		code.methods[b.m] = b.call
	}
	for _, m := range t.methods {
		if ht.Methods[m.Name] == nil {
			return Component{err: fmt.Errorf("%s.%s is declared but not bound: add situ.On(…) to situ.Object", t.name, m.Name)}
		}
	}
	return Component{typ: ht}
}

// Function hosts a stateless function. Called from outside it runs once; called
// by message it runs at least once, and its answer and its sends count once.
func Function[I, O any](f Func[I, O], h func(*Turn, I) (O, error)) Component {
	m := f.m
	return Component{fn: &host.Function{Method: *m, Run: func(ht *host.Turn) host.Outcome {
		t := turnOf(ht)
		return t.run(func() (wire.Payload, error) {
			return answer(t, func(in I) (O, error) { return h(t, in) })
		})
	}}}
}

// run calls user code and gathers what it left behind.
func (t *Turn) run(call func() (wire.Payload, error)) (out host.Outcome) {
	defer func() {
		t.over.Store(true)
		if v := recover(); v != nil {
			out = host.Outcome{Panic: true, Fail: host.Panic(v)}
		}
	}()
	body, err := call()
	if late := t.h.Err(); late != nil && !errors.Is(late, context.Canceled) { // cancelled, it may end well
		return host.Outcome{Panic: true, Fail: &wire.Failure{Kind: fault.Timeout.String(),
			Message: fmt.Sprintf("the handler of %v took too long: %v", t.h.Env.To, late)}}
	}
	switch {
	case t.err != nil:
		return host.Outcome{Fail: wire.FailureOf(t.err)}
	case errors.Is(err, errMoved) && t.owner == "":
		return misuse("the handler returned the error of a Tail, Then or Hold of another turn")
	case errors.Is(err, errMoved):
		if t.owner == "Hold" {
			t.held()
		}
		return host.Outcome{Sends: t.out, Moved: true}
	case err != nil && t.h.Err() != nil && errors.Is(err, context.Canceled): // that it passes on
		return host.Outcome{Fail: &wire.Failure{Kind: fault.Canceled.String(), Code: "canceled",
			Message: fmt.Sprintf("%v was told while it ran that its call is cancelled: %v", t.h.Env.To, err)}}
	case err != nil:
		return host.Outcome{Fail: failureOf(err)}
	}
	return host.Outcome{Sends: t.out, Answer: body}
}

// misuse is a final answer: running the same code again would not help.
func misuse(text string) host.Outcome {
	return host.Outcome{Fail: &wire.Failure{Kind: fault.Crashed.String(), Message: text}}
}

// Assemble checks components and makes them one set that a host can run. It is
// for the packages of Situ: programs call Main, embedded.Open or situtest.Run.
func Assemble(components ...Component) (*host.Set, error) {
	set := &host.Set{Types: map[string]*host.Type{}, Functions: map[string]*host.Function{}, Turns: newTurns}
	var wrong []string
	for _, c := range components {
		if c.closed != nil {
			set.Closed = append(set.Closed, c.closed)
		}
		switch {
		case c.err != nil:
			wrong = append(wrong, c.err.Error())
		case c.schedule != "" && set.Schedules[c.schedule] != nil:
			wrong = append(wrong, "schedule "+c.schedule+" is declared twice")
		case c.schedule != "":
			if set.Schedules == nil {
				set.Schedules = map[string]json.RawMessage{}
			}
			set.Schedules[c.schedule] = c.spec
		case c.typ != nil && set.Types[c.typ.Name] != nil:
			wrong = append(wrong, "type "+c.typ.Name+" is hosted twice")
		case c.typ != nil:
			set.Types[c.typ.Name] = c.typ
		case c.fn != nil && set.Functions[c.fn.Name] != nil:
			wrong = append(wrong, "function "+c.fn.Name+" is hosted twice")
		case c.fn != nil:
			set.Functions[c.fn.Name] = c.fn
		}
	}
	if len(wrong) > 0 {
		return nil, errors.New("situ: " + strings.Join(wrong, "; "))
	}
	return set, nil
}
