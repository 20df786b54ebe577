package shard

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// op is something to do on the core between frames. Its answer leaves when
// what it saw and did is durable.
type op struct {
	do   func(*core) (after *waiter, err error)
	done func(error)
}

// Objects come from memory and rows together: the latest state, told only when
// it is durable.
func (c *core) view(id wire.ObjectID) (*turn.State, wire.ObjectInfo, error) {
	o, known := c.objects[id]
	if !known {
		o = &object{id: id, busy: -1}
	}
	info := wire.ObjectInfo{ID: id}
	if b, ok, err := c.rows.Get(store.Objects, objectKey(id)); err != nil {
		return nil, info, err
	} else if ok {
		row, err := decodeObject(b)
		if err != nil {
			return nil, info, err
		}
		info.Size, info.Modified = row.size, row.modified
	}
	for _, ch := range []*change{o.sealed, o.pend} {
		if ch != nil {
			info.Size, info.Modified = ch.size, ch.modified
		}
	}
	st := c.load(o)
	if st.Root == nil && len(st.Entries) == 0 {
		return nil, info, fault.New(fault.NotFound, "get", id.String(), "there is no such object")
	}
	return st, info, c.err
}

// remove deletes an object's state from outside.
func (c *core) remove(id wire.ObjectID) error {
	if o := c.objects[id]; o != nil && o.detached > 0 {
		e := fault.New(fault.Conflict, "delete", id.String(), "a turn of it is running: try again")
		e.Retry = 1e9
		return e
	}
	if _, _, err := c.view(id); err != nil {
		return err
	}
	o := c.object(id)
	c.unlink(o)
	if o.slot != 0 {
		c.drops = append(c.drops, o.slot)
		c.release(o)
	}
	if o.pend == nil {
		c.batch.objects = append(c.batch.objects, o)
	}
	o.pend = &change{clear: true, modified: c.now}
	o.size = 0
	return nil
}

func (c *core) deadSeq(id string) (wire.Seq, error) {
	_, num, ok := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(num, 10, 64)
	if !ok || err != nil {
		return 0, fault.New(fault.NotFound, "dead letter", id, "there is no such dead letter")
	}
	return wire.Seq(seq), nil
}

func (c *core) deadID(seq wire.Seq) string { return fmt.Sprintf("%d-%d", c.id, seq) }

// deadLetter reads a dead letter.
func (c *core) deadLetter(id string) (*wire.DeadLetter, wire.Seq, error) {
	seq, err := c.deadSeq(id)
	if err != nil {
		return nil, 0, err
	}
	b, ok, err := c.rows.Get(store.Dead, seqKey(seq))
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, fault.New(fault.NotFound, "dead letter", id, "there is no such dead letter")
	}
	d, err := decodeDead(id, b)
	return d, seq, err
}

// redrive runs a dead letter's message again, as if it had just arrived. Its
// caller was answered when it was given up, so nobody hears the answer.
func (c *core) redrive(id string) error {
	d, seq, err := c.deadLetter(id)
	if err != nil {
		return err
	}
	c.batch.buried = append(c.batch.buried, seq)
	c.stats.Dead--
	env := d.Envelope
	env.Attempt, env.Due, env.Back = 0, 0, nil
	c.accept(env)
	return nil
}

// forgetDead removes a dead letter.
func (c *core) forgetDead(id string) error {
	_, seq, err := c.deadLetter(id)
	if err != nil {
		return err
	}
	c.batch.buried = append(c.batch.buried, seq)
	c.stats.Dead--
	return nil
}
