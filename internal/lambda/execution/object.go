package execution

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/lambda/durable"
)

// object is the state of an execution. A turn writes the head, and of the
// containers what it changes.
type object struct {
	Head    durable.Head                        `json:"head"`
	Ops     situ.Map[string, durable.Operation] `json:"ops"`
	Order   situ.List[string]                   `json:"order"`
	Events  situ.List[durable.Event]            `json:"events"`
	Waiting []situ.Promise[Outcome]             `json:"waiting,omitempty"` // callers who wait for the end
}

// maxWaiting is how many callers may wait for the end of one execution.
const maxWaiting = 100

// Pages: how many operations, and how many bytes of them, travel at once.
const (
	pageOperations = 1000
	pageBytes      = 256 << 10
)

func (o *object) state() *durable.State {
	return &durable.State{Head: &o.Head, Ops: &o.Ops, Order: &o.Order, Events: &o.Events}
}

// refused makes a refusal what callers get.
func refused(err error) error {
	if e, ok := errors.AsType[*durable.Error](err); ok {
		return situ.Errorf(e.Code, "%s", e.Message)
	}
	return err
}

func now(t *situ.Turn) int64 { return t.Now().UnixMilli() }

// component returns the code of executions.
func (b *Bridge) component() situ.Component {
	return situ.Object(Type,
		situ.On(Begin, func(o *object, t *situ.Turn, spec durable.Spec) (Outcome, error) {
			err := b.begin(o, t, spec)
			return o.outcome(), err
		}),
		situ.On(Execute, b.execute),
		situ.On(Checkpoint, b.checkpoint),
		situ.On(Page, page),
		situ.On(Describe, describe),
		situ.On(History, history),
		situ.On(Answer, func(o *object, t *situ.Turn, r durable.Reply) (situ.None, error) {
			fx, err := o.state().Answer(now(t), r)
			return situ.None{}, b.follow(o, t, fx, err)
		}),
		situ.On(Stop, func(o *object, t *situ.Turn, in StopIn) (int64, error) {
			if err := o.state().Known(in.ARN); err != nil {
				return 0, refused(err)
			}
			err := b.follow(o, t, o.state().Stop(now(t), in.Error), nil)
			return o.Head.Ended, err
		}),
		situ.On(next, nextEvent),
		situ.On(fire, func(o *object, t *situ.Turn, timer durable.Timer) (situ.None, error) {
			if o.state().Forgets(now(t), timer) {
				t.Delete()
				return situ.None{}, nil
			}
			return situ.None{}, b.follow(o, t, o.state().Fire(now(t), timer), nil)
		}),
		situ.On(ran, b.returned),
		situ.On(invoked, func(o *object, t *situ.Turn, r situ.Reply[Outcome, string]) (situ.None, error) {
			out := r.Value
			arn, id, _ := strings.Cut(r.Carry, "\x00")
			if o.state().Known(arn) != nil {
				return situ.None{}, nil // the execution that asked is forgotten
			}
			if err := r.Err(); err != nil {
				out = Outcome{Status: durable.Failed, Error: durable.NewError("Situ.Failed", err.Error())}
			}
			return situ.None{}, b.follow(o, t, o.state().Invoked(now(t), id, out.Status, out.Result, out.Error), nil)
		}),
	)
}

func (o *object) outcome() Outcome {
	return Outcome{ARN: o.Head.ARN, Status: o.Head.Status, Result: o.Head.Result, Error: o.Head.Error}
}

func (b *Bridge) begin(o *object, t *situ.Turn, spec durable.Spec) error {
	fx, err := o.state().Start(now(t), spec)
	return b.follow(o, t, fx, err)
}

func (b *Bridge) execute(o *object, t *situ.Turn, spec durable.Spec) (Outcome, error) {
	if err := b.begin(o, t, spec); err != nil {
		return Outcome{}, err
	}
	if o.Head.Status != durable.Running {
		return o.outcome(), nil
	}
	if len(o.Waiting) >= maxWaiting {
		return Outcome{}, situ.Errorf("TooManyRequestsException", "%d callers wait for this execution already: ask for its state", maxWaiting)
	}
	o.Waiting = append(o.Waiting, situ.Promise[Outcome]{})
	return situ.Hold(t, &o.Waiting[len(o.Waiting)-1])
}

func (b *Bridge) checkpoint(o *object, t *situ.Turn, in CheckpointIn) (out CheckpointOut, err error) {
	s := o.state()
	if err := s.Known(in.ARN); err != nil {
		return out, refused(err)
	}
	changed, fx, err := s.Checkpoint(now(t), in.Token, in.Client, rand.Text, in.Updates)
	if err := b.follow(o, t, fx, err); err != nil {
		return out, err
	}
	list := make([]any, 0, len(changed))
	for _, id := range changed {
		op, _ := o.Ops.Get(id)
		list = append(list, op.Wire(durable.Epoch, callbackID(t.Key())))
	}
	out.Token = o.Head.Token
	out.Operations, err = json.Marshal(list)
	return out, err
}

