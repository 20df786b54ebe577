package core

import (
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
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
	c.programs = append(c.programs, p)
	return p
}

// SetProgram says that p has a host from now on, which can run what m says. It
// must have none: LostHost. What m does not have any more is nobody's then, and
// what nobody had so far may be p's. Of two programs with the same name for
// something, that which is known for longer has it.
func (c *Core) SetProgram(p *Program, m *host.Manifest) {
	c.leave(p, host.NewIndex(m))
	p.Manifest, p.Hosted = m, true
	var all []*host.Manifest
	types := map[string]*Program{}
	c.functions = map[string]*Program{}
	for _, p := range slices.Backward(c.programs) {
		if p.Manifest == nil {
			continue
		}
		all = append(all, p.Manifest)
		for i := range p.Manifest.Types {
			types[p.Manifest.Types[i].Name] = p
		}
		for i := range p.Manifest.Functions {
			c.functions[p.Manifest.Functions[i].Name] = p
		}
	}
	c.set = host.NewIndex(all...)
	c.objects.Assign(types)
	c.account.Program()
	strays := c.strays
	c.strays = nil
	for _, env := range strays {
		c.sort(env)
	}
}

// leave makes what waits for p strays, but for what it keeps.
func (c *Core) leave(p *Program, keeps *host.Index) {
	stray := func(env *wire.Envelope) {
		c.clear(env)
		env.Next = nil
		c.strays = append(c.strays, env)
	}
	goes := func(o *object) bool { return o.Kind.Program == p && !keeps.Has(o.Kind.Name) }
	unready := func(o *object) bool {
		o.Ready = !goes(o)
		return !o.Ready
	}
	p.Ready = slices.DeleteFunc(p.Ready, unready)
	p.AsideObjects.Filter(unready)
	for _, o := range slices.Clone(c.busy) { // which rest changes
		if goes(o) {
			for env := range o.Box.All() {
				stray(env)
			}
			o.Box = turn.Mailbox{}
			c.rest(o)
		}
	}
	lost := func(env *wire.Envelope) bool {
		m, _ := keeps.Method(wire.Address{Method: env.To.Method})
		gone := env.To.Function() && m == nil || !env.To.Function() && !keeps.Has(env.To.Type)
		if gone {
			stray(env)
		}
		return gone
	}
	p.Funcs = slices.DeleteFunc(p.Funcs, lost)
	p.AsideFuncs.Filter(lost)
	p.Readers = slices.DeleteFunc(p.Readers, lost)
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

// program returns the program that runs what is sent to an address, nil if
// none has it.
func (c *Core) program(to wire.Address) *Program {
	if to.Function() {
		return c.functions[to.Method]
	}
	return c.objects.Programs()[to.Type]
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
