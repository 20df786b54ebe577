package core

import (
	"bytes"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/control"
	"github.com/situ-dev/situ/internal/shard/hook"
	"github.com/situ-dev/situ/internal/shard/promise"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/wire"
)

// TakeRequest takes a call from outside. The answer, or the refusal, goes to w.
func (c *Core) TakeRequest(r *wire.Request, w *Waiter) {
	if err := c.room(r); err != nil {
		c.AnswerNow(w, nil, err)
		return
	}
	until, err := promise.Deadline(r, c.now)
	if err != nil {
		c.AnswerNow(w, nil, err)
		return
	}
	env := &wire.Envelope{Kind: wire.Call, To: r.To, Body: r.Body, Due: r.Due, Policy: r.Policy, Made: c.now,
		Lineage: wire.Lineage{Trace: r.Trace, Deadline: until, Guard: until != 0, Stick: r.Stick}.Some()}
	if r.Key == "" && !r.Async {
		if r.Due > c.now || until != 0 {
			// It waits on disk, or may. Its caller may wait here, too.
			id := c.name()
			c.records.Expect(id, w)
			env.Back = &wire.Callback{Kind: wire.ToInvocation, ID: id, Shard: c.id, Format: r.Want}
		} else {
			env.Note |= wire.Volatile
			env.Local = w
			env.Back = &wire.Callback{Kind: wire.ToInvocation, ID: c.name(), Shard: c.id, Format: r.Want}
		}
		c.proms.Guard(env, c.now)
		c.accept(env)
		return
	}
	id, digest := c.name(), []byte(nil)
	if r.Key != "" {
		id, digest = rows.KeyedID(c.id, r), rows.Digest(r.Body)
		if c.known(id, digest, r, w) {
			return
		}
	}
	rec := &wire.Invocation{ID: id, To: r.To, Created: c.now, URL: r.URL, Digest: digest}
	if r.Async {
		c.records.Begin(rec, nil)
		c.batch.answer(w, &wire.Response{ID: id}, nil)
	} else {
		c.records.Begin(rec, w)
	}
	env.Amend().Chain = id
	env.Back = &wire.Callback{Kind: wire.ToInvocation, ID: id, Shard: c.id, Format: r.Want}
	c.proms.Guard(env, c.now)
	c.accept(env)
}

// known deals with a call whose idempotency key was seen before, and reports
// whether it was.
func (c *Core) known(id wire.InvocationID, digest []byte, r *wire.Request, w *Waiter) bool {
	rec, durable, err := c.records.Find(id, c.now)
	c.Fail(err)
	if rec == nil {
		return false
	}
	tell := c.batch.answer // what is told, that there was such a call, must be durable
	if durable {
		tell = c.AnswerNow
	}
	switch {
	case !bytes.Equal(rec.Digest, digest):
		tell(w, nil, fault.New(fault.Mismatch, "call", r.To.String(), "the idempotency key %q was used with another payload: use a new key for a new request", r.Key))
	case rec.Finished == 0 && r.Async:
		tell(w, &wire.Response{ID: id}, nil)
	case rec.Finished == 0:
		e := fault.New(fault.Conflict, "call", r.To.String(), "a call with the idempotency key %q is being worked on: its answer will be at /v1/invocations/%s", r.Key, id)
		e.Retry = 1e9
		tell(w, nil, e)
	default:
		tell(w, &wire.Response{ID: id, Done: true, Body: rec.Body, Fail: rec.Fail, Again: true}, nil)
	}
	return true
}

// accept takes an envelope that arrived: as mail, or, if it is early, as a
// timer; or, if it answers a caller outside, to that caller.
func (c *Core) accept(env *wire.Envelope) {
	c.account.Arrive(env)
	if env.Kind == wire.Reply && env.To == (wire.Address{}) {
		c.deliver(env.Back, env.Body, env.Fail, c.batch.answer)
		return
	}
	if env.Kind == wire.Cancel {
		c.ctl.Cancels.Mark(env.Chain(), env.Fail.Message, env.Due)
		c.endRuns(env.Chain())
		return
	}
	c.arrival++
	env.Seq = c.arrival
	env.Note &^= wire.InMail | wire.InSheet | wire.InTimers | wire.Stale
	if env.Due > c.now && !c.ctl.Cancels.Ended(env) {
		c.timers.Add(env)
		return
	}
	c.arrive(env)
}

// arrive takes an envelope whose time has come.
func (c *Core) arrive(env *wire.Envelope) {
	if env.Settled {
		c.later(env)
		return
	}
	c.put(env)
}

