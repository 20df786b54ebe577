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

// Promises returns the promises of the shard, and what time it is for them.
func (c *Core) Promises() (*promise.Promises, wire.Time) { return c.proms, c.now }
