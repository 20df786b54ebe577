// Package flows carries out flows that come as values: a component of the
// platform, written with the SDK like any other. A flow is an object; its
// state is what package machine knows of it. So a turn of it is a turn like any other: what it learned, the
// calls that it makes and the answer to its caller are committed together.
package flows

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/platform/machine"
	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/wire"
)

// Keep is how long a flow that is over is kept, with its result.
const Keep = 24 * time.Hour

// order is a flow and its input.
type order struct {
	Flow  json.RawMessage `json:"flow"`
	Input json.RawMessage `json:"input,omitempty"`
}

// mark names a step of one run of the flow.
type mark struct {
	Step string   `json:"step,omitempty"`
	Run  int      `json:"run"`
	Maps []string `json:"maps,omitempty"`
}

// The contract.
var (
	Type     = situ.NewType(graph.Type, situ.Doc("Carries out a flow that came as a value."))
	run      = situ.NewMethod[order, json.RawMessage](Type, "run", situ.Doc("Carries out a flow, and answers its result. Who asks again with the same flow and input gets the same."))
	Status   = situ.NewMethod[situ.None, api.Flow](Type, "status", situ.Doc("Tells how far the flow is."), situ.ReadOnly)
	Cancel   = situ.NewMethod[situ.None, situ.None](Type, "cancel", situ.Doc("Ends the flow: what was done is undone."))
	answered = situ.NewMethod[situ.Reply[json.RawMessage, mark], situ.None](Type, "answered")
	woken    = situ.NewMethod[mark, situ.None](Type, "woken", situ.Internal, situ.Doc("A time has come."))
	goOn     = situ.NewMethod[mark, situ.None](Type, "go-on", situ.Internal, situ.Doc("There is more to begin."))
	expire   = situ.NewMethod[int, situ.None](Type, "expire", situ.Internal, situ.Doc("The flow was kept long enough."))
)

// Component returns what the platform hosts.
func Component() situ.Component {
	return situ.Object(Type,
		situ.On(run, (*state).run), situ.On(Status, (*state).status), situ.On(Cancel, (*state).cancel),
		situ.On(answered, (*state).answered), situ.On(woken, (*state).woken), situ.On(goOn, (*state).goOn),
		situ.On(expire, (*state).expire))
}

// The statuses of a flow.
const (
	running  = "running"
	undoing  = "undoing"
	done     = "done"
	hasEnded = "failed"
)

// state is that of a flow.
type state struct {
	Status  string                          `json:"status"`
	Name    string                          `json:"name,omitempty"`
	Run     int                             `json:"run"`
	Began   time.Time                       `json:"began,omitzero"`
	Ended   time.Time                       `json:"ended,omitzero"`
	Digest  []byte                          `json:"digest,omitempty"`
	Callers []situ.Promise[json.RawMessage] `json:"callers,omitempty"`
	Fail    *machine.Failure                `json:"fail,omitempty"`
	Frames  situ.Map[string, machine.Frame] `json:"frames"`
	Values  situ.Map[string, string]        `json:"values"`

	plan *graph.Plan // of the document in Values
	mem  *machine.Memory
}

// The keys of values of our own.
const (
	docKey    = "doc"
	resultKey = "result"
)

func (s *state) run(t *situ.Turn, o order) (out json.RawMessage, err error) {
	sum := sha256.Sum256(slices.Concat(o.Flow, []byte{0}, o.Input))
	switch same := slices.Equal(s.Digest, sum[:]); {
	case s.Status == "":
		return s.begin(t, o, sum[:])
	case !same && (s.Status == running || s.Status == undoing):
		return nil, &situ.Error{Kind: fault.Mismatch.String(), Message: fmt.Sprintf("the flow %s is under way with another document or input: use a new key", t.Key())}
	case !same:
		return nil, &situ.Error{Kind: fault.Mismatch.String(), Message: fmt.Sprintf("the key %s was used by another flow, which is kept until %s: use a new key", t.Key(), s.Ended.Add(Keep).Format(time.RFC3339))}
	case s.Status == done:
		v, _ := s.Values.Get(resultKey)
		return json.RawMessage(v), nil
	case s.Status == hasEnded:
		return nil, s.err()
	}
	return s.hold(t)
}

// hold keeps the caller until the flow is over.
func (s *state) hold(t *situ.Turn) (json.RawMessage, error) {
	s.Callers = append(slices.Clone(s.Callers), situ.Promise[json.RawMessage]{})
	return situ.Hold(t, &s.Callers[len(s.Callers)-1])
}

