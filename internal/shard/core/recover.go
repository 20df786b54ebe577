package core

import (
	"bytes"
	"encoding/binary"

	"github.com/situ-dev/situ/internal/due"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Open reads what a shard must know before it takes anything: its channels and
// their marks, so that nothing is taken twice; the mail that was not consumed;
// where its timers begin. Objects and records are read when they are needed.
func (c *Core) Open() error {
	steps := []func() error{c.openInbox, c.openOutbox, c.openMail, c.openTimers, c.openDead}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return c.err
}

func (c *Core) openInbox() error {
	return c.rows.Scan(store.Inbox, nil, nil, func(k, v []byte) (bool, error) {
		d := wire.Decoder{Buf: v}
		for n, ok := d.Next(); ok; n, ok = d.Next() {
			if n == 1 {
				c.source(wire.ShardID(binary.BigEndian.Uint16(k))).cursor = wire.Seq(d.Int())
			}
		}
		return true, d.Err()
	})
}

func (c *Core) openOutbox() error {
	return c.rows.Scan(store.Outbox, nil, nil, func(k, v []byte) (bool, error) {
		envs, err := rows.DecodeSegment(v)
		if err != nil {
			return false, err
		}
		first := wire.Seq(binary.BigEndian.Uint64(k[2:]))
		ch := c.channel(wire.ShardID(binary.BigEndian.Uint16(k)))
		ch.next = first + wire.Seq(len(envs))
		ch.rows = append(ch.rows, segmentRow{first, ch.next - 1, len(v)})
		c.unacked += len(v)
		return true, nil
	})
}

func (c *Core) openMail() error {
	return c.rows.Scan(store.Mail, nil, nil, func(k, v []byte) (bool, error) {
		env, err := wire.DecodeEnvelope(bytes.Clone(v))
		if err != nil {
			return false, err
		}
		env.Seq = wire.Seq(binary.BigEndian.Uint64(k))
		env.Note = wire.InMail
		c.arrival = max(c.arrival, env.Seq)
		c.put(env)
		return true, nil
	})
}

// openTimers finds the highest arrival number among the timers, and leaves
// reading them to the first refill.
func (c *Core) openTimers() error {
	none := true
	err := c.rows.Scan(store.Timers, nil, nil, func(k, _ []byte) (bool, error) {
		_, seq := rows.SplitTimer(k)
		c.arrival = max(c.arrival, seq)
		none = false
		return true, nil
	})
	if !none {
		c.timers = due.Resume[*wire.Envelope](c.cfg.TimerWindow)
	}
	return err
}

func (c *Core) openDead() error {
	return c.rows.Scan(store.Dead, nil, nil, func(k, _ []byte) (bool, error) {
		c.arrival = max(c.arrival, wire.Seq(binary.BigEndian.Uint64(k)))
		c.stats.Dead++
		return true, nil
	})
}

// Resend sends the rows of the outbox again after a start. Who has them
// already drops them.
func (c *Core) Resend() {
	for to, ch := range c.out {
		c.pump(to, ch)
	}
}
