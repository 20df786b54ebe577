package core

import (
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Program is what a shard has of one program: what waits for its host, and what
// that has. Programs share the batch and the bounds of the shard, and nothing
// else: each has a frame under way of its own, and the end of a host concerns
// its program only.
type Program struct {
	name     string
	manifest *host.Manifest // what it can run, nil as long as nobody said
	hosted   bool           // and now there is who does

	slots []*object // what the host has
	free  []turn.Slot
	drops []turn.Slot // what it is to forget

	ready   []*object        // in the order in which they became so
	funcs   []*wire.Envelope // functions called by message, waiting
	running map[*wire.Envelope]struct{}
	readers []*wire.Envelope // read-only calls that go around a busy object

	suspects int       // messages marked wire.Suspect
	trialAt  wire.Time // when to ask for a trial again, 0 is never

	frame  uint64    // number of its last frame
	flying bool      // that has not been reported
	began  wire.Time // tick at which that was made
	since  wire.Time // tick at which the first effects of its turns came into the batch
	landed *flight   // of an earlier frame, to be used again

	slow bool // the door was told that its objects have no time
}

// Program returns the program with that name, making it known if needed.
func (c *Core) Program(name string) *Program {
	for _, p := range c.programs {
		if p.name == name {
			return p
		}
	}
	p := &Program{name: name, slots: make([]*object, 1), running: map[*wire.Envelope]struct{}{}}
	c.programs = append(c.programs, p)
	return p
}

// SetProgram says that p has a host from now on, which can run what m says. It
// must have none: LostHost. What m does not have any more is nobody's then, and
// what nobody had so far may be p's. Of two programs with the same name for
// something, that which is known for longer has it.
func (c *Core) SetProgram(p *Program, m *host.Manifest) {
	c.leave(p, host.NewIndex(m))
	p.manifest, p.hosted = m, true
	var all []*host.Manifest
	types := map[string]*Program{}
	c.functions = map[string]*Program{}
	for _, p := range slices.Backward(c.programs) {
		if p.manifest == nil {
			continue
		}
		all = append(all, p.manifest)
		for i := range p.manifest.Types {
			types[p.manifest.Types[i].Name] = p
		}
		for i := range p.manifest.Functions {
			c.functions[p.manifest.Functions[i].Name] = p
		}
	}
	c.set, c.objects.progs = host.NewIndex(all...), types
	for _, k := range c.objects.types {
		k.prog = types[k.name]
	}
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
	goes := func(o *object) bool { return o.kind.prog == p && !keeps.Has(o.kind.name) }
	p.ready = slices.DeleteFunc(p.ready, func(o *object) bool {
		o.ready = !goes(o)
		return !o.ready
	})
	for _, o := range slices.Clone(c.busy) { // which rest changes
		if goes(o) {
			for env := range o.box.All() {
				stray(env)
			}
			o.box = turn.Mailbox{}
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
	p.funcs = slices.DeleteFunc(p.funcs, lost)
	p.readers = slices.DeleteFunc(p.readers, lost)
}

// stray deals with a message to a type or a function that no program has. It
// waits as long as the main program has no host: it may have it. After that it
// is answered.
func (c *Core) stray(env *wire.Envelope) {
	if !c.main.hosted {
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
	return c.objects.progs[to.Type]
}

// Flying reports whether a frame of p has not been reported.
func (p *Program) Flying() bool { return p.flying }

// Frame returns the number of the last frame of p.
func (p *Program) Frame() uint64 { return p.frame }

// idle reports whether the host of p waits for a frame.
func (p *Program) idle() bool { return p.hosted && !p.flying }

// runnable reports whether there is something that the host of p could run,
// of functions at most so many.
func (p *Program) runnable(functions int) bool {
	return len(p.ready)+len(p.readers) > 0 || len(p.funcs) > 0 && len(p.running) < functions
}

// assign gives an object a slot.
func (p *Program) assign(o *object) {
	if n := len(p.free); n > 0 {
		o.slot, p.free = p.free[n-1], p.free[:n-1]
	} else {
		o.slot = turn.Slot(len(p.slots))
		p.slots = append(p.slots, nil)
	}
	p.slots[o.slot] = o
}

// release takes an object's slot back.
func (p *Program) release(o *object) {
	if o.slot != 0 {
		p.slots[o.slot] = nil
		p.free = append(p.free, o.slot)
		o.slot = 0
	}
}

// drop has the host forget an object.
func (p *Program) drop(o *object) {
	p.drops = append(p.drops, o.slot)
	p.release(o)
}

// Flying reports whether a frame of any program has not been reported.
func (c *Core) Flying() bool { return slices.ContainsFunc(c.programs, (*Program).Flying) }

// Oldest returns the number of the oldest frame that has not been reported, 0
// if there is none.
func (c *Core) Oldest() (frame uint64) {
	for _, p := range c.programs {
		if p.flying && (frame == 0 || p.frame < frame) {
			frame = p.frame
		}
	}
	return frame
}

// awaited reports whether the frame of p is out, and not for so long that
// nobody should wait for it.
func (c *Core) awaited(p *Program) bool {
	return p.flying && c.tick-p.began < wire.Time(c.cfg.FrameWait)
}

// begin notes that effects of p's turns come into the batch.
func (c *Core) begin(p *Program) {
	if c.batch.since == 0 {
		c.batch.since = c.tick
	}
	if p != nil && p.since == 0 {
		p.since = c.tick
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
			at, waits = min(at, p.began+wire.Time(c.cfg.FrameWait)), true
		case p.since != 0:
			at = min(at, p.since+wire.Time(c.cfg.RunAhead))
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
		if p.idle() {
			if idle = true; p.runnable(c.cfg.MaxFunctions) {
				return true
			}
		}
	}
	return idle && c.in.Waiting() && !c.Full()
}

// takeChannels accepts queued messages while there is room for their work.
func (c *Core) takeChannels() {
	room, out := c.cfg.FrameTasks, false
	for _, p := range c.programs {
		if p.idle() {
			room -= len(p.ready) + len(p.funcs)
		}
		out = out || c.awaited(p)
	}
	if room <= 0 {
		return
	}
	var may func(*wire.Envelope) bool
	if out { // it takes what is for it when it is back: else that would be written
		may = func(env *wire.Envelope) bool {
			p := c.program(env.To)
			return p == nil || !c.awaited(p)
		}
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
				c.deliver(env.Back, env.Body, env.Fail, c.AnswerNow) // and all that led to it
				continue
			}
			c.accept(env)
		}
		room -= len(envs)
	}
}
