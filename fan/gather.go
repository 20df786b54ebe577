package fan

import (
	"crypto/rand"
	"errors"
	"fmt"
	"iter"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/view"
)

// What one Gather may have at most.
const (
	MaxCalls   = 10_000
	MaxInputs  = 4 << 20 // bytes of the calls, with their inputs
	MaxResults = 8 << 20 // bytes of results; one that is over them becomes an error
)

// An Option says how the calls of a Gather are made.
type Option func(*options)

type options struct {
	limit, need int
	key         string
}

// Limit bounds how many calls are under way at a time; the default is 1,000.
func Limit(n int) Option { return func(o *options) { o.limit = n } }

// Need has the answer come when k calls have succeeded, or can not any more. The results
// of the others are missing in it, and dropped when they come.
func Need(k int) Option { return func(o *options) { o.need = k } }

// As names the object that waits. In a workflow a Gather must have a name of its own, because its
// code is to make the same call each time it runs. The default is a random one.
func As(name string) Option { return func(o *options) { o.key = name } }

// Gather describes a call that makes all calls and answers with their results, in the order
// of the calls. A call that fails is an error in its place, not of the whole. The error
// of the verb that makes it has Kind "invalid" if an option is out of range, and "too-large" if there are
// more than MaxCalls or MaxInputs.
func Gather[R any](calls []situ.Call[R], opts ...Option) situ.Call[Results[R]] {
	o := options{limit: defaultLimit, need: len(calls)}
	for _, opt := range opts {
		opt(&o)
	}
	if o.key == "" {
		o.key = rand.Text()
	}
	g, err := request(calls, &o)
	if err != nil {
		return situ.NoCall[Results[R]](err)
	}
	return situ.Call[Results[R]](gather.To(o.key, g))
}

func request[R any](calls []situ.Call[R], o *options) (g gathering, err error) {
	switch {
	case o.limit < 1:
		return g, fault.New(fault.Invalid, "gather", "", "a limit of %d calls: want 1 at least", o.limit)
	case o.need > len(calls) || o.need < min(1, len(calls)):
		return g, fault.New(fault.Invalid, "gather", "", "%d results of %d calls are needed: want 1 to %d", o.need, len(calls), len(calls))
	case len(calls) > MaxCalls:
		return g, fault.New(fault.TooLarge, "gather", "", "%d calls, and %d are allowed: use a fan.Job", len(calls), MaxCalls)
	}
	g = gathering{Calls: make([][]byte, len(calls)), Limit: o.limit, Need: o.need}
	size := 0
	for i, c := range calls {
		if g.Calls[i], err = c.MarshalBinary(); err != nil {
			return g, fault.New(fault.Invalid, "gather", "", "call %d: %v", i, err)
		}
		if size += len(g.Calls[i]); size > MaxInputs {
			return g, fault.New(fault.TooLarge, "gather", "", "the calls have more than %d bytes: use a fan.Job", MaxInputs)
		}
	}
	return g, nil
}

// gathering is the input of a gather.
type gathering struct {
	Calls [][]byte `json:"calls"`
	Limit int      `json:"limit"`
	Need  int      `json:"need"`
}

// Results are the answer of a Gather.
type Results[R any] struct {
	Items  []Item[R] `json:"items"` // in the order of the calls
	OK     int       `json:"ok"`
	Failed int       `json:"failed"`
}

// An Item is the result of one call.
type Item[R any] struct {
	Value   R     `json:"value,omitzero"`
	Fail    *Fail `json:"error,omitempty"`
	Missing bool  `json:"missing,omitempty"` // it was not there when there were enough
}

