package simtest

import (
	"slices"

	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/wire"
)

// channel carries segments from one shard to another, and acknowledgements
// back. In a node it is a queue in memory. Between nodes it is a connection:
// it keeps what was not acknowledged, and sends that again, from the beginning
// or from anywhere, when the connection breaks, when the receiver starts anew,
// or for no reason. What it never does is to leave one out.
type channel struct {
	w        *world
	from, to int
	segs     []parcel
	next     int // to be delivered
	acks     []core.Ack
}

type parcel struct {
	first, last wire.Seq
	seg         rows.Segment // in a node
	bytes       []byte       // between nodes: its messages
	oldest      wire.Seq
}

func (c *channel) send(s rows.Segment) {
	p := parcel{first: s.First, last: s.Last(), oldest: s.Oldest}
	if c.w.node {
		p.seg = s
	} else {
		p.bytes = rows.AppendSegment(nil, s.Envs)
	}
	c.segs = append(c.segs, p)
}

// deliver brings the next segment, and reports whether there was one.
func (c *channel) deliver() bool {
	to := c.w.shards[c.to]
	if c.next == len(c.segs) || to.core == nil {
		return false
	}
	p := c.segs[c.next]
	c.next++
	if c.w.node {
		c.segs, c.next = c.segs[1:], 0
		to.post(p.seg)
		return true
	}
	envs, err := rows.DecodeSegment(slices.Clone(p.bytes))
	if err != nil {
		c.w.fail("a segment cannot be decoded: %v", err)
	}
	to.post(rows.Segment{From: wire.ShardID(c.from), First: p.first, Envs: envs, Oldest: p.oldest})
	return true
}

// deliverAck brings an acknowledgement.
func (c *channel) deliverAck() bool {
	to := c.w.shards[c.from]
	if len(c.acks) == 0 || to.core == nil {
		return false
	}
	a := c.acks[0]
	c.acks = c.acks[1:]
	to.post(a)
	for len(c.segs) > 0 && c.segs[0].last <= a.Last {
		c.segs = c.segs[1:]
		c.next = max(c.next-1, 0)
	}
	return true
}

// poke does one random thing.
func (c *channel) poke() {
	r := c.w.rand
	switch {
	case !c.w.node && c.w.chance(c.w.faults.repeat) && c.next > 0:
		c.w.seen("segments sent again")
		c.next = r.IntN(c.next + 1)
	case !c.w.node && c.w.chance(c.w.faults.repeat) && len(c.acks) > 0:
		switch i := r.IntN(len(c.acks)); r.IntN(3) {
		case 0:
			c.w.seen("acknowledgement lost")
			c.acks = slices.Delete(c.acks, i, i+1)
		case 1:
			c.w.seen("acknowledgement twice")
			c.acks = append(c.acks, c.acks[i])
		default:
			j := r.IntN(len(c.acks))
			c.acks[i], c.acks[j] = c.acks[j], c.acks[i]
		}
	case r.IntN(2) == 0:
		c.deliverAck()
	default:
		c.deliver()
	}
}

// again sends everything once more that was not acknowledged.
func (c *channel) again() bool {
	if c.w.node || len(c.segs) == 0 {
		return false
	}
	c.next = 0
	return true
}