// deliver brings an answer to a promise, or to a caller outside: to its record,
// and to those who wait here. A caller whose call has no record is told by tell.
func (c *Core) deliver(back *wire.Callback, body wire.Payload, fail *wire.Failure, tell func(*Waiter, *wire.Response, error)) {
	if back == nil {
		return
	}
	if back.Kind == wire.ToPromise {
		c.Fail(c.proms.Answer(back.ID, body, fail, c.now))
		return
	}
	if w := c.records.Expected(back.ID); w != nil {
		tell(w, &wire.Response{Done: true, Body: body, Fail: fail}, nil)
		return
	}
	waiters, rec, err := c.records.Finish(back.ID, c.account.Now(), body, fail)
	c.Fail(err)
	if rec != nil && rec.URL != "" {
		c.send(hook.Message(rec))
	}
	for _, w := range waiters {
		c.batch.answer(w, &wire.Response{ID: back.ID, Done: true, Body: body, Fail: fail}, nil)
	}
}

// TakeSegment takes messages from another shard. They are queued, and accepted
// only as fast as they can be run.
func (c *Core) TakeSegment(s rows.Segment) { c.events.Acks = c.in.Put(s, c.events.Acks) }

// TakeAck forgets messages that their receiver has consumed durably, and sends
// what waited for room in the channel.
func (c *Core) TakeAck(a Ack) {
	var err error
	c.events.Segments, err = c.out.Ack(a, c.events.Segments)
	c.Fail(err)
}

// TakeTime moves what is due by now into mailboxes.
func (c *Core) TakeTime(now wire.Time) {
	c.tick += max(now-c.wall, 0)
	c.now, c.wall = max(c.now, now), now
	c.Fail(c.account.Time(c.now))
	for {
		it, ok := c.pauses.Pop(c.tick)
		if !ok {
			break
		}
		if o := it.Value; !o.Resting() { // it may have come to rest otherwise
			o.Paused = 0
			c.wake(o)
		}
	}
	for {
		it, ok := c.retries.Pop(c.tick)
		if !ok {
			break
		}
		delete(c.paused, it.Value)
		c.sort(it.Value)
	}
	for n := 0; n < c.cfg.FrameTasks && !c.behind(); n++ {
		env, ok, err := c.timers.Pop(c.now)
		c.Fail(err)
		if !ok {
			break
		}
		c.stats.Fired++
		if env.Kind == wire.Reply && env.To == (wire.Address{}) {
			c.drop(env)
			c.Fail(c.proms.Lapse(env, c.now))
			continue
		}
		c.arrive(env)
	}
	c.pump()
	c.Fail(c.records.Expire(c.now))
	c.evict()
}

// mostFired is how many timers may fire between two commits, roughly. Each is a row
// to be deleted: with all that there is time for, a commit would be so long that the
// answers in the next one wait for tenths of a second.
const mostFired = 1024

// behind reports whether timers that are due wait on, as rows: the commit has enough of
// them, there is a whole frame to be run before them, or they have taken half of what a
// shard may hold. However many are due at once, a call waits behind some of them only.
func (c *Core) behind() bool {
	for _, p := range c.programs {
		if p.Hosted && len(p.Ready)+len(p.Funcs) >= c.cfg.FrameTasks {
			return true
		}
	}
	return len(c.batch.drops) >= mostFired || c.mail >= c.cfg.MaxQueued/2 || c.held >= c.cfg.MaxQueuedBytes/2
}

// NextTime returns when TakeTime has something to do, at the latest when
// records are to be looked at.
func (c *Core) NextTime() wire.Time {
	next := min(c.records.NextLook(), c.account.Next())
	if t, ok := c.timers.Next(); ok && t < next && !c.behind() {
		next = t
	}
	shown := c.wall - c.tick // from ticks to what the clock will show
	for _, p := range c.programs {
		if p.TrialAt != 0 && len(p.Ready)+len(p.Funcs) > 0 {
			next = min(next, p.TrialAt+shown)
		}
	}
	if t, waits := c.sealAt(); waits && c.flown == nil {
		next = min(next, t+shown)
	}
	if t, ok := c.pauses.Next(); ok {
		next = min(next, t+shown)
	}
	if t, ok := c.retries.Next(); ok {
		next = min(next, t+shown)
	}
	if t := c.ctl.Next(c.now, c.tick); t != control.Never {
		next = min(next, t+shown)
	}
	if o, used := c.idle.First(); c.cfg.IdleAfter > 0 && o != nil {
		next = min(next, used+wire.Time(c.cfg.IdleAfter))
	}
	return next
}

// AnswerNow answers a caller without waiting for a commit.
func (c *Core) AnswerNow(w *Waiter, resp *wire.Response, err error) {
	c.events.Answers = append(c.events.Answers, Answer{w, resp, err})
}
