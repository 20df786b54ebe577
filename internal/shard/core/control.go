package core

import (
	"github.com/situ-dev/situ/internal/shard/control"
	"github.com/situ-dev/situ/internal/shard/hook"
	"github.com/situ-dev/situ/internal/wire"
)

// Control returns what people have asked about the messages of the shard.
func (c *Core) Control() *control.Control { return c.ctl }

// pump lets go what was paused or given up, as far as it may go now.
func (c *Core) pump() {
	if !c.Full() {
		c.Fail(c.ctl.Pump(c.now, c.tick, c.cfg.FrameTasks, control.Releases{Arrive: c.arrive, Retry: c.retry, Timer: c.claim, Promise: c.endPromise}))
	}
}

// retry runs a dead letter's message again, as if it had just arrived; before
// those that wait, if its object is paused. Its caller was answered when it was
// given up, so nobody hears the answer.
func (c *Core) retry(d *wire.DeadLetter) {
	env := d.Envelope
	env.Attempt, env.Due, env.Back = 0, 0, nil
	line := env.Amend()
	line.Deadline, line.Free = 0, true
	env.Made = c.now // its age begins anew
	if !c.ctl.Pauses.First(env) {
		c.accept(env)
	}
	c.Fail(c.ctl.Pauses.GoOn(env))
}

// Redrive runs a dead letter's message again.
func (c *Core) Redrive(id string) error {
	d, err := c.dead.Take(id)
	if err == nil {
		c.retry(d)
	}
	return err
}

// claim makes a timer that is a row an ordinary message. That of a workflow stays:
// it would come too early. The workflow is told instead.
func (c *Core) claim(env *wire.Envelope) bool {
	return !c.endFlow(env.To, env.Chain()) && c.timers.Claim(env.Due, env.Seq)
}

// endFlow tells a workflow that its chain was cancelled, and reports whether to is
// one.
func (c *Core) endFlow(to wire.Address, chain wire.InvocationID) bool {
	to.Method = control.FlowCancel
	if m, _ := c.routes.All.Method(to); to.Function() || m == nil {
		return false
	}
	c.send(&wire.Envelope{Kind: wire.Call, To: to, Body: wire.Payload{Format: wire.CBOR, Data: []byte{0xa0}}, Made: c.now, Lineage: &wire.Lineage{Chain: chain, Free: true}})
	return true
}

// stopMail takes what is not to be run now from the front of the mail of an
// object that is ready, and returns how many of the n after it may run.
func (c *Core) stopMail(o *object, n int) int {
	if c.ctl.Idle() {
		return n
	}
	for env := o.Box.Queue(); env != nil && c.stop(env); env = o.Box.Queue() {
		o.Box.Take(c.tick, 1)
		o.Box.Finish()
	}
	may := 0
	for env := o.Box.Queue(); env != nil && may < n && !c.ctl.Stops(env); env = env.Next {
		may++
	}
	c.rest(o)
	return may
}

// stop does away with a message that is not to be run now: it is parked, or will
// never be run. It reports whether that is so.
func (c *Core) stop(env *wire.Envelope) bool {
	switch v := c.ctl.Judge(env); v {
	case control.Run:
		return false
	case control.Refuse:
		c.AnswerNow(env.Local.(*Waiter), nil, c.ctl.Pauses.Refusal(env))
	case control.Drop:
		if env.Back != nil {
			c.send(c.ctl.Cancels.Reply(env.Chain(), env.Back))
		}
	}
	c.done(env)
	if c.batch.since == 0 {
		c.batch.since = c.tick
	}
	return true
}

// endRuns has those turns of a chain be told that run: nobody needs their answer.
func (c *Core) endRuns(chain wire.InvocationID) {
	for run, env := range c.frames.Of(chain) {
		if !env.Free() {
			c.events.Ends = append(c.events.Ends, run)
		}
	}
}

// sendBack sends an answer to who asked. That of what cleans up is part of that.
func (c *Core) sendBack(env *wire.Envelope, body wire.Payload, fail *wire.Failure) {
	reply := wire.ReplyTo(env.Back, body, fail)
	if env.Free() {
		reply.Amend().Free = true
	}
	c.send(reply)
}

// Cancel answers a recorded call with an error, and has nothing more be run that
// is work for it, here and, by messages, in the other shards. Errors are those of
// control.Cancels.Cancel.
func (c *Core) Cancel(id wire.InvocationID, reason string) error {
	waiters, mark, err := c.ctl.Cancels.Cancel(c.records, id, reason, c.now, wire.Time(c.cfg.KeepAnswers))
	if err != nil {
		return err
	}
	c.endRuns(id)
	for _, w := range waiters {
		c.batch.answer(w, &wire.Response{ID: id, Done: true, Fail: control.Failure(id, reason)}, nil)
	}
	if rec, _, err := c.records.Find(id, c.now); err == nil && rec != nil {
		c.endFlow(rec.To, id)
		if rec.URL != "" {
			c.send(hook.Message(rec))
		}
	}
	for s := range wire.ShardID(c.cfg.Shards) {
		if s != c.id {
			m := *mark // each shard changes its own
			c.out.Send(s, &m)
		}
	}
	return nil
}
