package core

import "github.com/situ-dev/situ/internal/wire"

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
		c.objects.remove(o)
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
		o.kind.prog.drop(o)
		c.objects.remove(o)
		c.stats.Evicted++
	}
}
