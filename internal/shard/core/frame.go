package core

import (
	"slices"

	"github.com/situ-dev/situ/internal/shard/delta"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// NextFrame composes the next frame for the host of p, nil if there is nothing
// for it to run now.
func (c *Core) NextFrame(p *Program) *turn.Frame {
	if !p.Idle() || c.err != nil {
		return nil
	}
	if c.batch.size > c.cfg.MaxCommit && c.flown != nil {
		return nil // what ran already must become durable first
	}
	c.takeChannels()
	if !p.Runnable(c.cfg.MaxFunctions) {
		return nil
	}
	fl := p.Landed
	if p.Landed = nil; fl == nil {
		fl = &resident.Flight{Program: p}
	}
	f := &fl.Frame
	f.Seq, f.Shard, f.Now = c.frame+1, c.id, c.now
	p.Rank(c.cfg.FrameTasks)
	if !c.addSuspect(f, fl) {
		c.addObjects(f, fl)
		c.addReaders(f, fl)
		c.addFunctions(f, fl)
	}
	if len(f.Tasks) == 0 {
		if fl.Trial {
			c.cfg.Trials.End(p.Name)
		}
		*fl = resident.Flight{Program: p, Frame: turn.Frame{Tasks: f.Tasks}, Tasks: fl.Tasks}
		p.Landed = fl
		return nil
	}
	f.Drop, p.Drops = p.Drops, nil
	c.frame = f.Seq
	c.frames[f.Seq] = fl
	p.Frame, p.Flying, p.Began = f.Seq, true, c.tick
	c.stats.Frames++
	return f
}

// addSuspect makes a frame of one message that ran when a worker died, if
// there is one and no other shard tries one now: should the worker die again,
// it is known why.
func (c *Core) addSuspect(f *turn.Frame, fl *resident.Flight) bool {
	p := fl.Program
	if p.Suspects == 0 {
		return false
	}
	isSuspect := func(env *wire.Envelope) bool { return env.Note&wire.Suspect != 0 }
	obj := slices.IndexFunc(p.Ready, func(o *object) bool { return o.Box.Ready(c.tick) && isSuspect(o.Box.Queue()) })
	fn := slices.IndexFunc(p.Funcs, isSuspect)
	if obj < 0 && fn < 0 {
		return false
	}
	if !c.cfg.Trials.Begin(p.Name) {
		p.TrialAt = c.tick + 2e6 // ask again then
		return false
	}
	fl.Trial, p.TrialAt = true, 0
	if obj >= 0 {
		o := p.Ready[obj]
		p.Ready = slices.Delete(p.Ready, obj, obj+1)
		o.Ready = false
		c.clear(o.Box.Queue())
		c.addMail(f, fl, o, 1)
		return true
	}
	env := p.Funcs[fn]
	p.Funcs = slices.Delete(p.Funcs, fn, fn+1)
	c.clear(env)
	if !c.stop(env) {
		c.addFunction(f, fl, env)
	}
	return true
}

// addObjects takes mail of ready objects, in the order in which they became
// ready, a fair share each. Suspects stay for a frame of their own.
func (c *Core) addObjects(f *turn.Frame, fl *resident.Flight) {
	p := fl.Program
	var later []*object
	for len(p.Ready) > 0 && len(f.Tasks) < c.cfg.FrameTasks {
		o := p.Ready[0]
		p.Ready[0] = nil
		p.Ready = p.Ready[1:]
		if o.Box.Ready(c.tick) && o.Box.Queue().Note&wire.Suspect != 0 {
			later = append(later, o)
			continue
		}
		o.Ready = false
		share := max(c.cfg.FrameTasks/(len(p.Ready)+1), 16)
		c.addMail(f, fl, o, min(share, c.cfg.FrameTasks-len(f.Tasks)))
	}
	p.Ready = append(p.Ready, later...)
}

func (c *Core) addMail(f *turn.Frame, fl *resident.Flight, o *object, n int) {
	o.Pace.Look(c.tick)
	if n = c.stopMail(o, n); n == 0 {
		return
	}
	env := o.Box.Queue()
	if fl.Program.Suspects > 0 {
		for i, e := 0, env; i < n && e != nil; i, e = i+1, e.Next {
			if i > 0 && e.Note&wire.Suspect != 0 {
				n = i
			}
		}
	}
	n, solo := o.Box.Take(c.tick, n)
	for ; n > 0; n, env = n-1, env.Next {
		c.account.Begin(env)
		t := turn.Task{Env: env, Solo: solo, Seed: c.seed(env)}
		if o.Slot == 0 {
			t.Load = c.load(o)
			fl.Program.Assign(o)
		}
		t.Slot = o.Slot
		f.Tasks = append(f.Tasks, t)
		fl.Tasks = append(fl.Tasks, resident.Task{Object: o, Env: env})
	}
}

// addReaders runs read-only calls of objects whose own turn takes long, on a
// copy of what they were before it.
func (c *Core) addReaders(f *turn.Frame, fl *resident.Flight) {
	p := fl.Program
	for len(p.Readers) > 0 && len(f.Tasks) < c.cfg.FrameTasks {
		env := p.Readers[0]
		p.Readers[0] = nil
		p.Readers = p.Readers[1:]
		c.account.Begin(env)
		f.Tasks = append(f.Tasks, turn.Task{Env: env, Copy: true, Load: c.load(c.seen(env.To.Object())), Seed: c.seed(env)})
		fl.Tasks = append(fl.Tasks, resident.Task{Env: env, Copy: true})
	}
}

func (c *Core) addFunctions(f *turn.Frame, fl *resident.Flight) {
	p := fl.Program
	var later []*wire.Envelope
	for len(p.Funcs) > 0 && len(f.Tasks) < c.cfg.FrameTasks && len(p.Running) < c.cfg.MaxFunctions {
		env := p.Funcs[0]
		p.Funcs[0] = nil
		p.Funcs = p.Funcs[1:]
		if env.Note&wire.Suspect != 0 {
			later = append(later, env)
			continue
		}
		if !c.stop(env) {
			c.addFunction(f, fl, env)
		}
	}
	p.Funcs = append(p.Funcs, later...)
}

func (c *Core) addFunction(f *turn.Frame, fl *resident.Flight, env *wire.Envelope) {
	fl.Program.Running[env] = struct{}{}
	c.account.Begin(env)
	f.Tasks = append(f.Tasks, turn.Task{Env: env, Seed: c.seed(env)})
	fl.Tasks = append(fl.Tasks, resident.Task{Env: env})
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
	if !o.Resting() {
		pend, sealed = o.Pend, o.Sealed
	}
	st, size, err := delta.Load(c.rows, o.ID(), pend, sealed)
	if c.Fail(err); size >= 0 {
		o.Size = uint32(size)
	}
	return st
}
