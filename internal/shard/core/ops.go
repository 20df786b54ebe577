package core

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/delta"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// seen returns what is known of an object, without giving it work.
func (c *Core) seen(id wire.ObjectID) *object {
	if o := c.objects.get(id); o != nil {
		return o
	}
	return &object{kind: &kind{name: id.Type}, key: id.Key}
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
	if !o.resting() {
		for _, ch := range []*delta.Change{o.sealed, o.pend} {
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
	o := c.objects.get(id)
	return !o.resting() && o.box.Running() && o.detached == 0
}

// Remove deletes an object's state from outside.
func (c *Core) Remove(id wire.ObjectID) error {
	if o := c.objects.get(id); !o.resting() && o.detached > 0 {
		e := fault.New(fault.Conflict, "delete", id.String(), "a turn of it is running: try again")
		e.Retry = 1e9
		return e
	}
	if _, _, err := c.View(id); err != nil {
		return err
	}
	o := c.object(id)
	c.unlink(o)
	if o.slot != 0 {
		o.kind.prog.drop(o)
	}
	if o.pend == nil {
		c.batch.objects = append(c.batch.objects, o)
	}
	o.pend = delta.Cleared(c.now)
	o.size = 0
	return nil
}

// ForgetDead removes a dead letter.
func (c *Core) ForgetDead(id string) error {
	_, err := c.dead.Take(id)
	return err
}

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