func (s *state) err() error {
	return &situ.Error{Kind: s.Fail.Kind, Code: s.Fail.Code, Message: s.Fail.Message}
}

// begin checks a flow and begins it.
func (s *state) begin(t *situ.Turn, o order, digest []byte) (json.RawMessage, error) {
	g, err := graph.Parse(o.Flow)
	if err == nil {
		var problems graph.Problems
		if s.plan, problems = g.Check(nil); len(problems) > 0 {
			err = problems
		}
	}
	if err != nil {
		return nil, &situ.Error{Kind: fault.Unfit.String(), Message: err.Error()}
	}
	if len(o.Input) == 0 {
		o.Input = json.RawMessage("null")
	}
	s.Status, s.Name, s.Began, s.Digest = running, g.Name, t.Now(), digest
	s.Run = 1 + t.Rand().IntN(1<<48) // a flow that had this key may still be answered
	s.mem = nil
	s.Values.Set(docKey, string(o.Flow))
	out, err := s.hold(t)
	s.carryOut(t, s.machine(t).Begin(o.Input))
	return out, err
}

// machine returns the machine of the flow, for this turn.
func (s *state) machine(t *situ.Turn) *machine.Machine {
	if s.plan == nil {
		doc, _ := s.Values.Get(docKey)
		g, err := graph.Parse([]byte(doc))
		if err != nil {
			panic(err) // it was read before it was written
		}
		s.plan, _ = g.Check(nil)
	}
	if s.mem == nil {
		s.mem = &machine.Memory{}
	}
	return machine.New(s.plan, store{s}, s.mem, t.Now())
}

// store keeps what the machine knows in the state.
type store struct{ s *state }

func (st store) Frame(key string) (machine.Frame, bool) { return st.s.Frames.Get(key) }
func (st store) SetFrame(key string, f machine.Frame)   { st.s.Frames.Set(key, f) }
func (st store) DropFrame(key string)                   { st.s.Frames.Delete(key) }
func (st store) SetValue(key string, v json.RawMessage) { st.s.Values.Set(key, string(v)) }
func (st store) DropValue(key string)                   { st.s.Values.Delete(key) }
func (st store) Value(key string) (json.RawMessage, bool) {
	v, ok := st.s.Values.Get(key)
	return json.RawMessage(v), ok
}

// stale reports whether m is of another run, or of a flow that is over.
func (s *state) stale(m mark) bool {
	return m.Run != s.Run || s.Status != running && s.Status != undoing
}

func (s *state) answered(t *situ.Turn, r situ.Reply[json.RawMessage, mark]) (none situ.None, err error) {
	if s.stale(r.Carry) {
		return none, nil
	}
	value, fail := r.Value, (*machine.Failure)(nil)
	if e, ok := errors.AsType[*situ.Error](r.Err()); ok {
		fail = &machine.Failure{Kind: e.Kind, Code: e.Code, Message: e.Message}
	} else if len(value) == 0 {
		value = json.RawMessage("null") // it answers nothing
	}
	s.carryOut(t, s.machine(t).Answered(r.Carry.Step, value, fail))
	return none, nil
}

func (s *state) woken(t *situ.Turn, m mark) (none situ.None, err error) {
	if !s.stale(m) {
		s.carryOut(t, s.machine(t).Woken(m.Step))
	}
	return none, nil
}

func (s *state) goOn(t *situ.Turn, m mark) (none situ.None, err error) {
	if !s.stale(m) {
		s.carryOut(t, s.machine(t).GoOn(m.Maps))
	}
	return none, nil
}

func (s *state) cancel(t *situ.Turn, _ situ.None) (none situ.None, err error) {
	switch s.Status {
	case "":
		return none, absent(t)
	case running:
		s.carryOut(t, s.machine(t).Cancel("the flow "+t.Key()+" was cancelled"))
		return none, nil
	case undoing:
		return none, nil
	}
	return none, &situ.Error{Kind: fault.Failed.String(), Code: "over", Message: fmt.Sprintf("the flow %s is over: it is %s", t.Key(), s.Status)}
}

func absent(t *situ.Turn) error {
	return &situ.Error{Kind: fault.NotFound.String(), Message: "there is no flow " + t.Key() + "; flows are kept for a day after their end"}
}

