package h1

import (
	"errors"
	"time"
)

// ErrFull is returned for a body for which there is no room now.
var ErrFull = errors.New("large bodies and answers hold all the memory that they may")

// pressed is how long a large body may take to come, or a large answer to go,
// while all of them hold more than they may.
const pressed = time.Second

// hold counts n bytes that the connection holds until its exchange ends, and
// large is from where on that is done: what is smaller is in what a connection
// is reckoned to need.
func (c *Conn) hold(n int64) {
	c.held.Add(n)
	c.s.held.Add(n)
}

const large = 16 << 10

// holdBody is hold for a body that has n bytes by now, if there is room for it.
func (c *Conn) holdBody(n int64) error {
	if n <= large {
		return nil
	}
	if c.hold(n - c.held.Load()); c.s.held.Load() > c.s.limits.Held {
		c.letGo()
		return ErrFull
	}
	return nil
}

// letGo ends hold.
func (c *Conn) letGo() {
	if n := c.held.Load(); n != 0 {
		c.held.Store(0)
		c.s.held.Add(-n)
	}
}

// presses reports whether a step of the connection that has taken d is to end
// because others need the room. Who is slow is cut, and not who is next.
func (c *Conn) presses(step uint64, d time.Duration) bool {
	return d > pressed && (step == writing || step == inBody) && c.held.Load() > 0 && c.s.held.Load() >= c.s.limits.Held
}
