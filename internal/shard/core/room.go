package core

import (
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/wire"
)

// room refuses what is over a bound, before anything is written.
func (c *Core) room(r *wire.Request) error {
	if err := c.ctl.Pauses.Refuse(r, c.now); err != nil {
		return err
	}
	if c.Full() || waits(r) && c.slow(c.program(r.To)) {
		return shardFull(r.To)
	}
	if c.out.Unacked() > c.cfg.MaxOutbox {
		return busyError("call", r.To.String(), "the outbox of its shard")
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
	if !full && !waits(r) {
		return nil
	}
	return mailboxFull(r.To)
}

// waits reports whether the caller waits for the answer of an object, and not
// only until the call is durable. Who does is refused if that would be long.
func waits(r *wire.Request) bool { return !r.Async && !r.To.Function() }

// crowded reports whether the mailbox of an object takes no calls: it is full
// when it has MaxMailbox messages, and long, for those who wait for the answer,
// from LongQueue messages on if the last would wait for longer than MaxWait. A
// short queue may wait for a slow handler.
func (c *Core) crowded(id wire.ObjectID) (full, long bool) {
	least := min(c.cfg.LongQueue, c.cfg.MaxMailbox)
	if c.mail < least {
		return false, false
	}
	o := c.objects.get(id)
	if o.resting() || o.box.Len() < least {
		return false, false
	}
	n, most, first := o.box.Len(), wire.Time(c.cfg.MaxWait), o.box.First()
	return n >= c.cfg.MaxMailbox, c.now-max(first.Made, first.Due) > most/10 && o.pace.Wait(n, c.tick) > most
}

// slow reports whether an object of p that becomes ready is likely to wait for
// much longer than MaxWait until it is its turn: the one that became so first
// waits for twice as long already. What turns take differs too much between
// objects to tell it from how many there are.
func (c *Core) slow(p *Program) bool {
	return p != nil && len(p.ready) >= c.cfg.LongQueue && c.tick-p.ready[0].since > 2*wire.Time(c.cfg.MaxWait)
}

func mailboxFull(to wire.Address) error {
	return busyError("call", to.String(), "the mailbox of the object")
}

func shardFull(to wire.Address) error {
	return busyError("call", to.String(), "the queue of its shard")
}

// Crowds is what a shard has too much of. Nobody changes one that was told.
type Crowds struct {
	Objects map[wire.ObjectID]bool // false: take no calls of those who wait for the answer; true: of nobody

	slow     []*Program          // whose objects take no calls of those who wait: they would wait for long
	programs map[string]*Program // by type
}

// Refuse returns the refusal of a call, nil if the shard is to be asked.
func (cr *Crowds) Refuse(r *wire.Request) error {
	if r.To.Function() {
		return nil
	}
	if full, there := cr.Objects[r.To.Object()]; there && (full || waits(r)) {
		return mailboxFull(r.To)
	}
	if len(cr.slow) > 0 && waits(r) && slices.Contains(cr.slow, cr.programs[r.To.Type]) {
		return shardFull(r.To)
	}
	return nil
}

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
		if slow := c.slow(p); slow != p.slow {
			p.slow, changed = slow, true
		}
	}
	if !changed {
		return nil, false
	}
	crowds = &Crowds{Objects: maps.Clone(c.crowds.Objects), programs: c.objects.progs}
	for _, p := range c.programs {
		if p.slow {
			crowds.slow = append(crowds.slow, p)
		}
	}
	if len(crowds.slow)+len(crowds.Objects) == 0 {
		return nil, true
	}
	return crowds, true
}
