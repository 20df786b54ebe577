package channel

import (
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Outbox is the sending ends of all channels from one shard.
type Outbox struct {
	from    wire.ShardID
	window  int // bytes under way in one channel
	rows    Rows
	to      map[wire.ShardID]*channel
	unacked int                               // bytes in them that are not acknowledged
	waiting int                               // messages of which those are
	next    map[wire.ShardID][]*wire.Envelope // since the last Seal
	flown   map[wire.ShardID][]*wire.Envelope // in the commit under way
	tidy    []rowID                           // acknowledged: these may go now or later
	buf     []byte
	rescued int // how often something had been lost on the way
}

// channel is the sending end of a channel to another shard.
type channel struct {
	next  wire.Seq // number for the next message
	rows  []segmentRow
	sent  int      // rows that have been sent
	bytes int      // sent and not acknowledged
	old   wire.Seq // the last message from before the start

	head  wire.Seq  // the oldest that was not acknowledged at the last sweep, 0 for none
	since wire.Time // when a sweep saw that first
}

type segmentRow struct {
	first, last wire.Seq
	bytes       int
}

type rowID struct {
	to    wire.ShardID
	first wire.Seq
}

// maxTidy is how many rows may wait for a commit that has a reason of its own
// before they are one.
const maxTidy = 10_000

// NewOutbox returns the outbox of shard from, which holds nothing yet. At most
// about window bytes are under way to one shard; the others wait as rows, to
// be read from committed.
func NewOutbox(from wire.ShardID, window int, committed Rows) *Outbox {
	return &Outbox{from: from, window: window, rows: committed, to: map[wire.ShardID]*channel{},
		next: map[wire.ShardID][]*wire.Envelope{}, flown: map[wire.ShardID][]*wire.Envelope{}}
}

// Open finds the rows that are not acknowledged, and the number that is next
// in each channel.
func (o *Outbox) Open() error {
	return o.rows.Scan(store.Outbox, nil, nil, func(k, v []byte) (bool, error) {
		to, first, err := rows.SplitOutbox(k)
		if err != nil {
			return false, err
		}
		envs, err := rows.DecodeSegment(v)
		if err != nil {
			return false, err
		}
		ch := o.channel(to)
		ch.next = first + wire.Seq(len(envs))
		ch.old = ch.next - 1
		ch.rows = append(ch.rows, segmentRow{first, ch.next - 1, len(v)})
		o.unacked += len(v)
		o.waiting += len(envs)
		return true, nil
	})
}

func (o *Outbox) channel(to wire.ShardID) *channel {
	ch := o.to[to]
	if ch == nil {
		ch = &channel{next: 1}
		o.to[to] = ch
	}
	return ch
}

// Resend appends to out the rows that there is room for after a start. Who has
// them already drops them.
func (o *Outbox) Resend(out []Delivery) ([]Delivery, error) {
	var err error
	for to, ch := range o.to {
		if out, err = o.pump(out, to, ch); err != nil {
			break
		}
	}
	return out, err
}

// Send puts a message among those of the next Seal.
func (o *Outbox) Send(to wire.ShardID, env *wire.Envelope) {
	q := o.next[to]
	if q == nil {
		q = make([]*wire.Envelope, 0, 32) // one is rarely alone
	}
	o.next[to] = append(q, env)
}

// Dirty reports whether there is a reason to commit: messages, or many rows
// that may go.
func (o *Outbox) Dirty() bool { return len(o.next) > 0 || len(o.tidy) > maxTidy }

// Unacked returns how many bytes are not acknowledged.
func (o *Outbox) Unacked() int { return o.unacked }

// Waiting returns how many messages are not acknowledged.
func (o *Outbox) Waiting() int { return o.waiting }

// Seal writes the messages sent since the last one into the commit: one row
// for each shard that gets some.
func (o *Outbox) Seal(w *store.Batch) {
	for to, envs := range o.next {
		ch := o.channel(to)
		o.buf = rows.AppendSegment(o.buf[:0], envs)
		first := ch.next
		ch.next += wire.Seq(len(envs))
		ch.rows = append(ch.rows, segmentRow{first, ch.next - 1, len(o.buf)})
		o.unacked += len(o.buf)
		o.waiting += len(envs)
		w.Set(store.Outbox, rows.OutboxKey(to, first), o.buf)
	}
	o.next, o.flown = o.flown, o.next
	for _, r := range o.tidy {
		w.Delete(store.Outbox, rows.OutboxKey(r.to, r.first))
	}
	o.tidy = o.tidy[:0]
}

// Committed appends to out what may leave now, because the commit sealed last
// is durable.
func (o *Outbox) Committed(out []Delivery) ([]Delivery, error) {
	var err error
	for to, envs := range o.flown {
		ch := o.channel(to)
		// Rows are sent in order: straight from memory while nothing waits.
		if r := ch.rows[min(ch.sent, len(ch.rows)-1)]; ch.bytes < o.window && ch.sent == len(ch.rows)-1 && r.first == ch.next-wire.Seq(len(envs)) {
			out = append(out, o.deliver(to, ch, envs))
		} else if out, err = o.pump(out, to, ch); err != nil {
			break
		}
	}
	clear(o.flown)
	return out, err
}

// Ack forgets messages that their receiver has consumed durably, and appends
// to out what waited for room in the channel.
func (o *Outbox) Ack(a Ack, out []Delivery) ([]Delivery, error) {
	ch := o.channel(a.From)
	n, lost := 0, false
	for n < len(ch.rows) && ch.rows[n].last <= a.Last {
		lost = lost || ch.rows[n].bytes > 0 && ch.rows[n].last > ch.old
		if n < ch.sent { // after a start, the receiver may have more than was sent again
			ch.bytes -= ch.rows[n].bytes
		}
		if r := &ch.rows[n]; r.bytes > 0 {
			o.unacked -= r.bytes
			o.waiting -= int(r.last - r.first + 1)
		}
		n++
	}
	if a.Told && lost {
		o.rescued++ // an acknowledgement did not come, and not because of a start
	}
	if a.Want != 0 {
		return o.again(a, n, out)
	}
	if n == 0 {
		return out, nil
	}
	o.forget(a.From, ch, n)
	return o.pump(out, a.From, ch)
}

// forget forgets the first n rows of a channel, which are acknowledged.
func (o *Outbox) forget(to wire.ShardID, ch *channel, n int) {
	// The last row stays until there is another: it holds the channel's number.
	del := n
	if n == len(ch.rows) {
		del = n - 1
	}
	for _, r := range ch.rows[:del] {
		o.tidy = append(o.tidy, rowID{to, r.first})
	}
	if del < n {
		ch.rows[del].bytes = 0
	}
	ch.rows = ch.rows[del:]
	ch.sent = max(ch.sent, n) - del
}

// pump appends to out rows that had no room before.
func (o *Outbox) pump(out []Delivery, to wire.ShardID, ch *channel) ([]Delivery, error) {
	for ch.sent < len(ch.rows) && ch.bytes < o.window {
		b, ok, err := o.rows.Get(store.Outbox, rows.OutboxKey(to, ch.rows[ch.sent].first))
		if err != nil || !ok {
			return out, err // in the commit under way: Committed calls again
		}
		envs, err := rows.DecodeSegment(b)
		if err != nil {
			return out, err
		}
		out = append(out, o.deliver(to, ch, envs))
	}
	return out, nil
}

// deliver makes a delivery of the next row, which holds envs.
func (o *Outbox) deliver(to wire.ShardID, ch *channel, envs []*wire.Envelope) Delivery {
	r := ch.rows[ch.sent]
	ch.sent++
	ch.bytes += r.bytes
	return Delivery{to, rows.Segment{From: o.from, First: r.first, Envs: envs, Oldest: ch.rows[0].first}}
}
