package core

import (
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// spareWorks bounds what is kept for objects that get work: enough for those of
// a few frames, and not for all there ever were at once.
const spareWorks = 4096

// settle puts an object without work among the idle residents, or forgets it
// if nothing but its rows is left to know.
func (c *Core) settle(o *object) {
	if w := o.work; w != nil {
		if w.busy >= 0 || w.pend != nil || w.sealed != nil || w.detached > 0 {
			return
		}
		*w = work{busy: -1}
		if o.work = nil; len(c.works) < spareWorks {
			c.works = append(c.works, w)
		}
	}
	if o.slot == 0 {
		c.objects.Remove(o.id())
		return
	}
	if o.next == nil {
		o.used = c.now
		o.prev, o.next = c.idle.prev, &c.idle
		o.prev.next, o.next.prev = o, o
		c.nidle++
		c.bytes += int(o.size)
	}
}

func (c *Core) unlink(o *object) {
	if o.next != nil {
		o.prev.next, o.next.prev = o.next, o.prev
		o.next, o.prev = nil, nil
		c.nidle--
		c.bytes -= int(o.size)
	}
}

// evict forgets residents that are over the bounds, or unused for long.
func (c *Core) evict() {
	for o := c.idle.next; o != &c.idle; o = c.idle.next {
		over := c.nidle > c.cfg.MaxResident || c.bytes > c.cfg.MaxResidentBytes
		old := c.cfg.IdleAfter > 0 && o.used+wire.Time(c.cfg.IdleAfter) <= c.now
		if !over && !old {
			return
		}
		c.unlink(o)
		c.drops = append(c.drops, o.slot)
		c.release(o)
		c.objects.Remove(o.id())
		c.stats.Evicted++
	}
}

// release takes an object's slot back.
func (c *Core) release(o *object) {
	if o.slot != 0 {
		c.slots[o.slot] = nil
		c.free = append(c.free, o.slot)
		o.slot = 0
	}
}

func (c *Core) assign(o *object) turn.Slot {
	if n := len(c.free); n > 0 {
		o.slot, c.free = c.free[n-1], c.free[:n-1]
	} else {
		o.slot = turn.Slot(len(c.slots))
		c.slots = append(c.slots, nil)
	}
	c.slots[o.slot] = o
	return o.slot
}
