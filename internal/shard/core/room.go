package core

import (
	"github.com/situ-dev/situ/internal/shard/crowd"
	"github.com/situ-dev/situ/internal/wire"
)

// room refuses what is over a bound, before anything is written.
func (c *Core) room(r *wire.Request) error {
	if err := c.ctl.Pauses.Refuse(r, c.now); err != nil {
		return err
	}
	if c.Full() || c.slow() && crowd.Waits(r) {
		return crowd.Shard(r.To)
	}
	if c.out.Unacked() > c.cfg.MaxOutbox {
		return crowd.Busy("call", r.To.String(), "the outbox of its shard")
	}
	if r.To.Function() {
		return nil
	}
	id := r.To.Object()
	full, long := c.crowded(id)
	if !full && !long {
		return nil
	}
	c.crowdsNew = c.crowds.Note(id, full) || c.crowdsNew
	if !full && !crowd.Waits(r) {
		return nil
	}
	return crowd.Mailbox(r.To)
}

// crowded reports whether the mailbox of an object takes no calls: it is full
// when it has MaxMailbox messages, and long, for those who wait for the answer,
// from LongQueue messages on if the last would wait for longer than MaxWait. A
// short queue may wait for a slow handler.
func (c *Core) crowded(id wire.ObjectID) (full, long bool) {
	least := min(c.cfg.LongQueue, c.cfg.MaxMailbox)
	if c.mail < least {
		return false, false
	}
	o := c.objects.Get(id)
	if o.resting() || o.box.Len() < least {
		return false, false
	}
	n, most, first := o.box.Len(), wire.Time(c.cfg.MaxWait), o.box.First()
	return n >= c.cfg.MaxMailbox, c.now-max(first.Made, first.Due) > most/10 && o.pace.Wait(n, c.tick) > most
}

// slow reports whether an object that becomes ready is likely to wait for much
// longer than MaxWait until it is its turn: the one that became so first waits
// for twice as long already. What turns take differs too much between objects
// to tell it from how many there are.
func (c *Core) slow() bool {
	return len(c.ready) >= c.cfg.LongQueue && c.tick-c.ready[0].since > 2*wire.Time(c.cfg.MaxWait)
}

// Crowds returns what the door is to refuse, nil for nothing, and whether that
// is other than at the last call. Of the objects it has those that are crowded
// and for which calls were refused.
func (c *Core) Crowds() (crowds *crowd.Crowds, changed bool) {
	changed, c.crowdsNew = c.crowdsNew, false
	for id, was := range c.crowds.Objects {
		full, long := c.crowded(id)
		switch {
		case !full && !long:
			delete(c.crowds.Objects, id)
			changed = true
		case full != was:
			c.crowds.Objects[id], changed = full, true
		}
	}
	if slow := c.slow(); slow != c.crowds.Slow {
		c.crowds.Slow, changed = slow, true
	}
	return c.crowds.Told(), changed
}
