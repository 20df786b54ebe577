package channel

import (
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/wire"
)

// Sweep looks for what was lost on the way, and appends to out what finds or
// mends it. A row that was the oldest at the sweep before and still is makes a
// question to the receiver, who may just be slow: nothing is sent again unless
// it says that it does not have it.
func (o *Outbox) Sweep(now wire.Time, out []Delivery) ([]Delivery, error) {
	for to, ch := range o.to {
		if len(o.flown[to]) == 0 && len(ch.rows) > 0 { // all rows are there to be read
			n := len(out)
			var err error
			if out, err = o.pump(out, to, ch); err != nil {
				return out, err
			}
			if len(out) > n {
				o.rescued++
			}
		}
		head := ch.unacknowledged()
		switch {
		case head == 0:
			ch.head = 0
		case head != ch.head:
			ch.head, ch.since = head, now
		case ch.sent > 0:
			first := ch.rows[ch.sent-1].last + 1
			out = append(out, Delivery{to, rows.Segment{From: o.from, First: first, Oldest: ch.rows[0].first}})
		}
	}
	return out, nil
}

// unacknowledged returns the number of the first message that is not
// acknowledged, 0 if there is none.
func (ch *channel) unacknowledged() wire.Seq {
	for i := range ch.rows {
		if ch.rows[i].bytes > 0 { // the last one stays when it is acknowledged, with none
			return ch.rows[i].first
		}
	}
	return 0
}

// Oldest returns when a sweep first saw the oldest row that is not acknowledged
// since, 0 if there is none.
func (o *Outbox) Oldest() (oldest wire.Time) {
	for _, ch := range o.to {
		if ch.head != 0 && ch.head == ch.unacknowledged() && (oldest == 0 || ch.since < oldest) {
			oldest = ch.since
		}
	}
	return oldest
}

// Rescued returns how often something had been lost on the way.
func (o *Outbox) Rescued() int { return o.rescued }

// again forgets the first n rows, which are acknowledged, and sends those after
// them again that the receiver says it does not have.
func (o *Outbox) again(a Ack, n int, out []Delivery) ([]Delivery, error) {
	ch := o.channel(a.From)
	if n > 0 {
		o.forget(a.From, ch, n)
	}
	sent, bytes := 0, 0
	for sent < ch.sent && ch.rows[sent].last < a.Want {
		bytes += ch.rows[sent].bytes
		sent++
	}
	if sent < ch.sent {
		o.rescued++
		ch.sent, ch.bytes = sent, bytes
	}
	return o.pump(out, a.From, ch)
}
