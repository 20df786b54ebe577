package core

import (
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// batch gathers the net effect of the turns between two commits (law 2).
type batch struct {
	objects []*object // with a pending change
	drops   []rowKey  // rows that go with the effects
	answers []Answer
	size    int       // bytes, roughly
	since   wire.Time // tick at which the first turn's effects came in
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
	*b = batch{objects: b.objects[:0], drops: b.drops[:0], answers: b.answers[:0]}
}

func (b *batch) answer(w *Waiter, resp *wire.Response, err error) {
	b.answers = append(b.answers, Answer{w, resp, err})
}

func (b *batch) drop(t store.Table, key []byte) { b.drops = append(b.drops, rowKey{t, key}) }

// Wanted reports whether the batch has anything that must become durable.
func (c *Core) Wanted() bool {
	b := c.batch
	if len(b.objects)+len(b.drops)+len(b.answers) > 0 {
		return true
	}
	return c.in.Dirty() || c.out.Dirty() || c.timers.Dirty() || c.records.Dirty() || c.dead.Dirty() || c.unsaved()
}

// BatchSize returns about how many bytes Seal will write.
func (c *Core) BatchSize() int { return c.batch.size + 64*len(c.batch.objects) + 1024 }

// SealNow reports whether the batch is to be sealed now. While there is more to
// run it waits a little: what those turns consume, and what they change again,
// is then never written (law 2). In a hurry it does not wait.
func (c *Core) SealNow(hurry bool) bool {
	if c.flown != nil || c.flying || c.err != nil || !c.Wanted() {
		return false
	}
	b := c.batch
	return hurry || !c.runnable() || b.since == 0 || c.tick-b.since >= wire.Time(c.cfg.RunAhead) || b.size >= c.cfg.MaxCommit
}

// runnable reports whether NextFrame has something to run.
func (c *Core) runnable() bool {
	if c.set == nil {
		return false
	}
	if len(c.ready)+len(c.readers) > 0 || len(c.funcs) > 0 && len(c.running) < c.cfg.MaxFunctions {
		return true
	}
	return c.in.Waiting() && !c.Full()
}

// unsaved reports whether mail that must survive a crash has no row.
func (c *Core) unsaved() bool {
	for n := len(c.fresh); n > 0; n-- {
		if unsaved(c.fresh[n-1]) {
			return true
		}
		c.fresh = c.fresh[:n-1]
	}
	return false
}

// unsaved reports whether env must survive a crash and no row says it as it is.
func unsaved(env *wire.Envelope) bool {
	return env.Note&(wire.Volatile|wire.Gone) == 0 && (env.Note&(wire.InMail|wire.InTimers) == 0 || env.Note&wire.Stale != 0)
}

// eachMail calls f for the mail of every object and function.
func (c *Core) eachMail(f func(*wire.Envelope)) {
	for _, o := range c.busy {
		for env := range o.box.All() {
			f(env)
		}
	}
	for _, env := range c.funcs {
		f(env)
	}
	for env := range c.running {
		f(env)
	}
	for env := range c.paused {
		f(env)
	}
}

// Seal closes the batch and writes it into rows. It returns false if there is
// nothing to commit; answers that were in it are then released at once.
func (c *Core) Seal(w *store.Batch) bool {
	b := c.batch
	c.sealObjects(b, w)
	c.sealMail(w)
	c.timers.Seal(w)
	c.out.Seal(w)
	c.in.Seal(w)
	c.records.Seal(w)
	c.dead.Seal(w)
	for _, r := range b.drops {
		w.Delete(r.table, r.key)
	}
	c.flown, c.batch = b, c.spent
	if c.spent = nil; c.batch == nil {
		c.batch = &batch{}
	}
	return w.Count() > 0
}

// sealObjects writes the changed objects, in the order of their rows: sorted
// rows are what Pebble takes fastest.
func (c *Core) sealObjects(b *batch, w *store.Batch) {
	slices.SortFunc(b.objects, func(x, y *object) int {
		if x.typ != y.typ {
			return strings.Compare(*x.typ, *y.typ)
		}
		return strings.Compare(x.key, y.key)
	})
	for _, o := range b.objects {
		p := o.pend
		o.sealed, o.pend = p, nil
		if p.clear {
			from, to := rows.EntriesOf(o.id())
			w.DeleteRange(store.Entries, from, to)
		}
		for _, e := range p.net() {
			c.buf = rows.AppendEntryKey(c.buf[:0], o.id(), e)
			if e.Value == nil {
				w.Delete(store.Entries, c.buf)
			} else {
				w.Set(store.Entries, c.buf, e.Value)
			}
		}
	}
	for _, o := range b.objects {
		p := o.sealed
		c.buf = rows.AppendObjectKey(c.buf[:0], o.id())
		if p.clear {
			w.Delete(store.Objects, c.buf)
		}
		if p.root != nil {
			key := len(c.buf)
			c.buf = rows.AppendObjectHead(c.buf, p.modified, p.size)
			w.Set(store.Objects, c.buf[:key], c.buf[key:], p.root)
		}
	}
}

// sealMail writes the mail that is still there: what was sent and consumed
// since the last seal is never written. A timer that has failed becomes mail,
// with its attempts, and is a timer no more: as both it would run twice.
func (c *Core) sealMail(w *store.Batch) {
	for _, env := range c.fresh {
		if !unsaved(env) {
			continue
		}
		c.buf = wire.AppendEnvelope(c.buf[:0], env)
		w.Set(store.Mail, rows.SeqKey(env.Seq), c.buf)
		if env.Note&wire.InTimers != 0 {
			w.Delete(store.Timers, rows.TimerKey(env.Due, env.Seq))
		}
		env.Note = env.Note&^(wire.Stale|wire.InTimers) | wire.InMail
	}
	clear(c.fresh)
	c.fresh = c.fresh[:0]
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
	for _, o := range b.objects {
		o.sealed = nil
		c.settle(o)
	}
	c.stats.Commits++
	b.reset()
	c.spent = b
}
