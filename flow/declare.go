package flow

import (
	"slices"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	journal "github.com/situ-dev/situ/internal/flow"
	"github.com/situ-dev/situ/internal/host"
)

// A Signal is a message to a workflow, which waits for it with [Wait].
type Signal[T any] struct {
	name string
	m    situ.Method[T, situ.None]
}

// NewSignal declares a signal of workflows of type t. Like the type's name, name
// is durable. It panics if the name is malformed or t has such a method.
func NewSignal[T any](t *situ.Type, name string, options ...situ.Option) Signal[T] {
	s := Signal[T]{name, situ.NewMethod[T, situ.None](t, name, options...)}
	methodsOf(t).declare(func(p *program) situ.Binding[state] {
		return situ.On(s.m, func(st *state, t *situ.Turn, v T) (none situ.None, err error) {
			b, err := codec.Encode(&v)
			if err != nil {
				return none, err
			}
			return none, p.at(st).take(t, journal.Entry{Kind: journal.Signaled, Name: name, Body: b})
		})
	})
	return s
}

// To describes the call that brings signal v to the workflow with that key. Its
// answer says that the signal is in the journal. A workflow that was not started,
// or is over, answers with an error.
func (s Signal[T]) To(key string, v T) situ.Call[situ.None] { return s.m.To(key, v) }

// take takes a signal.
func (s *state) take(t *situ.Turn, e journal.Entry) error {
	if err := s.p.exists(s, t); err != nil {
		return err
	}
	if s.Status.over() {
		return conflict("the workflow %s is over: it is %s", t.Key(), s.Status)
	}
	if n := s.Journal.Len(); n >= s.p.limit {
		return &situ.Error{Kind: fault.TooLarge.String(), Message: "the journal of workflow " + t.Key() + " is full: " + s.Reason}
	}
	s.event(t, e)
	return nil
}

// A Query asks the code of a workflow, and changes nothing.
type Query[I, O any] struct {
	name string
	m    situ.Method[I, O]
}

// NewQuery declares a query of workflows of type t. The name is as a signal's.
func NewQuery[I, O any](t *situ.Type, name string, options ...situ.Option) Query[I, O] {
	q := Query[I, O]{name, situ.NewMethod[I, O](t, name, append(options, situ.ReadOnly)...)}
	methodsOf(t).declare(func(p *program) situ.Binding[state] {
		return situ.On(q.m, func(s *state, t *situ.Turn, in I) (out O, err error) {
			if err := p.exists(s, t); err != nil {
				return out, err
			}
			b, err := codec.Encode(&in)
			if err != nil {
				return out, err
			}
			v, err := p.at(s).query(t, name, b)
			if err != nil {
				return out, err
			}
			return v.(O), nil
		})
	})
	return q
}

// To describes a query of the workflow with that key.
func (q Query[I, O]) To(key string, in I) situ.Call[O] { return q.m.To(key, in) }

// OnQuery has h answer a query from now on. It is called while the code stands: it
// sees what the code has, changes nothing and waits for nothing.
func OnQuery[I, O any](f *Flow, q Query[I, O], h func(I) (O, error)) {
	if f.queries == nil {
		f.queries = map[string]handler{}
	}
	f.queries[q.name] = handle(h)
}

// handler is a query's or an update's, without its types.
type handler func([]byte) (any, error)

func handle[I, O any](h func(I) (O, error)) handler {
	return func(b []byte) (any, error) {
		var in I
		if err := codec.Decode(b, &in); err != nil {
			return nil, err
		}
		return h(in)
	}
}

// query lets the code answer.
func (s *state) query(t *situ.Turn, name string, in []byte) (v any, err error) {
	if s.Status == Parked {
		return nil, conflict("the workflow %s is parked and answers no queries: %s", t.Key(), s.Reason)
	}
	co := s.enter(t)
	defer co.release()
	fresh := !co.stands
	if fresh {
		_, err = co.goOn()
	}
	if h := co.f.queries[name]; err == nil && h != nil {
		v, err = h(in)
	} else if err == nil {
		err = &situ.Error{Kind: fault.NotFound.String(), Message: "the code of the workflow answers no query " + name + " at this point"}
	}
	if fresh {
		s.drop()
	} else {
		s.keep(co)
	}
	return v, err
}