// Fail is why a call failed.
type Fail struct {
	Kind    string `json:"kind"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

// Err returns why there is no value: an *situ.Error, nil if there is one. That of a result that is missing has
// Kind "canceled".
func (i Item[R]) Err() error {
	switch {
	case i.Missing:
		return &situ.Error{Kind: fault.Canceled.String(), Code: "missing", Message: "the result was not needed any more"}
	case i.Fail != nil:
		return &situ.Error{Kind: i.Fail.Kind, Code: i.Fail.Code, Message: i.Fail.Message}
	}
	return nil
}

// Values returns all values in their order. The error joins those of calls that failed or are missing, whose
// values are zero.
func (r Results[R]) Values() ([]R, error) {
	out, errs := make([]R, len(r.Items)), []error(nil)
	for i, it := range r.Items {
		out[i] = it.Value
		if err := it.Err(); err != nil {
			errs = append(errs, fmt.Errorf("call %d: %w", i, err))
		}
	}
	return out, errors.Join(errs...)
}

// Good returns the values that there are, with the numbers of their calls.
func (r Results[R]) Good() iter.Seq2[int, R] {
	return func(yield func(int, R) bool) {
		for i, it := range r.Items {
			if it.Fail == nil && !it.Missing && !yield(i, it.Value) {
				return
			}
		}
	}
}

// value is a result as it came. In JSON it is what it would be there.
type value struct{ raw }

// IsZero makes one that is missing be left out.
func (v value) IsZero() bool { return len(v.raw) == 0 }

// MarshalJSON implements json.Marshaler.
func (v value) MarshalJSON() ([]byte, error) { return view.Value(v.raw) }

// MarshalCBOR implements cbor.Marshaler.
func (v value) MarshalCBOR() ([]byte, error) { return v.raw.MarshalCBOR() }

// UnmarshalCBOR implements cbor.Unmarshaler.
func (v *value) UnmarshalCBOR(b []byte) error { return v.raw.UnmarshalCBOR(b) }

var _ cbor.Marshaler = value{}

// The object that waits for the calls of a Gather.
var (
	gatherType = situ.NewType("gather", situ.Doc("Waits for the results of many calls (package fan)."))
	gather     = New[gathering, Results[value]](gatherType, "gather", situ.Doc("Makes calls and answers with their results; called with fan.Gather."))
)

// gathered is the results so far.
type gathered struct {
	Total int                        `json:"total"`
	Need  int                        `json:"need"`
	Bytes int                        `json:"bytes"`
	Bad   int                        `json:"bad"`
	Good  int                        `json:"good"`
	Items situ.Map[int, Item[value]] `json:"items"`
}

// Component hosts what a Gather needs. A program that uses Gather has it among its components.
func Component() situ.Component {
	return host(gather, Plan[gathering, value, gathered, Results[value]]{
		Calls: func(g gathering, from int) iter.Seq[situ.Call[value]] {
			return func(yield func(situ.Call[value]) bool) {
				for _, b := range g.Calls[from:] {
					var c situ.Call[value]
					if err := c.UnmarshalBinary(b); err != nil {
						panic(err)
					}
					if !yield(c) {
						return
					}
				}
			}
		},
		Begin: func(s *gathered, g gathering) error {
			s.Total, s.Need = len(g.Calls), g.Need
			return s.enough()
		},
		Fold: (*gathered).take,
		Done: (*gathered).results,
	}, func(g *gathering) int { return g.Limit }, true)
}

// take takes a result.
func (s *gathered) take(r Result[value]) error {
	it := Item[value]{Value: r.Value}
	s.Bytes += len(r.Value.raw)
	if r.Err == nil && s.Bytes > MaxResults {
		r.Err = &situ.Error{Kind: fault.TooLarge.String(), Message: fmt.Sprintf("the results have more than %d bytes: use a fan.Job", MaxResults)}
	}
	if r.Err != nil {
		it = Item[value]{Fail: failOf(r.Err)}
		s.Bad++
	} else {
		s.Good++
	}
	s.Items.Set(r.At, it)
	return s.enough()
}

// enough returns ErrEnough if the results that are to come do not matter.
func (s *gathered) enough() error {
	if s.Good >= s.Need || s.Need < s.Total && s.Total-s.Bad < s.Need {
		return ErrEnough
	}
	return nil
}

// results returns the answer.
func (s *gathered) results(Progress) (r Results[value], err error) {
	r = Results[value]{make([]Item[value], s.Total), s.Good, s.Bad}
	for i := range r.Items {
		it, ok := s.Items.Get(i)
		it.Missing = !ok
		r.Items[i] = it
	}
	return r, nil
}

func failOf(err error) *Fail {
	f := &Fail{Kind: fault.Failed.String(), Message: err.Error()}
	if e, ok := errors.AsType[*situ.Error](err); ok {
		f.Kind, f.Code = e.Kind, e.Code
	}
	return f
}
