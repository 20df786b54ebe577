package fan

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
)

// A Job is a method that makes many calls, and answers when it has their results. The
// object of each key runs one at a time.
type Job[I, O any] struct {
	typ      *situ.Type
	run      situ.Method[I, O]
	result   situ.Method[situ.Reply[raw, ticket], situ.None]
	more     situ.Method[int, situ.None]
	progress situ.Method[situ.None, Progress]
	stop     situ.Method[string, situ.None]
}

// raw is CBOR that is left as it is.
type raw = cbor.RawMessage

// ticket says of which call a result is.
type ticket struct {
	Run int `json:"run"`
	At  int `json:"at"`
}

// lost is how often a turn may run in vain, because the plan takes too long or ends
// its worker, before the job ends.
const lost = 2

// New declares a job of objects of type t, of which it is the only one. The name of its method is durable. Beside
// it the type gets the methods progress and stop. It panics if a name is malformed or
// t has such a method already.
func New[I, O any](t *situ.Type, name string, options ...situ.Option) Job[I, O] {
	again := situ.Retries(situ.RetryPolicy(lost+2, 100*time.Millisecond, time.Second))
	return Job[I, O]{t, situ.NewMethod[I, O](t, name, options...),
		situ.NewMethod[situ.Reply[raw, ticket], situ.None](t, "fan-result", again),
		situ.NewMethod[int, situ.None](t, "fan-more", again, situ.Internal, situ.Doc("Goes on with the calls.")),
		situ.NewMethod[situ.None, Progress](t, "progress", situ.ReadOnly, situ.Doc("Tells how far the job is.")),
		situ.NewMethod[string, situ.None](t, "stop", situ.Doc("Ends the job, and tells its caller why. Results that come later are dropped."), situ.Example("not needed any more"))}
}

// To describes the call that runs the job of that key. If it runs already the answer is an
// error with the code "running".
func (j Job[I, O]) To(key string, in I) situ.Call[O] { return j.run.To(key, in) }

// Progress describes a call that tells how far the job of that key is.
func (j Job[I, O]) Progress(key string) situ.Call[Progress] {
	return j.progress.To(key, situ.None{})
}

// Stop describes a call that ends the job of that key. Its caller gets an error of Kind
// "canceled"; results that come later are dropped.
func (j Job[I, O]) Stop(key, why string) situ.Call[situ.None] { return j.stop.To(key, why) }

// A Plan says what a job does. R is what its calls answer, S what the results are
// gathered in: a part of the object's state, with containers as any state has them. The
// functions of a plan are pure: they run again after a crash.
type Plan[I, R, S, O any] struct {
	// Begin, if set, makes the empty sum ready. Its error is as that of Fold.
	Begin func(sum *S, in I) error
	// Calls yields the calls for the input, from number from on. It is asked again in
	// later turns, when there is room for more of them, and must say the same.
	Calls func(in I, from int) iter.Seq[situ.Call[R]]
	// Fold takes the result of one call, as it comes: in any order. ErrEnough, as its error, ends
	// the job: the results that are not there are dropped, and Done is called. Any other
	// error ends the job and is its answer. Nil folds nothing.
	Fold func(sum *S, r Result[R]) error
	// Done makes the answer when all results are there, or enough.
	Done func(sum *S, p Progress) (O, error)
	// Limit is how many calls are under way at a time. Default 1,000, at most 100,000.
	Limit int
}

// ErrEnough ends a job: see Plan.
var ErrEnough = errors.New("fan: there are enough results")

// A Result is what became of one call.
type Result[R any] struct {
	At    int // number of the call, from 0
	Value R
	Err   error // an *situ.Error: what was called answered it, or it could not be called
}

