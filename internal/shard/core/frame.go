package core

import (
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/change"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// NextFrame composes the next frame for the host, nil if there is nothing to
// run now.
func (c *Core) NextFrame() *turn.Frame {
	if c.set == nil || c.flying || c.err != nil {
		return nil
	}
	if c.batch.size > c.cfg.MaxCommit && c.flown != nil {
		return nil // what ran already must become durable first
	}
	room := c.cfg.FrameTasks
	if waiting := len(c.ready) + len(c.funcs); waiting < room {
		c.takeChannels(room - waiting)
	}
	if len(c.ready) == 0 && len(c.readers) == 0 && (len(c.funcs) == 0 || len(c.running) >= c.cfg.MaxFunctions) {
		return nil
	}
	fl := c.landed
	if c.landed = nil; fl == nil {
		fl = &flight{}
	}
	f := &fl.frame
	f.Seq, f.Now = c.frame+1, c.now
	if !c.addSuspect(f, fl) {
		c.addObjects(f, fl)
		c.addReaders(f, fl)
		c.addFunctions(f, fl)
	}
	if len(f.Tasks) == 0 {
		if fl.trial {
			c.cfg.Trials.End()
		}
		*fl = flight{frame: turn.Frame{Tasks: f.Tasks}, tasks: fl.tasks}
		c.landed = fl
		return nil
	}
	f.Drop, c.drops = c.drops, nil
	c.frame = f.Seq
	c.frames[f.Seq] = fl
	c.flying = true
	c.stats.Frames++
	return f
}

// addSuspect makes a frame of one message that ran when a worker died, if
// there is one and no other shard tries one now: should the worker die again,
// it is known why.
func (c *Core) addSuspect(f *turn.Frame, fl *flight) bool {
	if c.suspects == 0 {
		return false
	}
	isSuspect := func(env *wire.Envelope) bool { return env.Note&wire.Suspect != 0 }
	obj := slices.IndexFunc(c.ready, func(o *object) bool { return o.box.Ready(c.tick) && isSuspect(o.box.Queue()) })
	fn := slices.IndexFunc(c.funcs, isSuspect)
	if obj < 0 && fn < 0 {
		return false
	}
	if !c.cfg.Trials.Begin() {
		c.trialAt = c.tick + 2e6 // ask again then
		return false
	}
	fl.trial, c.trialAt = true, 0
	if obj >= 0 {
		o := c.ready[obj]
		c.ready = slices.Delete(c.ready, obj, obj+1)
		o.ready = false
		c.clear(o.box.Queue())
		c.addMail(f, fl, o, 1)
		return true
	}
	env := c.funcs[fn]
	c.funcs = slices.Delete(c.funcs, fn, fn+1)
	c.clear(env)
	if !c.stop(env) {
		c.addFunction(f, fl, env)
	}
	return true
}

// suspect marks a message that may have killed a worker.
func (c *Core) suspect(env *wire.Envelope) {
	if env.Note&wire.Suspect == 0 {
		env.Note |= wire.Suspect
		c.suspects++
	}
}

// clear takes the mark off.
func (c *Core) clear(env *wire.Envelope) {
	if env.Note&wire.Suspect != 0 {
		env.Note &^= wire.Suspect
		c.suspects--
	}
}

// addObjects takes mail of ready objects, in the order in which they became
// ready, a fair share each. Suspects stay for a frame of their own.
func (c *Core) addObjects(f *turn.Frame, fl *flight) {
	var later []*object
	for len(c.ready) > 0 && len(f.Tasks) < c.cfg.FrameTasks {
		o := c.ready[0]
		c.ready[0] = nil
		c.ready = c.ready[1:]
		if o.box.Ready(c.tick) && o.box.Queue().Note&wire.Suspect != 0 {
			later = append(later, o)
			continue
		}
		o.ready = false
		share := max(c.cfg.FrameTasks/(len(c.ready)+1), 16)
		c.addMail(f, fl, o, min(share, c.cfg.FrameTasks-len(f.Tasks)))
	}
	c.ready = append(c.ready, later...)
}

func (c *Core) addMail(f *turn.Frame, fl *flight, o *object, n int) {
	o.pace.Look(c.tick)
	if n = c.stopMail(o, n); n == 0 {
		return
	}
	env := o.box.Queue()
	if c.suspects > 0 {
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
			c.assign(o)
		}
		t.Slot = o.slot
		f.Tasks = append(f.Tasks, t)
		fl.tasks = append(fl.tasks, flightTask{obj: o, env: env})
	}
}

// addReaders runs read-only calls of objects whose own turn takes long, on a
// copy of what they were before it.
func (c *Core) addReaders(f *turn.Frame, fl *flight) {
	for len(c.readers) > 0 && len(f.Tasks) < c.cfg.FrameTasks {
		env := c.readers[0]
		c.readers[0] = nil
		c.readers = c.readers[1:]
		f.Tasks = append(f.Tasks, turn.Task{Env: env, Copy: true, Load: c.load(c.seen(env.To.Object())), Seed: c.seed(env)})
		fl.tasks = append(fl.tasks, flightTask{env: env, ro: true})
	}
}

func (c *Core) addFunctions(f *turn.Frame, fl *flight) {
	var later []*wire.Envelope
	for len(c.funcs) > 0 && len(f.Tasks) < c.cfg.FrameTasks && len(c.running) < c.cfg.MaxFunctions {
		env := c.funcs[0]
		c.funcs[0] = nil
		c.funcs = c.funcs[1:]
		if env.Note&wire.Suspect != 0 {
			later = append(later, env)
			continue
		}
		if !c.stop(env) {
			c.addFunction(f, fl, env)
		}
	}
	c.funcs = append(c.funcs, later...)
}

func (c *Core) addFunction(f *turn.Frame, fl *flight, env *wire.Envelope) {
	c.running[env] = struct{}{}
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
	var pend, sealed *change.Change
	if !o.resting() {
		pend, sealed = o.pend, o.sealed
	}
	st, size, err := change.Load(c.rows, o.id(), pend, sealed)
	if c.Fail(err); size >= 0 {
		o.size = uint32(size)
	}
	return st
}

// LostHost takes back what a host had that is gone. Nothing of an unreported
// frame has been used, so its tasks simply run again. If the host died, the
// one that may have killed it is found by trying each alone.
func (c *Core) LostHost(died bool) { c.lost(died, "") }

// DeadHost is LostHost(true) when it is known why.
func (c *Core) DeadHost(why string) { c.lost(true, ": "+why) }

// Unsent notes, before DeadHost, that nobody got the frame under way: the host
// was dead already.
func (c *Core) Unsent() {
	if fl := c.frames[c.frame]; fl != nil && c.flying {
		fl.unsent = true
	}
}

func (c *Core) lost(died bool, why string) {
	for _, seq := range slices.Sorted(maps.Keys(c.frames)) { // older work first
		fl := c.frames[seq]
		delete(c.frames, seq)
		if fl.trial && c.flying && seq == c.frame {
			c.cfg.Trials.End()
		}
		for i := range fl.tasks {
			if t := &fl.tasks[i]; t.env != nil { // not reported
				c.lostTask(t, fl, died, why)
			}
		}
	}
	c.flying, c.set, c.drops = false, nil, nil
	for _, o := range c.slots {
		if o != nil {
			c.unlink(o)
			o.slot = 0
			c.settle(o)
		}
	}
	c.slots, c.free = c.slots[:1], c.free[:0]
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
		delete(c.running, t.env)
		if crash == nil || c.again(t.env, crash) {
			c.funcs = append(c.funcs, t.env)
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
