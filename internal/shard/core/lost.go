package core

import (
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/wire"
)

// suspect marks a message that may have killed a worker.
func (c *Core) suspect(env *wire.Envelope) {
	if p := c.program(env); p != nil && env.Note&wire.Suspect == 0 {
		env.Note |= wire.Suspect
		p.Suspects++
	}
}

// clear takes the mark off.
func (c *Core) clear(env *wire.Envelope) {
	if env.Note&wire.Suspect != 0 {
		env.Note &^= wire.Suspect
		if p := c.program(env); p != nil {
			p.Suspects--
		}
	}
}

// LostHost takes back what the host of p had, which is gone. Nothing of an unreported
// frame has been used, so its tasks simply run again. If the host died, the
// one that may have killed it is found by trying each alone.
func (c *Core) LostHost(p *Program, died bool) { c.lost(p, died, "") }

// DeadHost is LostHost(p, true) when it is known why.
func (c *Core) DeadHost(p *Program, why string) { c.lost(p, true, ": "+why) }

// Unsent notes, before DeadHost, that nobody got the frame under way: the host
// was dead already.
func (c *Core) Unsent(p *Program) {
	if fl := c.frames[p.Frame]; fl != nil && p.Flying {
		fl.Unsent = true
	}
}

func (c *Core) lost(p *Program, died bool, why string) {
	for _, seq := range slices.Sorted(maps.Keys(c.frames)) { // older work first
		fl := c.frames[seq]
		if fl.Program != p {
			continue
		}
		delete(c.frames, seq)
		if fl.Trial && p.Flying && seq == p.Frame {
			c.cfg.Trials.End(p.Name)
		}
		for i := range fl.Tasks {
			if t := &fl.Tasks[i]; t.Env != nil { // not reported
				c.lostTask(t, fl, died, why)
			}
		}
	}
	had := slices.Clone(p.Slots)
	p.Vacate()
	for _, o := range had {
		if o != nil {
			c.idle.Take(o)
			c.settle(o)
		}
	}
}

func (c *Core) lostTask(t *resident.Task, fl *resident.Flight, died bool, why string) {
	var crash *wire.Failure
	if died && (fl.Trial || !fl.Unsent) { // one that was to be tried still is
		c.suspect(t.Env)
	}
	if died && fl.Trial && !fl.Unsent {
		crash = &wire.Failure{Kind: fault.Crashed.String(), Message: "the worker process died while it ran " + t.Env.To.String() + why}
	}
	if crash != nil && fl.Program.Figures != nil {
		fl.Program.Figures.Result(nil)
	}
	switch {
	case t.Copy:
		c.putBack(t.Env)
	case t.Object == nil:
		delete(fl.Program.Running, t.Env)
		if crash == nil || c.again(t.Env, crash) {
			c.sort(t.Env)
		}
	default:
		t.Object.Detached = 0
		if crash != nil {
			c.failed(t.Object, t.Env, crash)
		}
		if t.Object.Box.Running() {
			t.Object.Box.Return(t.Object.Box.Until())
		}
		c.wake(t.Object)
		c.rest(t.Object)
	}
}