// Progress tells how far a job is.
type Progress struct {
	Phase    string    `json:"phase"` // "running", "done", "failed", "" if it never ran
	Begun    int       `json:"begun"` // calls that were made
	Open     int       `json:"open"`  // of them, those that have not answered
	OK       int       `json:"ok"`
	Failed   int       `json:"failed"`   // answered with an error, or could not be made
	Dropped  int       `json:"dropped"`  // answered when the job had ended
	Complete bool      `json:"complete"` // all calls there are were made
	Began    time.Time `json:"began,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
}

// The phases. The texts are on disk, and part of the API.
const (
	running = "running"
	done    = "done"
	failed  = "failed"
)

const (
	defaultLimit = 1000
	maxLimit     = 100_000
	page         = 1000 // calls that a turn makes at most
)

// state is what a job is on disk.
type state[I, R, S, O any] struct {
	Progress Progress        `json:"progress"`
	Run      int             `json:"run"`    // which run this is: they count from a random number
	Waking   bool            `json:"waking"` // a message is on its way to go on
	Input    situ.List[raw]  `json:"input"`  // one; apart, because it does not change
	Sum      S               `json:"sum"`
	Caller   situ.Promise[O] `json:"caller"`
	in       *I              // the input, decoded: in memory
}

// Host hosts the objects of a job. A plan without Calls or Done, or with a
// limit out of range, panics.
func Host[I, R, S, O any](j Job[I, O], p Plan[I, R, S, O]) situ.Component {
	if p.Calls == nil || p.Done == nil || p.Limit < 0 || p.Limit > maxLimit {
		panic(fmt.Sprintf("fan: type %s: a plan needs Calls and Done, and a Limit of 0 to %d", j.typ.Name(), maxLimit))
	}
	limit := p.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	return host(j, p, func(*I) int { return limit }, false)
}

// host hosts a job whose limit is that of each input. If it is brief, its object ends with it.
func host[I, R, S, O any](j Job[I, O], p Plan[I, R, S, O], limit func(*I) int, brief bool) situ.Component {
	type job = state[I, R, S, O]
	e := engine[I, R, S, O]{j, &p, limit, brief}
	return situ.Object(j.typ,
		situ.On(j.run, e.begin),
		situ.On(j.result, func(s *job, t *situ.Turn, r situ.Reply[raw, ticket]) (none situ.None, err error) {
			e.take(s, t, r)
			return none, nil
		}),
		situ.On(j.more, func(s *job, t *situ.Turn, run int) (none situ.None, err error) {
			if run == s.Run && s.Progress.Phase == running {
				s.Waking = false
				e.goOn(s, t)
			}
			return none, nil
		}),
		situ.On(j.progress, func(s *job, _ *situ.Turn, _ situ.None) (Progress, error) { return s.Progress, nil }),
		situ.On(j.stop, func(s *job, t *situ.Turn, why string) (none situ.None, err error) {
			if s.Progress.Phase == running {
				e.end(s, t, &situ.Error{Kind: fault.Canceled.String(), Code: "stopped", Message: t.Key() + " was stopped: " + why})
			}
			return none, nil
		}))
}

// engine is what the objects of a job do.
type engine[I, R, S, O any] struct {
	j     Job[I, O]
	plan  *Plan[I, R, S, O]
	limit func(*I) int
	brief bool
}

// begin runs a job for a caller.
func (e *engine[I, R, S, O]) begin(s *state[I, R, S, O], t *situ.Turn, in I) (out O, err error) {
	if s.Progress.Phase == running {
		return out, &situ.Error{Kind: fault.Conflict.String(), Code: "running",
			Message: fmt.Sprintf("%s of %s runs since %v: use another key, or wait for it", e.j.typ.Name(), t.Key(), s.Progress.Began)}
	}
	b, err := codec.Encode(&in)
	if err != nil {
		return out, err
	}
	var sum S
	s.Progress = Progress{Phase: running, Began: t.Now()}
	if s.Run == 0 { // an answer to a job that had this key and was deleted may come
		s.Run = t.Rand().IntN(1 << 48)
	}
	s.Run, s.Waking, s.Sum, s.in = s.Run+1, false, sum, &in
	s.Input.Truncate(0)
	s.Input.Append(b)
	out, err = situ.Hold(t, &s.Caller)
	var why error
	if e.plan.Begin != nil {
		why = e.safely(func() error { return e.plan.Begin(&s.Sum, in) })
	}
	if why != nil {
		e.end(s, t, why)
	} else {
		e.goOn(s, t)
	}
	return out, err
}

// take takes the result of a call.
func (e *engine[I, R, S, O]) take(s *state[I, R, S, O], t *situ.Turn, r situ.Reply[raw, ticket]) {
	if r.Carry.Run != s.Run || s.Progress.Phase != running {
		s.Progress.Dropped++
		if s.Run == 0 || e.brief {
			t.Delete() // it is over, and there was nothing
		}
		return
	}
	s.Progress.Open--
	res := Result[R]{At: r.Carry.At, Err: r.Err()}
	if res.Err == nil {
		if err := codec.Decode(r.Value, &res.Value); err != nil {
			res.Err = &situ.Error{Kind: fault.Unfit.String(), Message: fmt.Sprintf("the answer of call %d does not fit %T: %v", res.At, res.Value, err)}
		}
	}
	why := e.lost(t)
	if why == nil {
		why = e.fold(s, res)
	}
	if why != nil {
		e.end(s, t, why)
		return
	}
	e.goOn(s, t)
}

// lost returns why a turn is not tried again, nil if it is to run.
func (e *engine[I, R, S, O]) lost(t *situ.Turn) error {
	if t.Attempt() < lost {
		return nil
	}
	return &situ.Error{Kind: fault.Crashed.String(), Message: fmt.Sprintf("the plan of %s was run %d times, and took too long or ended its worker", e.j.typ.Name(), lost)}
}

// fold counts a result and gives it to the plan.
func (e *engine[I, R, S, O]) fold(s *state[I, R, S, O], r Result[R]) error {
	if r.Err != nil {
		s.Progress.Failed++
	} else {
		s.Progress.OK++
	}
	if e.plan.Fold == nil {
		return nil
	}
	return e.safely(func() error { return e.plan.Fold(&s.Sum, r) })
}

// safely calls code of the plan. A panic ends the job: it would come again.
func (e *engine[I, R, S, O]) safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &situ.Error{Kind: fault.Crashed.String(), Message: fmt.Sprintf("the plan of %s panicked: %v", e.j.typ.Name(), v)}
		}
	}()
	return f()
}

// goOn makes calls as long as there is room, and ends the job when nothing is
// left to wait for.
func (e *engine[I, R, S, O]) goOn(s *state[I, R, S, O], t *situ.Turn) {
	why := e.lost(t)
	p := &s.Progress
	if why == nil && !p.Complete && !s.Waking {
		why = e.calls(s, t)
	}
	if why != nil || p.Complete && p.Open == 0 {
		e.end(s, t, why)
	}
}

// calls makes the next calls. It waits until there is room for some, because to ask
// the plan for each one alone would cost more than the call.
func (e *engine[I, R, S, O]) calls(s *state[I, R, S, O], t *situ.Turn) error {
	if s.in == nil {
		s.in = new(I)
		if err := codec.Decode(s.Input.At(0), s.in); err != nil {
			return fmt.Errorf("the input of %s cannot be read: %w", t.Key(), err)
		}
	}
	p, limit := &s.Progress, e.limit(s.in)
	if p.Open > limit-max(limit/4, 1) {
		return nil
	}
	var why error
	sent := 0
	err := e.safely(func() error {
		for c := range e.plan.Calls(*s.in, p.Begun) {
			if p.Open == limit || sent == page {
				return nil
			}
			at := p.Begun
			p.Begun++
			sent++
			if err := c.Err(); err != nil {
				if why = e.fold(s, Result[R]{At: at, Err: err}); why != nil {
					return nil
				}
				continue
			}
			p.Open++
			situ.Ask(t, situ.Call[raw](c), e.j.result, ticket{s.Run, at})
		}
		p.Complete = true
		return nil
	})
	if sent == page && !p.Complete && p.Open < limit {
		s.Waking = true
		situ.Send(t, e.j.more.To(t.Key(), s.Run))
	}
	return errors.Join(why, err)
}

// end answers the caller of a job that is over.
func (e *engine[I, R, S, O]) end(s *state[I, R, S, O], t *situ.Turn, why error) {
	p := &s.Progress
	p.Phase, p.Ended = done, t.Now()
	var out O
	if why == nil || errors.Is(why, ErrEnough) {
		why = e.safely(func() (err error) {
			out, err = e.plan.Done(&s.Sum, *p)
			return err
		})
	}
	if why != nil {
		p.Phase = failed
		situ.Reject(t, &s.Caller, why)
	} else {
		situ.Resolve(t, &s.Caller, out)
	}
	s.in = nil
	s.Input.Truncate(0)
	if e.brief {
		t.Delete()
	}
}
