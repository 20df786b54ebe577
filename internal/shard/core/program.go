package core

import (
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Program returns the program with that name, making it known if needed.
func (c *Core) Program(name string) *Program {
	for _, p := range c.programs {
		if p.Name == name {
			return p
		}
	}
	p := resident.New(name)
	if c.cfg.Figures != nil {
		p.Figures = c.cfg.Figures(name)
	}
	c.programs = append(c.programs, p)
	return p
}

// stray deals with a message to a type or a function that no program has. It
// waits as long as the main program has no host: it may have it. After that it
// is answered.
func (c *Core) stray(env *wire.Envelope) {
	if !c.main.Hosted {
		c.strays = append(c.strays, env)
		return
	}
	what := "type"
	if env.To.Function() {
		what = "function"
	}
	fail := wire.FailureOf(fault.New(fault.NotFound, "run", env.To.String(), "the program has no such %s", what))
	c.finish(nil, env, &turn.Result{Outcome: turn.Done, Fail: fail})
}

// Flying reports whether a frame of any program has not been reported.
func (c *Core) Flying() bool {
	return slices.ContainsFunc(c.programs, func(p *Program) bool { return p.Flying })
}

// Oldest returns the number of the oldest frame that has not been reported, 0
// if there is none.
func (c *Core) Oldest() (frame uint64) {
	for _, p := range c.programs {
		if p.Flying && (frame == 0 || p.Frame < frame) {
			frame = p.Frame
		}
	}
	return frame
}

// awaited reports whether the frame of p is out, and not for so long that
// nobody should wait for it.
func (c *Core) awaited(p *Program) bool {
	return p.Flying && c.tick-p.Began < wire.Time(c.cfg.FrameWait)
}

// begin notes that effects of p's turns come into the batch.
func (c *Core) begin(p *Program) {
	if c.batch.since == 0 {
		c.batch.since = c.tick
	}
	if p != nil && p.Since == 0 {
		p.Since = c.tick
	}
}

// sealAt reports whether the batch waits for frames that are out, because what
// they consume need not be written (law 2), and until which tick: the effects
// of a program wait for its own frame, but only for RunAhead for those of
// others; and nobody waits for a frame that does not come back.
func (c *Core) sealAt() (at wire.Time, waits bool) {
	at = 1 << 62
	for _, p := range c.programs {
		switch {
		case c.awaited(p):
			at, waits = min(at, p.Began+wire.Time(c.cfg.FrameWait)), true
		case p.Since != 0:
			at = min(at, p.Since+wire.Time(c.cfg.RunAhead))
		}
	}
	return at, waits
}

// SealNow reports whether the batch is to be sealed now. While there is more to
// run it waits a little: what those turns consume, and what they change again,
// is then never written (law 2). In a hurry it does not wait.
func (c *Core) SealNow(hurry bool) bool {
	if c.flown != nil || c.err != nil || !c.Wanted() {
		return false
	}
	if at, waits := c.sealAt(); waits {
		return c.tick >= at
	}
	b := c.batch
	return hurry || !c.runnable() || b.since == 0 || c.tick-b.since >= wire.Time(c.cfg.RunAhead) || b.size >= c.cfg.MaxCommit
}

// runnable reports whether NextFrame has something to run.
func (c *Core) runnable() bool {
	idle := false
	for _, p := range c.programs {
		if p.Idle() {
			if idle = true; p.Runnable(c.cfg.MaxFunctions) {
				return true
			}
		}
	}
	return idle && c.in.Waiting() && !c.Full()
}

// takeChannels accepts queued messages while there is room for their work.
func (c *Core) takeChannels() {
	if !c.in.Waiting() {
		return
	}
	room, may := c.cfg.FrameTasks, (func(*wire.Envelope) bool)(nil)
	for _, p := range c.programs {
		switch {
		case p.Idle():
			room -= len(p.Ready) + len(p.Funcs) + p.AsideObjects.Len() + p.AsideFuncs.Len()
		case c.awaited(p):
			may = c.timely
		}
	}
	if room <= 0 {
		return
	}
	c.in.Round()
	for room > 0 && !c.Full() {
		envs, err := c.in.Next(room, may)
		c.Fail(err)
		if len(envs) == 0 {
			return
		}
		for _, env := range envs {
			env.Settled = false // its sender has committed it
			if env.Kind == wire.Reply && env.To == (wire.Address{}) {
				c.account.Arrive(env)
				c.deliver(env.Back, env.Body, env.Fail, c.AnswerNow) // and all that led to it
				continue
			}
			c.accept(env)
		}
		room -= len(envs)
	}
}
