package core

import (
	"time"

	"github.com/situ-dev/situ/internal/wire"
)

// Sweep looks for work that should be under way and is not, as if no wake-up
// could be relied on. It costs next to nothing while there is little work, and
// finds nothing unless there is a bug. TakeTime comes before it.
func (c *Core) Sweep() {
	for _, o := range c.busy {
		if o.Ready || !o.Box.Ready(c.tick) {
			continue
		}
		if c.wake(o); o.Ready {
			c.Rescue("an object with mail that may run", "object", o.ID().String())
		}
	}
	var err error
	c.events.Segments, err = c.out.Sweep(c.now, c.events.Segments)
	c.Fail(err)
	if n := c.out.Rescued(); n > c.rescues {
		c.rescues = n
		c.log.Warn(c.now, "a sweep found work that no wake-up had told of", "what", "messages or acknowledgements lost between shards")
	}
}

// Rescue counts that a sweep found work which no wake-up had told of.
func (c *Core) Rescue(what string, args ...any) {
	c.stats.Rescued++
	c.log.Warn(c.now, "a sweep found work that no wake-up had told of", append([]any{"what", what}, args...)...)
}

// overdue returns the age of the oldest thing that is due: a timer that has not
// fired, a message that may run, a row of the outbox that is not acknowledged.
// What waits for a handler or for a pause between attempts is not due.
func (c *Core) overdue() time.Duration {
	oldest := c.now
	if t, ok := c.timers.Next(); ok {
		oldest = min(oldest, t)
	}
	since := func(env *wire.Envelope) { oldest = min(oldest, c.now-env.Age(c.now)) }
	for _, p := range c.programs {
		first := func(o *object) {
			if env := o.Box.Queue(); env != nil {
				since(env)
			}
		}
		p.AsideObjects.All(first)
		for _, o := range p.Ready {
			first(o)
		}
		for _, env := range p.Funcs {
			since(env)
		}
		p.AsideFuncs.All(since)
	}
	for _, env := range c.strays {
		since(env)
	}
	if t := c.out.Oldest(); t != 0 {
		oldest = min(oldest, t)
	}
	return time.Duration(c.now - oldest)
}
