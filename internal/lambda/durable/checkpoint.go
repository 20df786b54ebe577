package durable

import (
	"fmt"
	"slices"
)

// badToken begins with what SDKs look for: the invocation is over, and the
// execution goes on in another.
func badToken(why string) error {
	return &Error{InvalidParameter, "Invalid Checkpoint Token: " + why}
}

// issue makes a token that is good now, and none else.
func (s *State) issue(nonce func() string) {
	s.Tokens++
	s.Token = fmt.Sprintf("%d-%d-%s", s.Run, s.Tokens, nonce())
}

// Holds returns the refusal if token is not the one that is good now.
func (s *State) Holds(token string) error {
	switch {
	case s.Status != Running:
		return badToken("the execution is over: " + s.Status)
	case !s.Busy || token != s.Token || token == "":
		return badToken("it was used before, or another invocation has taken over")
	}
	return nil
}

// Checkpoint carries out the updates that the holder of token asks for, all or
// none. It returns the operations that the holder has to know of now; the next
// token is s.Token. A request that is made again, by the client's name for it,
// gets the same answer again. Nonce returns something that nobody can guess.
func (s *State) Checkpoint(now int64, token, client string, nonce func() string, updates []Update) ([]string, Effects, error) {
	if s.Busy && token != "" && token == s.Used && client != "" && client == s.UsedClient {
		return s.Answered, Effects{}, nil
	}
	if err := s.Holds(token); err != nil {
		return nil, Effects{}, err
	}
	if len(updates) > MaxUpdates {
		return nil, Effects{}, refuse("a checkpoint with %d updates: the most is %d", len(updates), MaxUpdates)
	}
	var fx Effects
	draft := &draft{State: s, now: now, nonce: nonce, fx: &fx, ops: map[string]*Operation{}}
	for i := range updates {
		if err := draft.update(&updates[i]); err != nil {
			return nil, Effects{}, err
		}
	}
	changed := draft.commit()
	for _, id := range s.Dirty {
		if !slices.Contains(changed, id) {
			changed = append(changed, id)
		}
	}
	s.Used, s.UsedClient, s.Answered = token, client, changed
	s.Told, s.Dirty, s.Fresh, s.Failures = s.Dirty, nil, nil, 0
	s.issue(nonce)
	return changed, fx, nil
}

func refuse(format string, args ...any) error {
	return &Error{InvalidParameter, fmt.Sprintf(format, args...)}
}

// draft is a checkpoint before it is known that all of it is well.
type draft struct {
	*State
	now    int64
	nonce  func() string
	fx     *Effects
	ops    map[string]*Operation // as they will be
	order  []string
	bytes  int64
	events []func()
	final  *Update // of the execution itself
}

// find returns the operation as it will be, nil if there is none.
func (d *draft) find(id string) *Operation {
	if op := d.ops[id]; op != nil {
		return op
	}
	if op, ok := d.Ops.Get(id); ok {
		return &op
	}
	return nil
}

// put keeps op for the commit.
func (d *draft) put(op *Operation) {
	if d.ops[op.ID] == nil {
		d.order = append(d.order, op.ID)
	}
	d.ops[op.ID] = op
}

// event notes what happened to op, as it is now.
func (d *draft) event(word string, op Operation) {
	d.events = append(d.events, func() { d.note(d.now, word, &op) })
}

func (d *draft) update(u *Update) error {
	allowed := map[string][]string{
		Execution: {Succeed, Fail}, Context: {Start, Succeed, Fail}, Step: {Start, Succeed, Fail, Retry},
		Wait: {Start, Cancel}, Callback: {Start, Cancel}, ChainedInvoke: {Start, Cancel},
	}
	actions, ok := allowed[u.Type]
	switch {
	case u.ID == "" || len(u.ID) > 64:
		return refuse("an update has no Id, or one of more than 64 bytes")
	case !ok:
		return refuse("operation %s: there is no type %q", u.ID, u.Type)
	case !slices.Contains(actions, u.Action):
		return refuse("operation %s: a %s has no action %q", u.ID, u.Type, u.Action)
	case u.Payload != nil && u.Error != nil:
		return refuse("operation %s: it has a Payload and an Error: give one", u.ID)
	case d.final != nil:
		return refuse("operation %s: the execution has come to its end before, in this checkpoint", u.ID)
	case u.Type == Execution:
		d.final = u
		return nil
	}
	old := d.find(u.ID)
	if old != nil && (old.Type != u.Type || old.Type == Execution) {
		return refuse("operation %s is a %s, not a %s", u.ID, old.Type, u.Type)
	}
	if err := d.parent(u, old); err != nil {
		return err
	}
	if d.bytes += int64(len(text(u.Payload))); d.Bytes+d.bytes > MaxBytes {
		return refuse("operation %s: the execution holds more than %d MiB: keep large values elsewhere", u.ID, MaxBytes>>20)
	}
	return d.change(u, old)
}

