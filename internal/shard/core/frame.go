package core

import (
	"slices"

	"github.com/situ-dev/situ/internal/shard/delta"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// NextFrame composes the next frame for the host of p, nil if there is nothing
// for it to run now.
func (c *Core) NextFrame(p *Program) *turn.Frame {
	if !p.idle() || c.err != nil {
		return nil
	}
	if c.batch.size > c.cfg.MaxCommit && c.flown != nil {
		return nil // what ran already must become durable first
	}
	c.takeChannels()
	if !p.runnable(c.cfg.MaxFunctions) {
		return nil
	}
	fl := p.landed
	if p.landed = nil; fl == nil {
		fl = &flight{prog: p}
	}
	f := &fl.frame
	f.Seq, f.Shard, f.Now = c.frame+1, c.id, c.now
	if !c.addSuspect(f, fl) {
		c.addObjects(f, fl)
		c.addReaders(f, fl)
		c.addFunctions(f, fl)
	}
	if len(f.Tasks) == 0 {
		if fl.trial {
			c.cfg.Trials.End(p.name)
		}
		*fl = flight{prog: p, frame: turn.Frame{Tasks: f.Tasks}, tasks: fl.tasks}
		p.landed = fl
		return nil
	}
	f.Drop, p.drops = p.drops, nil
	c.frame = f.Seq
	c.frames[f.Seq] = fl
	p.frame, p.flying, p.began = f.Seq, true, c.tick
	c.stats.Frames++
	return f
}

// addSuspect makes a frame of one message that ran when a worker died, if
// there is one and no other shard tries one now: should the worker die again,
// it is known why.
func (c *Core) addSuspect(f *turn.Frame, fl *flight) bool {
	p := fl.prog
	if p.suspects == 0 {
		return false
	}
	isSuspect := func(env *wire.Envelope) bool { return env.Note&wire.Suspect != 0 }
	obj := slices.IndexFunc(p.ready, func(o *object) bool { return o.box.Ready(c.tick) && isSuspect(o.box.Queue()) })
	fn := slices.IndexFunc(p.funcs, isSuspect)
	if obj < 0 && fn < 0 {
		return false
	}
	if !c.cfg.Trials.Begin(p.name) {
		p.trialAt = c.tick + 2e6 // ask again then
		return false
	}
	fl.trial, p.trialAt = true, 0
	if obj >= 0 {
		o := p.ready[obj]
		p.ready = slices.Delete(p.ready, obj, obj+1)
		o.ready = false
		c.clear(o.box.Queue())
		c.addMail(f, fl, o, 1)
		return true
	}
	env := p.funcs[fn]
	p.funcs = slices.Delete(p.funcs, fn, fn+1)
	c.clear(env)
	if !c.stop(env) {
		c.addFunction(f, fl, env)
	}
	return true
}

// addObjects takes mail of ready objects, in the order in which they became
// ready, a fair share each. Suspects stay for a frame of their own.
func (c *Core) addObjects(f *turn.Frame, fl *flight) {
	p := fl.prog
	var later []*object
	for len(p.ready) > 0 && len(f.Tasks) < c.cfg.FrameTasks {
		o := p.ready[0]
		p.ready[0] = nil
		p.ready = p.ready[1:]
		if o.box.Ready(c.tick) && o.box.Queue().Note&wire.Suspect != 0 {
			later = append(later, o)
			continue
		}
		o.ready = false
		share := max(c.cfg.FrameTasks/(len(p.ready)+1), 16)
		c.addMail(f, fl, o, min(share, c.cfg.FrameTasks-len(f.Tasks)))
	}
	p.ready = append(p.ready, later...)
}

func (c *Core) addMail(f *turn.Frame, fl *flight, o *object, n int) {
	o.pace.Look(c.tick)
	if n = c.stopMail(o, n); n == 0 {
		return
	}
	env := o.box.Queue()
	if fl.prog.suspects > 0 {
		for i, e := 0, env; i < n && e != nil; i, e = i+1, e.Next {
			if i > 0 && e.Note&wire.Suspect != 0 {
				n = i
			}
		}
	}
	n, solo := o.box.Take(c.tick, n)
	for ; n > 0; n, env = n-1, env.Next {
		t := turn.Task{Env: env, Solo: solo, Seed: c.seed(env)}
		if o.slot == 0 {
			t.Load = c.load(o)
			fl.prog.assign(o)
		}
		t.Slot = o.slot
		f.Tasks = append(f.Tasks, t)
		fl.tasks = append(fl.tasks, flightTask{obj: o, env: env})
	}
}

// addReaders runs read-only calls of objects whose own turn takes long, on a
// copy of what they were before it.
func (c *Core) addReaders(f *turn.Frame, fl *flight) {
	p := fl.prog
	for len(p.readers) > 0 && len(f.Tasks) < c.cfg.FrameTasks {
		env := p.readers[0]
		p.readers[0] = nil
		p.readers = p.readers[1:]
		f.Tasks = append(f.Tasks, turn.Task{Env: env, Copy: true, Load: c.load(c.seen(env.To.Object())), Seed: c.seed(env)})
		fl.tasks = append(fl.tasks, flightTask{env: env, ro: true})
	}
}

func (c *Core) addFunctions(f *turn.Frame, fl *flight) {
	p := fl.prog
	var later []*wire.Envelope
	for len(p.funcs) > 0 && len(f.Tasks) < c.cfg.FrameTasks && len(p.running) < c.cfg.MaxFunctions {
		env := p.funcs[0]
		p.funcs[0] = nil
		p.funcs = p.funcs[1:]
		if env.Note&wire.Suspect != 0 {
			later = append(later, env)
			continue
		}
		if !c.stop(env) {
			c.addFunction(f, fl, env)
		}
	}
	p.funcs = append(p.funcs, later...)
}

func (c *Core) addFunction(f *turn.Frame, fl *flight, env *wire.Envelope) {
	fl.prog.running[env] = struct{}{}
	f.Tasks = append(f.Tasks, turn.Task{Env: env, Seed: c.seed(env)})
	fl.tasks = append(fl.tasks, flightTask{env: env})
}

// seed makes the seed of a turn's random source from its message: the same
// whenever the same message is run.
func (c *Core) seed(env *wire.Envelope) uint64 {
	if w, ok := env.Local.(*Waiter); ok && w.Seed != 0 {
		return w.Seed // it ran with it before it came here
	}
	h := uint64(env.Seq)*0x9e3779b97f4a7c15 + uint64(env.Made)
	h ^= h >> 29
	return h*0xbf58476d1ce4e5b9 + uint64(c.id)
}

// load returns the latest state of an object: its rows, under what is changed
// and not committed.
func (c *Core) load(o *object) *turn.State {
	c.stats.Loads++
	var pend, sealed *delta.Change
	if !o.resting() {
		pend, sealed = o.pend, o.sealed
	}
	st, size, err := delta.Load(c.rows, o.id(), pend, sealed)
	if c.Fail(err); size >= 0 {
		o.size = uint32(size)
	}
	return st
}
