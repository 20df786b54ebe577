package core

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Open reads what a shard must know before it takes anything: its channels and
// their marks, so that nothing is taken twice; the mail that was not consumed;
// where its timers begin. Objects and records are read when they are needed.
// The error names the shard; it is of kind fault.Corrupt if a row is damaged.
func (c *Core) Open() error {
	steps := []func() error{func() error { return c.in.Open(c.rows) }, c.out.Open, c.openMail, c.openTimers, c.openDead, c.openControl}
	for _, step := range steps {
		if err := step(); err != nil {
			return fault.Wrap(fault.KindOf(err), "shard.open", c.id.String(), err)
		}
	}
	return c.err
}

func (c *Core) openMail() error {
	return c.post.Open(func(env *wire.Envelope) {
		c.arrival = max(c.arrival, env.Seq)
		c.put(env)
	})
}

func (c *Core) openTimers() error {
	last, err := c.timers.Open()
	c.arrival = max(c.arrival, last)
	return err
}

func (c *Core) openDead() error {
	last, err := c.dead.Open()
	c.arrival = max(c.arrival, last)
	return err
}

func (c *Core) openControl() error {
	last, err := c.ctl.Open()
	c.arrival = max(c.arrival, last)
	return err
}

// Resend sends the rows of the outbox again after a start. Who has them
// already drops them.
func (c *Core) Resend() {
	var err error
	c.events.Segments, err = c.out.Resend(c.events.Segments)
	c.Fail(err)
}