func (s *state) expire(t *situ.Turn, run int) (none situ.None, err error) {
	if s.Run == run && !s.Ended.IsZero() {
		t.Delete()
	}
	return none, nil
}

// carryOut does what the machine wants done, until it wants no more.
func (s *state) carryOut(t *situ.Turn, fx machine.Effects) {
	for {
		var refused []machine.Call
		for _, c := range fx.Calls {
			if _, err := policy.ParseTarget(c.To); err != nil {
				refused = append(refused, c)
				continue
			}
			situ.Ask(t, callOf(c), answered, mark{Step: c.Step, Run: s.Run})
		}
		for _, w := range fx.Wakes {
			situ.Send(t, woken.To(t.Key(), mark{Step: w.Step, Run: s.Run}).At(w.At))
		}
		if len(fx.Again) > 0 {
			slices.Sort(fx.Again)
			situ.Send(t, goOn.To(t.Key(), mark{Maps: slices.Compact(fx.Again), Run: s.Run}))
		}
		if f, ok := s.Frames.Get(""); ok && f.State == machine.Undoing {
			s.Status = undoing
		}
		if fx.Over {
			s.over(t, fx)
			return
		}
		if len(refused) == 0 {
			return
		}
		_, err := policy.ParseTarget(refused[0].To)
		fail := &machine.Failure{Kind: fault.Invalid.String(), Message: err.Error()}
		fx = s.machine(t).Answered(refused[0].Step, nil, fail)
		fx.Calls = append(refused[1:], fx.Calls...)
	}
}

// callOf makes a call of what the machine knows of it.
func callOf(c machine.Call) situ.Call[json.RawMessage] {
	var in any
	if c.Input != nil {
		in = c.Input
	}
	call := situ.Untyped[json.RawMessage](c.To, in)
	if p := c.Policy; p != nil {
		call = call.Retry(situ.Retry{Attempts: int(p.Attempts), Backoff: time.Duration(p.Backoff), MaxBackoff: time.Duration(p.MaxBackoff),
			MaxAge: time.Duration(p.MaxAge), On: p.On.List(), Final: p.Final.List()}).Priority(situ.Priority(p.Priority))
		if p.OnFail != (wire.Address{}) {
			call = call.OnFailure(situ.Untyped[json.RawMessage](p.OnFail.String(), nil))
		}
	}
	if !c.At.IsZero() {
		call = call.At(c.At)
	}
	if !c.By.IsZero() {
		call = call.By(c.By)
	}
	return call
}

// over ends the flow: callers are told, and all but the result is forgotten.
func (s *state) over(t *situ.Turn, fx machine.Effects) {
	s.Frames.Clear()
	s.Values.Clear()
	s.plan, s.mem = nil, nil
	s.Ended = t.Now()
	if s.Fail = fx.Fail; s.Fail != nil {
		s.Status = hasEnded
	} else {
		s.Status = done
		s.Values.Set(resultKey, string(fx.Result))
	}
	callers := slices.Clone(s.Callers)
	s.Callers = nil
	for i := range callers {
		if s.Fail != nil {
			situ.Reject(t, &callers[i], s.err())
		} else {
			situ.Resolve(t, &callers[i], fx.Result)
		}
	}
	situ.Send(t, expire.To(t.Key(), s.Run).After(Keep))
}

// maxSteps is how many steps are told.
const maxSteps = 100

func (s *state) status(t *situ.Turn, _ situ.None) (in api.Flow, err error) {
	if s.Status == "" {
		return in, absent(t)
	}
	in = api.Flow{Key: t.Key(), Name: s.Name, Status: s.Status, Began: s.Began, Ended: s.Ended}
	if f := s.Fail; f != nil {
		in.Error = &api.Failure{Kind: f.Kind, Code: f.Code, Message: f.Message}
	}
	if s.Frames.Len() == 0 {
		return in, nil
	}
	m := s.machine(t)
	for key, f := range s.Frames.All() {
		if key == "" {
			continue
		}
		if len(in.Steps) == maxSteps {
			in.More++
			continue
		}
		step, kind := m.Called(key)
		in.Steps = append(in.Steps, api.FlowStep{Step: step, Kind: kind, Since: time.Unix(0, f.Since).UTC(), Catches: f.State == machine.Catching,
			Total: f.Total, Running: f.Running, Done: f.Done, Failed: f.Failed})
	}
	slices.SortStableFunc(in.Steps, func(a, b api.FlowStep) int { return strings.Compare(a.Step, b.Step) })
	return in, nil
}