func page(o *object, t *situ.Turn, in PageIn) (Operations, error) {
	s := o.state()
	if err := s.Known(in.ARN); err != nil {
		return Operations{}, refused(err)
	}
	if err := s.Holds(in.Token); err != nil {
		return Operations{}, refused(err)
	}
	return operations(s, in.Marker, min(in.Most, pageOperations), durable.Epoch, t.Key())
}

func operations(s *durable.State, marker string, most int, clock durable.Clock, key string) (out Operations, err error) {
	ops, next, err := s.Page(marker, most, pageBytes)
	if err != nil {
		return out, refused(err)
	}
	list := make([]any, len(ops))
	for i := range ops {
		list[i] = ops[i].Wire(clock, callbackID(key))
	}
	out.Next = next
	out.List, err = json.Marshal(list)
	return out, err
}

func describe(o *object, _ *situ.Turn, arn string) (durable.Head, error) {
	if err := o.state().Known(arn); err != nil {
		return durable.Head{}, refused(err)
	}
	h := o.Head
	h.Token, h.Used, h.UsedClient, h.Answered = "", "", "", nil // they are the handler's
	return h, nil
}

func history(o *object, t *situ.Turn, in HistoryIn) (out Operations, err error) {
	s := o.state()
	if err := s.Known(in.ARN); err != nil {
		return out, refused(err)
	}
	events, next, err := s.History(in.Marker, min(in.Most, pageOperations), in.Backwards, in.Data, callbackID(t.Key()))
	if err != nil {
		return out, refused(err)
	}
	if events == nil {
		events = []any{}
	}
	out.Next = next
	out.List, err = json.Marshal(events)
	return out, err
}

// nextEvent begins an invocation.
func nextEvent(o *object, t *situ.Turn, run int64) (event, error) {
	s := o.state()
	updated, ok := s.Begin(now(t), run, rand.Text)
	if !ok {
		return event{Stale: true}, nil
	}
	first, err := operations(s, "", pageOperations, durable.ISO, t.Key())
	if err != nil {
		return event{}, err
	}
	in := map[string]any{"DurableExecutionArn": o.Head.ARN, "CheckpointToken": o.Head.Token,
		"InitialExecutionState": map[string]any{"Operations": first.List, "NextMarker": first.Next}}
	if run > 1 {
		in["UpdatedOperationIds"] = append([]string{}, updated...)
	}
	body, err := json.Marshal(in)
	return event{Function: o.Head.Function, Body: body}, err
}

// returned takes what an invocation came to.
func (b *Bridge) returned(o *object, t *situ.Turn, r situ.Reply[runOut, int64]) (situ.None, error) {
	var a durable.Answer
	var failed *durable.ErrorObject
	out := r.Value
	switch err := r.Err(); {
	case err != nil:
		failed = durable.NewError("Situ.Failed", err.Error())
	case out.Stale:
		return situ.None{}, nil
	case out.Lost:
		return situ.None{}, b.follow(o, t, o.state().Lost(now(t), r.Carry), nil)
	case out.Failed:
		failed = errorOf(out.Body)
	case json.Unmarshal(out.Body, &a) != nil:
		a = durable.Answer{} // which ends it, and says why
	}
	return situ.None{}, b.follow(o, t, o.state().Returned(now(t), r.Carry, out.Request, a, failed), nil)
}

// follow does what is to be done after a change, or returns why there was none.
func (b *Bridge) follow(o *object, t *situ.Turn, fx durable.Effects, err error) error {
	if err != nil {
		return refused(err)
	}
	if fx.Run {
		// Settled: a handler does things elsewhere, which no rollback takes back.
		situ.Ask(t, run.With(runIn{t.Key(), o.Head.Run}).Settled(), ran, o.Head.Run)
	}
	for _, timer := range fx.Timers {
		situ.Send(t, fire.To(t.Key(), timer).At(time.UnixMilli(timer.At)))
	}
	for _, in := range fx.Invokes {
		b.invoke(o, t, in)
	}
	if fx.Ended {
		for i := range o.Waiting {
			situ.Resolve(t, &o.Waiting[i], o.outcome())
		}
		o.Waiting = nil
	}
	return nil
}

// invoke carries out a chained invoke.
func (b *Bridge) invoke(o *object, t *situ.Turn, in durable.Invoke) {
	name := FunctionName(in.Function)
	if in.Payload == "" {
		in.Payload = "null"
	}
	f, ok := b.function(name)
	if !ok || !f.Durable { // an unknown one is told by the call
		situ.Ask(t, Call.With(CallIn{Function: name, Payload: in.Payload, Request: requestID()}).Settled(), invoked, o.Head.ARN+"\x00"+in.ID)
		return
	}
	sum := sha256.Sum256([]byte(o.Head.ARN + "\x00" + in.ID))
	child := "chained-" + hex.EncodeToString(sum[:20])
	key, _ := Key(name, child) // the name is well formed
	situ.Ask(t, Execute.To(key, f.Spec(b.region, child, in.Payload)), invoked, o.Head.ARN+"\x00"+in.ID)
}