// An Update asks the code of a workflow to change something, and answers what it
// says.
type Update[I, O any] struct {
	name string
	m    situ.Method[I, O]
}

// NewUpdate declares an update of workflows of type t. The name is as a signal's.
func NewUpdate[I, O any](t *situ.Type, name string, options ...situ.Option) Update[I, O] {
	options = append(slices.Clone(options), func(m *host.Method) { m.Tells = true })
	u := Update[I, O]{name, situ.NewMethod[I, O](t, name, options...)}
	methodsOf(t).declare(func(p *program) situ.Binding[state] {
		return situ.On(u.m, func(s *state, t *situ.Turn, in I) (out O, err error) {
			if err := p.exists(s, t); err != nil {
				return out, err
			}
			b, err := codec.Encode(&in)
			if err != nil {
				return out, err
			}
			if s.Status != Running {
				return out, conflict("the workflow %s is %s and takes no updates", t.Key(), s.Status)
			}
			var c situ.Promise[situ.None]
			out, err = situ.Hold(t, (*situ.Promise[O])(&c))
			p.at(s).update(t, journal.Entry{Kind: journal.Updated, Name: name, Body: b}, c)
			return out, err
		})
	})
	return u
}

// To describes an update of the workflow with that key.
func (u Update[I, O]) To(key string, in I) situ.Call[O] { return u.m.To(key, in) }

// OnUpdate has h answer an update from now on. It is called while the code stands,
// and in every run of the code at the same place: it may change what the code has,
// and waits for nothing.
func OnUpdate[I, O any](f *Flow, u Update[I, O], h func(I) (O, error)) {
	if f.updates == nil {
		f.updates = map[string]handler{}
	}
	f.updates[u.name] = handle(h)
}

// update takes an update for caller c.
func (s *state) update(t *situ.Turn, e journal.Entry, c situ.Promise[situ.None]) {
	if c.Waiting() {
		if s.Updates == nil {
			s.Updates = map[int]situ.Promise[situ.None]{}
		}
		s.Updates[s.enter(t).f.j.Events()] = c
	}
	s.event(t, e)
}

// again is the error of code that begins anew.
type again struct{ input []byte }

func (a *again) Error() string {
	return "situ: the workflow continues as new: return this error from its code"
}

// ContinueAsNew ends the run of the code and begins another, with a new input and an empty
// journal. Signals that were not taken, and callers, stay. Use it as the operand of return.
func ContinueAsNew[O, I any](f *Flow, in I) (zero O, err error) {
	b, err := codec.EncodeSorted(&in)
	if err != nil {
		return zero, err
	}
	return zero, &again{b}
}

// Handle describes calls that steer a workflow.
type Handle struct {
	m   *methods
	key string
}

// Of returns the handle of the workflow of type t with that key.
func Of(t *situ.Type, key string) Handle { return Handle{methodsOf(t), key} }

// Info describes a call that tells how the workflow is.
func (h Handle) Info() situ.Call[Info] { return h.m.info.To(h.key, situ.None{}) }

// Cancel describes a call that asks the workflow to end. What its code waits for returns
// ErrCancelled, and it begins nothing more, except to undo.
func (h Handle) Cancel() situ.Call[situ.None] { return h.m.cancel.To(h.key, situ.None{}) }

// Terminate describes a call that ends the workflow without asking its code. Its
// callers get an error that tells why.
func (h Handle) Terminate(why string) situ.Call[situ.None] { return h.m.terminate.To(h.key, why) }

// Resume describes a call that has a parked workflow try again.
func (h Handle) Resume() situ.Call[situ.None] { return h.m.resume.To(h.key, situ.None{}) }

// Reset describes a call that takes the workflow back to before command n.
func (h Handle) Reset(n int) situ.Call[situ.None] { return h.m.reset.To(h.key, n) }

// Purge describes a call that forgets a workflow that is over.
func (h Handle) Purge() situ.Call[situ.None] { return h.m.purge.To(h.key, situ.None{}) }
