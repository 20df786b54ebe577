package core

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// alarms are the timers of a core, for promises.
type alarms struct{ c *Core }

// Set implements promise.Timers.
func (a alarms) Set(env *wire.Envelope) wire.Seq {
	a.c.arrival++
	env.Seq, env.Made = a.c.arrival, a.c.now
	a.c.timers.Add(env)
	return env.Seq
}

// Remove implements promise.Timers.
func (a alarms) Remove(when wire.Time, seq wire.Seq) { a.c.timers.Remove(when, seq) }

// guard sees to it that a call with a deadline of its own is answered by then.
func (c *Core) guard(env *wire.Envelope) {
	if env.Guard && env.Back != nil {
		c.proms.Guard(env, c.now)
		c.batch.size += envelopeSize(env)
	}
}

// await takes a call of a callback token: who has it answers.
func (c *Core) await(env *wire.Envelope) {
	reply, err := c.proms.Await(env, c.now)
	c.Fail(err)
	c.batch.size += envelopeSize(env)
	if reply != nil {
		c.send(reply)
	}
}

// kept brings an answer to a promise, which passes it on, and reports whether
// anybody waited for it.
func (c *Core) kept(id wire.InvocationID, body wire.Payload, fail *wire.Failure) bool {
	reply, err := c.proms.Answer(id, body, fail, c.now)
	c.Fail(err)
	if reply == nil {
		c.stats.Late++
		return false
	}
	c.send(reply)
	return true
}

// lapse deals with the time of a promise that is over.
func (c *Core) lapse(env *wire.Envelope) {
	if env.Note&wire.InTimers != 0 {
		c.batch.drop(store.Timers, rows.TimerKey(env.Due, env.Seq))
	}
	reply, err := c.proms.Lapse(env, c.now)
	c.Fail(err)
	if reply != nil {
		c.send(reply)
	}
}

// Token returns the promise of a callback token that may be answered. It is not to
// be changed.
func (c *Core) Token(id wire.InvocationID) (*wire.Promise, error) { return c.proms.Token(id) }

// AnswerToken answers for whoever has a callback token.
func (c *Core) AnswerToken(id wire.InvocationID, body wire.Payload, fail *wire.Failure) error {
	if _, err := c.proms.Token(id); err != nil {
		return err
	}
	c.kept(id, body, fail)
	return nil
}

// BeatToken notes that whoever has a callback token is at work.
func (c *Core) BeatToken(id wire.InvocationID) error {
	err := c.proms.Beat(id, c.now)
	if fault.Is(err, fault.Internal) || fault.Is(err, fault.Corrupt) {
		c.Fail(err)
	}
	return err
}