// parent checks that the context that an update names is there.
func (d *draft) parent(u *Update, old *Operation) error {
	if old != nil || u.Parent == "" {
		return nil
	}
	if p := d.find(u.Parent); p == nil || p.Type != Context {
		return refuse("operation %s: there is no context %s that it could be in", u.ID, u.Parent)
	}
	return nil
}

func (d *draft) change(u *Update, old *Operation) error {
	var op Operation
	if old != nil {
		op = *old
	} else {
		if d.Ops.Len()+len(d.order) >= MaxOperations {
			return refuse("the execution has %d operations, which is the most: continue in another", MaxOperations)
		}
		op = Operation{ID: u.ID, Parent: u.Parent, Name: u.Name, Type: u.Type, SubType: u.SubType, Status: Started, Started: d.now}
	}
	fresh := old == nil
	switch u.Action {
	case Start:
		if !fresh && (u.Type != Step || op.Status != Ready) {
			return refuse("operation %s is there already, and %s: it cannot be started", u.ID, op.Status)
		}
		op.Status = Started
		if err := d.started(u, &op); err != nil {
			return err
		}
	case Succeed, Fail:
		if !fresh && op.Status != Started && op.Status != Ready {
			return refuse("operation %s is %s: it cannot come to an end", u.ID, op.Status)
		}
		d.closed(u, &op)
	case Retry:
		if !fresh && op.Status != Started && op.Status != Ready {
			return refuse("operation %s is %s: it cannot be tried again", u.ID, op.Status)
		}
		if u.StepOptions == nil || u.StepOptions.Delay < 0 || u.StepOptions.Delay > MaxSeconds {
			return refuse("operation %s: StepOptions.NextAttemptDelaySeconds is to be 0 to %d", u.ID, MaxSeconds)
		}
		op.Status, op.Due = Pending, d.now+1000*u.StepOptions.Delay
		op.Attempt++
		op.Result, op.Error = u.Payload, u.Error
		d.fx.Timers = append(d.fx.Timers, Timer{OfOperation, op.ID, op.Due})
		d.event("StepFailed", op)
	case Cancel:
		if fresh || op.Status != Started {
			return refuse("operation %s cannot be cancelled: it does not wait", u.ID)
		}
		op.Status, op.Ended = Cancelled, d.now
		if op.Type == Wait {
			d.event("WaitCancelled", op)
		}
	}
	d.put(&op)
	return nil
}

// started fills in what a new operation, or a new attempt, has.
func (d *draft) started(u *Update, op *Operation) error {
	switch u.Type {
	case Wait:
		if u.WaitOptions == nil || u.WaitOptions.Seconds < 1 || u.WaitOptions.Seconds > MaxSeconds {
			return refuse("operation %s: WaitOptions.WaitSeconds is to be 1 to %d", u.ID, MaxSeconds)
		}
		op.Due = d.now + 1000*u.WaitOptions.Seconds
		d.fx.Timers = append(d.fx.Timers, Timer{OfOperation, op.ID, op.Due})
	case Callback:
		op.Nonce = d.nonce()
		if o := u.CallbackOptions; o != nil {
			if o.Timeout < 0 || o.Heartbeat < 0 || o.Timeout > MaxSeconds || o.Heartbeat > MaxSeconds {
				return refuse("operation %s: the timeouts of a callback are to be 0 to %d seconds", u.ID, MaxSeconds)
			}
			op.Every = o.Heartbeat
			if o.Timeout > 0 {
				op.Due = d.now + 1000*o.Timeout
			}
		}
		d.fx.Timers = append(d.fx.Timers, op.guard(d.now)...)
	case ChainedInvoke:
		if u.InvokeOptions == nil || u.InvokeOptions.Function == "" {
			return refuse("operation %s: ChainedInvokeOptions.FunctionName is missing", u.ID)
		}
		op.Function, op.Tenant = u.InvokeOptions.Function, u.InvokeOptions.Tenant
		d.fx.Invokes = append(d.fx.Invokes, Invoke{op.ID, op.Function, op.Tenant, text(u.Payload)})
	}
	d.event(eventType(op.Type)+"Started", *op)
	return nil
}

func (d *draft) closed(u *Update, op *Operation) {
	op.Ended, op.Due, op.Result, op.Error = d.now, 0, u.Payload, u.Error
	op.Status = Succeeded
	if u.Action == Fail {
		op.Status = Failed
	}
	if op.Type == Step {
		op.Attempt++
	}
	if u.ContextOptions != nil {
		op.Children = u.ContextOptions.ReplayChildren
	}
	d.event(eventType(op.Type)+eventWord(op.Status), *op)
}

// commit makes the draft the state, and returns the ids of what it changed.
func (d *draft) commit() []string {
	for _, id := range d.order {
		var before *Operation
		if op, ok := d.Ops.Get(id); ok {
			before = &op
		}
		d.set(before, d.ops[id])
	}
	for _, e := range d.events {
		e()
	}
	if u := d.final; u != nil { // the answer was too long for an invocation's; the handler returns soon
		d.Result, d.Error = u.Payload, u.Error
		d.Bytes += int64(len(text(u.Payload)))
	}
	return d.order
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
