package core

import (
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// batch gathers the net effect of the turns between two commits (law 2).
type batch struct {
	objects []*object // with a pending change
	drops   []rowKey  // rows that go with the effects
	answers []Answer
	later   []*wire.Envelope // to be run when the batch is durable
	size    int              // bytes, roughly
	since   wire.Time        // tick at which the first turn's effects came in
}

type rowKey struct {
	table store.Table
	key   []byte
}

// reset forgets what was in b and keeps its memory.
func (b *batch) reset() {
	clear(b.objects)
	clear(b.answers)
	clear(b.drops)
	clear(b.later)
	*b = batch{objects: b.objects[:0], drops: b.drops[:0], answers: b.answers[:0], later: b.later[:0]}
}

func (b *batch) answer(w *Waiter, resp *wire.Response, err error) {
	b.answers = append(b.answers, Answer{w, resp, err})
}

func (b *batch) drop(t store.Table, key []byte) { b.drops = append(b.drops, rowKey{t, key}) }

// Wanted reports whether the batch has anything that must become durable.
func (c *Core) Wanted() bool {
	b := c.batch
	if len(b.objects)+len(b.drops)+len(b.answers)+len(b.later) > 0 {
		return true
	}
	return c.in.Dirty() || c.out.Dirty() || c.timers.Dirty() || c.records.Dirty() || c.dead.Dirty() || c.post.Dirty() || c.proms.Dirty() || c.account.Dirty() || c.ctl.Dirty()
}

// BatchSize returns about how many bytes Seal will write.
func (c *Core) BatchSize() int {
	return c.batch.size + c.ctl.Pauses.Size() + 64*len(c.batch.objects) + 1024
}

// eachMail calls f for the mail of every object and function.
func (c *Core) eachMail(f func(*wire.Envelope)) {
	for _, o := range c.busy {
		for env := range o.Box.All() {
			f(env)
		}
	}
	for _, p := range c.programs {
		for _, env := range p.Funcs {
			f(env)
		}
		p.AsideFuncs.All(f)
		for env := range p.Running {
			f(env)
		}
	}
	for env := range c.paused {
		f(env)
	}
	for _, env := range c.strays {
		f(env)
	}
}

// Seal closes the batch and writes it into rows. It returns false if there is
// nothing to commit; answers that were in it are then released at once.
func (c *Core) Seal(w *store.Batch) bool {
	b := c.batch
	c.sealObjects(b, w)
	c.post.Seal(w)
	c.timers.Seal(w)
	c.out.Seal(w)
	c.in.Seal(w)
	c.records.Seal(w)
	c.dead.Seal(w)
	c.ctl.Seal(w)
	c.proms.Seal(w)
	for _, r := range b.drops {
		w.Delete(r.table, r.key)
	}
	c.Fail(c.account.Seal(w))
	for _, p := range c.programs {
		p.Since = 0
	}
	c.flown, c.batch = b, c.spent
	if c.spent = nil; c.batch == nil {
		c.batch = &batch{}
	}
	return w.Count() > 0
}

// sealObjects writes the changed objects.
func (c *Core) sealObjects(b *batch, w *store.Batch) {
	for _, o := range b.objects {
		o.Sealed, o.Pend = o.Pend, nil
		c.buf = o.Sealed.SealElements(w, o.ID(), c.buf)
	}
	for _, o := range b.objects {
		c.buf = o.Sealed.SealRoot(w, o.ID(), o.Kind.Pin, c.buf)
	}
}

// Committed lets out what the commit under way has made durable (law 1).
func (c *Core) Committed() {
	b := c.flown
	c.flown = nil
	c.events.Answers = append(c.events.Answers, b.answers...)
	var err error
	c.events.Segments, err = c.out.Committed(c.events.Segments)
	c.Fail(err)
	c.events.Acks = c.in.Committed(c.events.Acks)
	c.timers.Committed()
	c.records.Committed()
	c.dead.Committed()
	c.account.Committed()
	c.ctl.Committed()
	c.proms.Committed()
	for _, env := range b.later {
		c.sort(env)
	}
	for _, o := range b.objects {
		o.Sealed = nil
		c.settle(o)
	}
	c.stats.Commits++
	b.reset()
	c.spent = b
}
