package core

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/shard/delta"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// seen returns what is known of an object, without giving it work.
func (c *Core) seen(id wire.ObjectID) *object {
	if o := c.objects.Find(id); o != nil {
		return o
	}
	return &object{Kind: &resident.Kind{Name: id.Type}, Key: id.Key}
}

// View returns an object's latest state, from memory and rows together. Who
// asked may be told when the batch is committed.
func (c *Core) View(id wire.ObjectID) (*turn.State, wire.ObjectInfo, error) {
	o := c.seen(id)
	info := wire.ObjectInfo{ID: id}
	if b, ok, err := c.rows.Get(store.Objects, rows.ObjectKey(id)); err != nil {
		return nil, info, err
	} else if ok {
		row, err := rows.DecodeObject(b)
		if err != nil {
			return nil, info, err
		}
		info.Size, info.Modified = row.Size, row.Modified
	}
	if !o.Resting() {
		for _, ch := range []*delta.Change{o.Sealed, o.Pend} {
			if ch == nil {
				continue
			}
			info.Size, info.Modified = ch.Size, ch.Modified
		}
	}
	st := c.load(o)
	if st.Root == nil && len(st.Entries) == 0 {
		return nil, info, fault.New(fault.NotFound, "get", id.String(), "there is no such object")
	}
	return st, info, c.err
}

// InFrame reports whether a turn of the object is in a frame that is out:
// Remove must wait for its report.
func (c *Core) InFrame(id wire.ObjectID) bool {
	o := c.objects.Find(id)
	return !o.Resting() && o.Box.Running() && o.Detached == 0
}

// Remove deletes an object's state from outside.
func (c *Core) Remove(id wire.ObjectID) error {
	if o := c.objects.Find(id); !o.Resting() && o.Detached > 0 {
		e := fault.New(fault.Conflict, "delete", id.String(), "a turn of it is running: try again")
		e.Retry = 1e9
		return e
	}
	if _, _, err := c.View(id); err != nil {
		return err
	}
	o := c.object(id)
	c.idle.Take(o)
	if o.Slot != 0 {
		o.Kind.Program.Drop(o)
	}
	if o.Pend == nil {
		c.batch.objects = append(c.batch.objects, o)
	}
	o.Pend = delta.Cleared(c.now)
	o.Size = 0
	return nil
}

// ForgetDead removes a dead letter.
func (c *Core) ForgetDead(id string) error {
	_, err := c.dead.Take(id)
	return err
}

// RunningOf returns the calls of a chain that run, and since when.
func (c *Core) RunningOf(chain wire.InvocationID) map[wire.SpanID]wire.Time {
	running := map[wire.SpanID]wire.Time{}
	for run, env := range c.frames.Of(chain) {
		if span := env.Span(); span != nil {
			running[span.ID] = run.Since
		}
	}
	return running
}

// Add counts what ran beside the shards.
func (c *Core) Add(lines []meter.Line) { c.account.Add(lines) }

// Hurry makes what was counted a reason to commit: the shard is about to stop.
func (c *Core) Hurry() { c.account.Hurry() }

// Await has w answered when the invocation id is finished, or with the batch
// if it is.
func (c *Core) Await(id wire.InvocationID, w *Waiter) {
	waits, err := c.records.Await(id, w)
	c.Fail(err)
	if !waits {
		c.AnswerLater(w)
	}
}

// AnswerLater has w answered when all that was done so far is durable.
func (c *Core) AnswerLater(w *Waiter) { c.batch.answer(w, nil, nil) }
