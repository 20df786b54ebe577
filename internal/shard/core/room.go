package core

import (
	"maps"

	"github.com/situ-dev/situ/internal/wire"
)

// room refuses what is over a bound, before anything is written.
func (c *Core) room(to wire.Address) error {
	if c.mail >= c.cfg.MaxQueued || c.held >= c.cfg.MaxQueuedBytes {
		return busyError("call", to.String(), "the queue of its shard")
	}
	if c.out.Unacked() > c.cfg.MaxOutbox {
		return busyError("call", to.String(), "the outbox of its shard")
	}
	if to.Function() || !c.crowded(to.Object()) {
		return nil
	}
	if len(c.crowds) < maxCrowds {
		if c.crowds == nil {
			c.crowds = map[wire.ObjectID]struct{}{}
		}
		if _, known := c.crowds[to.Object()]; !known {
			c.crowds[to.Object()], c.crowdsNew = struct{}{}, true
		}
	}
	return Crowded(to)
}

// crowded reports whether the mailbox of an object is full: it is when it has
// MaxMailbox messages, and from LongQueue messages on while the first of them
// has been there for longer than MaxWait, because who comes now would wait
// longer. A short queue may wait for a slow handler.
func (c *Core) crowded(id wire.ObjectID) bool {
	least := min(c.cfg.LongQueue, c.cfg.MaxMailbox)
	if c.mail < least {
		return false
	}
	o := c.objects.get(id)
	if o.resting() || o.box.Len() < least {
		return false
	}
	if o.box.Len() >= c.cfg.MaxMailbox {
		return true
	}
	first := o.box.First()
	return first != nil && c.now-max(first.Made, first.Due) > wire.Time(c.cfg.MaxWait)
}

// Crowded is the refusal of a call to an object whose mailbox is full.
func Crowded(to wire.Address) error {
	return busyError("call", to.String(), "the mailbox of the object")
}

// maxCrowds bounds the objects that the door is told of. Calls to others are
// refused here.
const maxCrowds = 64

// Crowds returns the objects that are crowded of those for which calls were
// refused, and whether they are others than at the last call. Who gets them
// must not change them.
func (c *Core) Crowds() (crowds map[wire.ObjectID]struct{}, changed bool) {
	changed, c.crowdsNew = c.crowdsNew, false
	for id := range c.crowds {
		if !c.crowded(id) {
			delete(c.crowds, id)
			changed = true
		}
	}
	if !changed {
		return nil, false
	}
	return maps.Clone(c.crowds), true
}
