package core

import (
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// SetProgram says that p has a host from now on, which can run what m says. It
// must have none: LostHost. What m does not have any more is nobody's then, and
// what nobody had so far may be p's. Of two programs with the same name for
// something, that which is known for longer has it.
func (c *Core) SetProgram(p *Program, m *host.Manifest) {
	p.Hosted = true
	c.Announce(p, m)
}

// Announce says what p will run when it has a host: until then that waits.
func (c *Core) Announce(p *Program, m *host.Manifest) {
	p.Manifest, p.Index = m, host.NewIndex(m)
	c.reroute()
}

// SetWeights says which parts of their deployments versions have, by the names of
// their programs. An object that another version has from now on moves when its turn
// has ended: there is one writer always.
func (c *Core) SetWeights(weights map[string]float64) {
	for name, w := range weights {
		c.Program(name).Weight = w
	}
	c.reroute()
}

// Forget forgets a program that has no host and no weight.
func (c *Core) Forget(p *Program) {
	p.Manifest = nil
	c.reroute()
	c.programs = slices.DeleteFunc(slices.Clone(c.programs), func(other *Program) bool { return other == p })
}

// reroute brings everything that waits to whom it is for.
func (c *Core) reroute() {
	was := c.routes
	c.routes = resident.NewRoutes(c.programs)
	c.account.Program()
	if !maps.EqualFunc(was.Types, c.routes.Types, resident.Route.Same) || !maps.EqualFunc(was.Functions, c.routes.Functions, resident.Route.Same) {
		c.objects.Assign(c.routes.Types, func(o *object, to *resident.Kind) {
			if c.rehome(o, to) && !o.Resting() {
				c.wake(o)
				c.rest(o)
			}
		})
		for _, p := range c.programs {
			c.release(p)
		}
		c.recount()
	}
	strays := c.strays
	c.strays = nil
	for _, env := range strays {
		c.sort(env)
	}
}

// rehome gives an object to another program, if nothing of it runs; else that is
// done when it has. It reports whether it was done.
func (c *Core) rehome(o *object, to *resident.Kind) bool {
	if !o.Resting() && o.Box.Running() {
		o.Moves = true
		return false
	}
	if o.Slot != 0 {
		c.idle.Take(o)
		o.Kind.Program.Drop(o)
	}
	o.Kind = to
	if o.Resting() {
		c.settle(o)
		return true
	}
	o.Ready = false
	if to.Program == nil {
		for env := range o.Box.All() {
			c.astray(env)
		}
		o.Box = turn.Mailbox{}
	}
	return true
}

// moved brings an object to whom it is to be of, when its turn has ended, and
// reports whether that is anybody.
func (c *Core) moved(o *object) bool {
	if o.Box.Running() {
		return true
	}
	o.Moves = false
	if c.rehome(o, c.objects.Home(o)); o.Kind.Program != nil {
		return true
	}
	strays := c.strays
	c.strays = nil
	for _, env := range strays {
		c.sort(env)
	}
	return false
}

// release takes from p what waits for it and is for others.
func (c *Core) release(p *Program) {
	gone := func(o *object) bool { return o.Kind.Program != p }
	p.Ready = slices.DeleteFunc(p.Ready, gone)
	p.AsideObjects.Filter(gone)
	lost := func(env *wire.Envelope) bool {
		if c.program(env) == p {
			return false
		}
		c.astray(env)
		return true
	}
	p.Funcs = slices.DeleteFunc(p.Funcs, lost)
	p.AsideFuncs.Filter(lost)
	p.Readers = slices.DeleteFunc(p.Readers, lost)
}

// astray puts a message among those for which somebody is to be found.
func (c *Core) astray(env *wire.Envelope) {
	env.Note &^= wire.Suspect
	env.Next = nil
	c.strays = append(c.strays, env)
}

// recount counts the suspects of each program.
func (c *Core) recount() {
	for _, p := range c.programs {
		p.Suspects = 0
	}
	c.eachMail(func(env *wire.Envelope) {
		if p := c.program(env); p != nil && env.Note&wire.Suspect != 0 {
			p.Suspects++
		}
	})
}

// program returns the program that runs a message, nil if none does.
func (c *Core) program(env *wire.Envelope) *Program {
	if env.To.Function() {
		return c.routes.Function(env.To.Method, func() uint64 { return c.stick(env) })
	}
	return c.routes.Object(env.To)
}

// stick returns what decides which version runs a call of a function: what its
// caller says, or its chain, or itself.
func (c *Core) stick(env *wire.Envelope) uint64 {
	switch {
	case env.Stick() != 0:
		return env.Stick()
	case env.Chain() != "":
		return deploy.Hash(string(env.Chain()))
	}
	return deploy.Hash("") ^ c.seed(env)
}
