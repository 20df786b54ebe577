package core

import (
	"maps"

	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/wire"
)

// room refuses what is over a bound, before anything is written.
func (c *Core) room(r *wire.Request) error {
	if err := c.ctl.Pauses.Refuse(r, c.now); err != nil {
		return err
	}
	if c.Full() || resident.Waits(r) && c.slow(c.routes.Object(r.To)) {
		return resident.ShardFull(r.To)
	}
	if c.out.Unacked() > c.cfg.MaxOutbox {
		return resident.Full("call", r.To.String(), "the outbox of its shard")
	}
	if r.To.Function() {
		return nil
	}
	id := r.To.Object()
	full, long := c.crowded(id)
	if !full && !long {
		return nil
	}
	if was, known := c.crowds.Objects[id]; (!known || was != full) && len(c.crowds.Objects) < maxCrowds {
		if c.crowds.Objects == nil {
			c.crowds.Objects = map[wire.ObjectID]bool{}
		}
		c.crowds.Objects[id], c.crowdsNew = full, true
	}
	if !full && !resident.Waits(r) {
		return nil
	}
	return resident.MailboxFull(r.To)
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
	o := c.objects.Find(id)
	if o.Resting() || o.Box.Len() < least {
		return false, false
	}
	n, most, first := o.Box.Len(), wire.Time(c.cfg.MaxWait), o.Box.First()
	return n >= c.cfg.MaxMailbox, c.now-max(first.Made, first.Due) > most/10 && o.Pace.Wait(n, c.tick) > most
}

// slow reports whether an object of p that becomes ready is likely to wait for
// much longer than MaxWait until it is its turn: the one that became so first
// waits for twice as long already. What turns take differs too much between
// objects to tell it from how many there are.
func (c *Core) slow(p *Program) bool {
	return p != nil && len(p.Ready) >= c.cfg.LongQueue && c.tick-p.Ready[0].Since > 2*wire.Time(c.cfg.MaxWait)
}

// Crowds is what a shard has too much of.
type Crowds = resident.Crowds

// maxCrowds bounds the objects that the door is told of. Calls to others are
// refused here.
const maxCrowds = 64

// Crowds returns what the door is to refuse, nil for nothing, and whether that
// is other than at the last call. Of the objects it has those that are crowded
// and for which calls were refused.
func (c *Core) Crowds() (crowds *Crowds, changed bool) {
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
	for _, p := range c.programs {
		if slow := c.slow(p); slow != p.Slow {
			p.Slow, changed = slow, true
		}
	}
	if !changed {
		return nil, false
	}
	crowds = &Crowds{Objects: maps.Clone(c.crowds.Objects), Routes: c.objects.Routes()}
	for _, p := range c.programs {
		if p.Slow {
			crowds.Slow = append(crowds.Slow, p)
		}
	}
	if len(crowds.Slow)+len(crowds.Objects) == 0 {
		return nil, true
	}
	return crowds, true
}
