package core

import (
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/wire"
)

// spareWorks bounds what is kept for objects that get work: enough for those of
// a few frames, and not for all there ever were at once.
const spareWorks = 4096

// settle puts an object without work among the idle residents, or forgets it
// if nothing but its rows is left to know.
func (c *Core) settle(o *object) {
	if w := o.Work; w != nil {
		if w.Busy >= 0 || w.Pend != nil || w.Sealed != nil || w.Detached > 0 {
			return
		}
		*w = resident.Work{Busy: -1}
		if o.Work = nil; len(c.works) < spareWorks {
			c.works = append(c.works, w)
		}
	}
	if o.Slot == 0 {
		c.objects.Remove(o)
		return
	}
	c.idle.Put(o, c.now)
}

// evict forgets residents that are over the bounds, or unused for long.
func (c *Core) evict() {
	for o, used := c.idle.First(); o != nil; o, used = c.idle.First() {
		over := c.idle.Len > c.cfg.MaxResident || c.idle.Bytes > c.cfg.MaxResidentBytes
		old := c.cfg.IdleAfter > 0 && used+wire.Time(c.cfg.IdleAfter) <= c.now
		if !over && !old {
			return
		}
		c.idle.Take(o)
		o.Kind.Program.Drop(o)
		c.objects.Remove(o)
		c.stats.Evicted++
	}
}
