package core

import (
	"github.com/situ-dev/situ/internal/shard/promise"
	"github.com/situ-dev/situ/internal/wire"
)

// home is what a core is to its promises.
type home struct{ *Core }

// Set implements promise.Shard.
func (c home) Set(env *wire.Envelope) wire.Seq {
	c.arrival++
	env.Seq, env.Made = c.arrival, c.now
	c.timers.Add(env)
	c.batch.size += 2 * envelopeSize(env) // with its promise
	return env.Seq
}

// Remove implements promise.Shard.
func (c home) Remove(when wire.Time, seq wire.Seq) { c.timers.Remove(when, seq) }

// Send implements promise.Shard.
func (c home) Send(reply *wire.Envelope) { c.send(reply) }

// await makes the promise that a turn asks for: of a callback token, or of a caller
// that it holds.
func (c *Core) await(env *wire.Envelope) {
	if !env.Holds() {
		c.account.Arrive(env)
	}
	c.Fail(c.proms.Await(env, c.now))
	if c.ctl.Cancels.Ended(env) { // a turn that was cancelled while it ran
		c.endPromise(wire.InvocationID(env.To.Key), env.Chain(), env.Holder())
	}
}

// endPromise tells who waits for a promise that the chain was cancelled. A workflow
// that has it is told instead: its caller hears when it has cleaned up.
func (c *Core) endPromise(id, chain wire.InvocationID, holder wire.ObjectID) {
	if holder.Type != "" && c.endFlow(wire.Address{Type: holder.Type, Key: holder.Key}, chain) {
		return
	}
	c.Fail(c.proms.Cancel(id, c.now, func(back *wire.Callback) { c.send(c.ctl.Cancels.Reply(chain, back)) }))
}

// Promises returns the promises of the shard, and what time it is for them.
func (c *Core) Promises() (*promise.Promises, wire.Time) { return c.proms, c.now }
