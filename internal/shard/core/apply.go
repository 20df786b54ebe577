package core

import (
	"slices"

	"github.com/situ-dev/situ/internal/due"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/shard/delta"
	"github.com/situ-dev/situ/internal/shard/mail"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Apply takes the report of a frame, or a late one: the effects of its turns
// become part of the batch, all of them or, for a turn that failed, none.
func (c *Core) Apply(rep *turn.Report) {
	fl := c.frames[rep.Frame]
	if fl == nil {
		return // of a host that was given up
	}
	p := fl.Program
	if !rep.Late {
		p.Flying = false
		if fl.Trial {
			c.cfg.Trials.End(p.Name)
		}
	}
	c.begin(p)
	for _, ch := range rep.Changes {
		c.change(p, ch)
	}
	for i := range rep.Results {
		o := c.result(fl, &rep.Results[i], rep.Late)
		if o == nil {
			continue
		}
		if !o.Touched {
			o.Touched = true
			c.hands = append(c.hands, o)
		}
		if rep.Results[i].Outcome != turn.Skipped {
			o.Ran = true
			o.Pace.Left(c.tick)
		}
	}
	c.letGo(p)
	if fl.Open == 0 {
		delete(c.frames, rep.Frame)
		if !rep.Late {
			c.land(fl)
		}
	}
}

// letGo makes the objects that a report touched ready for the next frame. Those
// for which this one had no time come first, before what became ready while it
// ran: else the same object would be the first of each frame and, if its turns
// take the whole slice, the only one that gets on.
func (c *Core) letGo(p *Program) {
	before := len(p.Ready)
	for i, o := range c.hands {
		if !o.Ran {
			c.goOn(o)
			c.hands[i] = nil
		}
	}
	if before > 0 && len(p.Ready) > before {
		left := slices.Clone(p.Ready[before:])
		copy(p.Ready[len(left):], p.Ready[:before])
		copy(p.Ready, left)
	}
	for _, o := range c.hands {
		if o != nil {
			c.goOn(o)
		}
	}
	clear(c.hands)
	c.hands = c.hands[:0]
}

// goOn makes an object that a report touched ready, or lets it rest. One for
// which there was no time has been ready since before.
func (c *Core) goOn(o *object) {
	ran, since := o.Ran, o.Since
	o.Touched, o.Ran = false, false
	if o.Detached == 0 && o.Box.Running() {
		o.Box.Return(o.Box.Until())
	}
	c.wake(o)
	if !ran {
		o.Since = since
	}
	c.rest(o)
}

// land keeps the memory of a frame that is done with for the next.
func (c *Core) land(fl *resident.Flight) {
	clear(fl.Tasks)
	clear(fl.Frame.Tasks)
	*fl = resident.Flight{Program: fl.Program, Frame: turn.Frame{Tasks: fl.Frame.Tasks[:0]}, Tasks: fl.Tasks[:0]}
	fl.Program.Landed = fl
}

// result deals with one task's result, and returns its object if that may go
// on.
func (c *Core) result(fl *resident.Flight, res *turn.Result, late bool) *object {
	t := &fl.Tasks[res.Index]
	o, env := t.Object, t.Env
	if late {
		fl.Open--
		if o != nil {
			o.Detached--
		}
	}
	if res.Outcome == turn.Detached {
		fl.Open++
		if o != nil {
			o.Detached++
		}
		c.stats.Detached++
		return nil
	}
	t.Env = nil
	if fl.Program.Figures != nil {
		fl.Program.Figures.Result(res)
	}
	c.account.Ran(env, res, fl.Frame.Now, &fl.Clock, late)
	if res.Unloaded && o != nil {
		c.idle.Take(o)
		fl.Program.Release(o)
	}
	if o == nil {
		delete(fl.Program.Running, env)
		c.plainResult(t.Copy, env, res)
		return nil
	}
	c.retried(env, res)
	switch res.Outcome {
	case turn.Done:
		o.Box.Finish()
		c.finish(o, env, res)
	case turn.Panicked:
		c.failed(o, env, res.Fail)
	case turn.Redo:
		o.Box.ReturnSolo()
	}
	return o
}

// plainResult deals with the result of a function, or of a read-only call that
// ran on a copy.
func (c *Core) plainResult(ro bool, env *wire.Envelope, res *turn.Result) {
	c.retried(env, res)
	switch {
	case res.Outcome == turn.Done && ro:
		c.finish(c.seen(env.To.Object()), env, res)
	case res.Outcome == turn.Done:
		c.finish(nil, env, res)
	case ro: // as one of the object's turns, after the one under way
		c.putBack(env)
	case res.Outcome == turn.Panicked:
		if c.again(env, res.Fail) {
			after, _ := turn.Retry(c.policy(env), env.Attempt)
			if after > longPause && env.Note&wire.Volatile == 0 {
				c.sleep(env, after)
				return
			}
			c.pauseSeq++
			c.retries.Add(due.Item[*wire.Envelope]{Due: c.tick + after, Seq: c.pauseSeq, Value: env})
			c.paused[env] = struct{}{}
		}
	default:
		c.sort(env)
	}
}

// longPause is from when on the pause of a function is a timer: one that fails for
// hours, as what is elsewhere may, is a row and not in the way of others.
const longPause = wire.Time(1e9)

// sleep has a function run again after a long pause.
func (c *Core) sleep(env *wire.Envelope, after wire.Time) {
	next := *env
	c.done(env)
	next.Note, next.Next, next.Due = 0, nil, c.now+after
	c.timers.Add(&next) // with its number, so that its random source is the same
}

// retried has an error that was returned run again, if the policy says so.
func (c *Core) retried(env *wire.Envelope, res *turn.Result) {
	if res.Outcome == turn.Done && res.Fail != nil && turn.Retried(c.policy(env), res.Fail) {
		res.Outcome = turn.Panicked
	}
}

// finish makes the effects of a turn part of the batch.
func (c *Core) finish(o *object, env *wire.Envelope, res *turn.Result) {
	c.stats.Turns++
	c.done(env)
	set := c.routes.All
	if o != nil && o.Kind.Program != nil {
		set = o.Kind.Program.Index // versions may differ
	}
	m, _ := set.Method(env.To)
	c.account.Took(m, env, res)
	if c.cfg.Trace != nil {
		c.cfg.Trace(env, res.Fail)
	}
	if w, ok := env.Local.(*Waiter); ok && res.Moved { // what it sent may be the answer already
		c.records.Expect(env.Back.ID, w)
	}
	if call := dead.Call(env, res.Fail, int(env.Attempt)+1, c.now); call != nil {
		res.Sends = append(res.Sends, call)
	}
	late := c.proms.Late()
	for _, out := range res.Sends {
		if env.Free() {
			out.Amend().Free = true
		}
		c.send(out)
	}
	if c.proms.Late() > late {
		c.log.Warn(c.now, "an answer came too late: its caller was told that the call was cancelled, or its deadline over", "from", env.To.String())
	}
	relaxed := m != nil && m.Relaxed
	switch {
	case res.Moved:
	case env.Back == nil:
		if res.Fail != nil && len(res.Sends) == 0 {
			c.unheard(env, res.Fail)
		}
	default:
		c.reply(o, env, res, relaxed)
	}
	c.account.Leave()
}

// unheard deals with an error that nobody hears: a one-way message that the
// program has no code for is kept as a dead letter; one that was answered with
// an error is done with, and counted.
func (c *Core) unheard(env *wire.Envelope, fail *wire.Failure) {
	c.stats.Unheard++
	if fail.Kind == fault.NotFound.String() || fail.Kind == fault.Corrupt.String() {
		c.bury(env, fail)
		return
	}
	c.log.Warn(c.now, "a one-way message was answered with an error, which nobody hears", "to", env.To.String(), "error", fail.Message)
}

// reply brings a turn's answer to the owner of its callback.
func (c *Core) reply(o *object, env *wire.Envelope, res *turn.Result, relaxed bool) {
	if env.Note&wire.Volatile == 0 || env.Local == nil {
		c.sendBack(env, res.Answer, res.Fail)
		return
	}
	w := env.Local.(*Waiter)
	resp := &wire.Response{Done: true, Body: res.Answer, Fail: res.Fail}
	switch {
	case relaxed, len(res.Sends) == 0 && (o.Resting() || o.Pend == nil && o.Sealed == nil):
		c.AnswerNow(w, resp, nil) // it tells of nothing that is not durable
	case len(res.Sends) == 0 && o.Pend == nil:
		c.flown.answer(w, resp, nil)
	default:
		c.batch.answer(w, resp, nil)
	}
}

// send routes what a turn sent: to a mailbox here, which it reaches within the
// same commit, or to the outbox.
func (c *Core) send(env *wire.Envelope) {
	c.stats.Sends++
	c.account.Sent(env)
	if env.To.Type == wire.TokenType {
		c.await(env)
		return
	}
	c.proms.Guard(env, c.now)
	if to := c.place(env); to != c.id {
		c.out.Send(to, env)
		c.batch.size += envelopeSize(env)
		return
	}
	c.accept(env)
}

// change merges a reported change into the batch.
func (c *Core) change(p *Program, ch turn.Change) {
	var o *object
	if int(ch.Slot) < len(p.Slots) {
		o = p.Slots[ch.Slot]
	}
	if o.Resting() { // going on would lose state that a turn was told it has
		c.Fail(fault.New(fault.Internal, "shard.apply", p.Name, "a change of slot %d, where there is no object", ch.Slot))
		return
	}
	if o.Pend == nil {
		o.Pend = &delta.Change{}
		c.batch.objects = append(c.batch.objects, o)
	}
	c.batch.size += o.Pend.Merge(ch, c.now)
	o.Size = uint32(ch.Size)
}

func (c *Core) policy(env *wire.Envelope) wire.Policy {
	return c.routes.All.Policy(env, c.cfg.Retry, turn.DefaultPolicy)
}

// failed deals with a turn that had no effect: it is run again after a pause,
// and everything behind it waits; or its message is given up, and the object
// goes on.
func (c *Core) failed(o *object, env *wire.Envelope, fail *wire.Failure) {
	if !c.again(env, fail) {
		o.Box.Finish()
		return
	}
	after, _ := turn.Retry(c.policy(env), env.Attempt)
	o.Box.Return(c.tick + after)
}

// again counts a failed run, and reports whether there is to be another. If
// not, the message is a dead letter and its caller is told.
func (c *Core) again(env *wire.Envelope, fail *wire.Failure) bool {
	env.Attempt++
	env.Note |= wire.Stale
	if mail.Unsaved(env) {
		c.post.Add(env)
	}
	c.stats.Failures++
	after, again := turn.Again(c.policy(env), env.Attempt, env.Age(c.now), fail)
	late := env.Kind == wire.Call && env.Deadline() != 0 && c.now+after >= env.Deadline()
	again = again && !late // nobody would hear of it
	c.log.Warn(c.now, "a turn failed", "to", env.To.String(), "attempt", env.Attempt, "again", again, "error", fail.Message)
	c.account.Failed(env, fail, again, after)
	if again {
		return true
	}
	c.done(env)
	if call := dead.Call(env, fail, int(env.Attempt), c.now); call != nil {
		c.send(call) // it has all that a dead letter would have
	} else if !late || fail.Kind != fault.Timeout.String() { // that its deadline ended it is no puzzle to keep
		c.bury(env, fail)
	}
	if env.Back != nil {
		told := &wire.Failure{Kind: fail.Kind, Code: fail.Code, Message: fail.Message}
		if w, ok := env.Local.(*Waiter); ok {
			c.batch.answer(w, &wire.Response{Done: true, Fail: told}, nil)
		} else {
			c.sendBack(env, wire.Payload{}, told)
		}
	}
	return false
}

// bury keeps a message that was given up as a dead letter.
func (c *Core) bury(env *wire.Envelope, why *wire.Failure) {
	c.stats.Buried++
	halts := c.routes.All.PausesOnDead(env.To.Type)
	if c.dead.Bury(env, why, c.now, halts); halts {
		c.ctl.Pauses.Halt(env, dead.ID(c.id, env.Seq)+": "+why.Message, c.now)
	}
}
