package core

import (
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// TakeFinished takes the turn of a function that ran beside the shard, for a
// caller who waits at w. What it sent and answered becomes part of the batch;
// if it failed, it is run again here, by policy. A nil res says that its host
// died while it ran.
func (c *Core) TakeFinished(env *wire.Envelope, res *turn.Result, w *Waiter) {
	if err := c.room(&wire.Request{To: env.To}); err != nil {
		c.AnswerNow(w, nil, err) // as if it had not run
		return
	}
	c.arrival++
	env.Seq = c.arrival
	env.Local = w
	env.Note |= wire.Volatile
	c.mail++
	c.held += envelopeSize(env)
	c.begin(c.program(env))
	if res == nil {
		c.suspect(env)
		c.sort(env)
		return
	}
	c.account.Ran(env, res, env.Made, new(wire.Time), true)
	c.plainResult(false, env, res)
}
