package core

import (
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// suspect marks a message that may have killed a worker.
func (c *Core) suspect(env *wire.Envelope) {
	if p := c.program(env.To); p != nil && env.Note&wire.Suspect == 0 {
		env.Note |= wire.Suspect
		p.suspects++
	}
}

// clear takes the mark off.
func (c *Core) clear(env *wire.Envelope) {
	if env.Note&wire.Suspect != 0 {
		env.Note &^= wire.Suspect
		c.program(env.To).suspects--
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
	if fl := c.frames[p.frame]; fl != nil && p.flying {
		fl.unsent = true
	}
}

func (c *Core) lost(p *Program, died bool, why string) {
	for _, seq := range slices.Sorted(maps.Keys(c.frames)) { // older work first
		fl := c.frames[seq]
		if fl.prog != p {
			continue
		}
		delete(c.frames, seq)
		if fl.trial && p.flying && seq == p.frame {
			c.cfg.Trials.End(p.name)
		}
		for i := range fl.tasks {
			if t := &fl.tasks[i]; t.env != nil { // not reported
				c.lostTask(t, fl, died, why)
			}
		}
	}
	p.flying, p.hosted, p.drops = false, false, nil
	for _, o := range p.slots {
		if o != nil {
			c.unlink(o)
			o.slot = 0
			c.settle(o)
		}
	}
	p.slots, p.free = p.slots[:1], p.free[:0]
}

func (c *Core) lostTask(t *flightTask, fl *flight, died bool, why string) {
	var crash *wire.Failure
	if died && (fl.trial || !fl.unsent) { // one that was to be tried still is
		c.suspect(t.env)
	}
	if died && fl.trial && !fl.unsent {
		crash = &wire.Failure{Kind: fault.Crashed.String(), Message: "the worker process died while it ran " + t.env.To.String() + why}
	}
	switch {
	case t.ro:
		c.putBack(t.env)
	case t.obj == nil:
		delete(fl.prog.running, t.env)
		if crash == nil || c.again(t.env, crash) {
			c.sort(t.env)
		}
	default:
		t.obj.detached = 0
		if crash != nil {
			c.failed(t.obj, t.env, crash)
		}
		if t.obj.box.Running() {
			t.obj.box.Return(t.obj.box.Until())
		}
		c.wake(t.obj)
		c.rest(t.obj)
	}
}
