package channel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard/channel"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Shard 1 sends to shard 2, which keeps what it took in the list taken.
const from, to, window = wire.ShardID(1), wire.ShardID(2), 400

// pair is the two ends of one channel on a store, and what is between them.
type pair struct {
	t      *testing.T
	st     *store.Store
	out    *channel.Outbox
	in     *channel.Inbox
	sent   int // messages
	taken  []string
	safe   int                // of taken: those before it are committed
	moving []channel.Delivery // on their way to the receiver
	next   int                // of moving: the next to arrive for the first time
	acks   []channel.Ack      // on their way to the sender
	told   wire.Seq           // the last message that the sender knows to be consumed
}

func newPair(t *testing.T) *pair {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	p := &pair{t: t, st: st}
	p.startSender()
	p.startReceiver()
	return p
}

// startSender has the sender begin anew from its rows. Messages that it had not
// committed are lost with it, and were never sent.
func (p *pair) startSender() {
	p.out = channel.NewOutbox(from, window, p.st.Shard(from))
	p.must(p.out.Open())
	p.moving, p.next, p.acks, p.told = nil, 0, nil, 0
	p.send(p.out.Resend(nil))
}

// startReceiver has the receiver begin anew, and all that was not acknowledged
// come again.
func (p *pair) startReceiver() {
	p.in = channel.NewInbox(to)
	p.must(p.in.Open(p.st.Shard(to)))
	p.taken, p.next = p.taken[:p.safe], 0
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) send(ds []channel.Delivery, err error) {
	p.t.Helper()
	p.must(err)
	for _, d := range ds {
		last, bytes := p.told, 0
		for _, m := range p.moving {
			last, bytes = max(last, m.Segment.Last()), bytes+len(rows.AppendSegment(nil, m.Segment.Envs))
		}
		if len(p.moving) > 0 && d.Segment.First != last+1 {
			p.t.Fatalf("after message %d, the segment from %d is sent", last, d.Segment.First)
		}
		if bytes >= window {
			p.t.Fatalf("more is sent while %d bytes are under way", bytes)
		}
		p.moving = append(p.moving, d)
	}
}

func (p *pair) commit(id wire.ShardID, seal func(*store.Batch)) {
	p.t.Helper()
	b := p.st.Shard(id).NewBatch(0)
	defer b.Close()
	seal(b)
	if b.Count() > 0 {
		_, err := p.st.Shard(id).Commit(b)
		p.must(err)
	}
}

// give commits n messages at the sender, and lets out what may leave. An
// acknowledgement may come between the two.
func (p *pair) give(n int, acknowledge bool) {
	p.t.Helper()
	for range n {
		p.sent++
		p.out.Send(to, &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "x", Key: strconv.Itoa(p.sent), Method: "m"}})
	}
	p.commit(from, p.out.Seal)
	if acknowledge && len(p.acks) > 0 {
		p.acknowledge()
	}
	p.send(p.out.Committed(nil))
}

// arrive brings one segment of moving, as bytes, so that no memory is shared.
func (p *pair) arrive(i int) {
	p.t.Helper()
	s := p.moving[i].Segment
	envs, err := rows.DecodeSegment(rows.AppendSegment(nil, s.Envs))
	p.must(err)
	p.acks = p.in.Put(rows.Segment{From: s.From, First: s.First, Envs: envs}, p.acks)
}

// take accepts at most room messages.
func (p *pair) take(room int) {
	p.t.Helper()
	p.in.Round()
	for room > 0 {
		envs, err := p.in.Next(room, nil)
		p.must(err)
		if len(envs) > room {
			p.t.Fatalf("%d messages where there was room for %d", len(envs), room)
		}
		if len(envs) == 0 {
			return
		}
		for _, env := range envs {
			p.taken = append(p.taken, env.To.Key)
		}
		room -= len(envs)
	}
}

// settle commits at the receiver what it has taken.
func (p *pair) settle() {
	p.t.Helper()
	p.commit(to, p.in.Seal)
	p.safe = len(p.taken)
	p.acks = p.in.Committed(p.acks)
}

// acknowledge brings the oldest acknowledgement to the sender.
func (p *pair) acknowledge() {
	p.t.Helper()
	a := p.acks[0]
	p.acks = p.acks[1:]
	p.told = max(p.told, a.Last)
	more, err := p.out.Ack(a, nil)
	p.moving = slices.DeleteFunc(p.moving, func(d channel.Delivery) bool {
		gone := d.Segment.Last() <= a.Last
		if gone && p.next > 0 {
			p.next--
		}
		return gone
	})
	p.send(more, err)
}

// check compares what was taken with what was sent.
func (p *pair) check() {
	p.t.Helper()
	for i, key := range p.taken {
		if key != strconv.Itoa(i+1) {
			p.t.Fatalf("message %d is %s", i+1, key)
		}
	}
	if len(p.taken) > p.sent {
		p.t.Fatalf("%d messages taken, %d sent", len(p.taken), p.sent)
	}
}

// TestWaiting counts messages, also beside a row that stays for its number, and
// after a start.
func TestWaiting(t *testing.T) {
	p := newPair(t)
	want := func(n int) {
		t.Helper()
		if got := p.out.Waiting(); got != n {
			t.Errorf("%d messages are not acknowledged, want %d", got, n)
		}
	}
	want(0)
	p.give(3, false)
	p.give(2, false)
	want(5)
	for i := range p.moving {
		p.arrive(i)
	}
	p.take(10)
	p.settle()
	for len(p.acks) > 0 {
		p.acks = append(p.acks[:1:1], p.acks...) // each comes twice
		p.acknowledge()
		p.acknowledge()
	}
	want(0)
	p.give(4, false)
	want(4)
	p.startSender()
	want(4 + 2) // the row that had stayed is not known to be acknowledged
}

// TestOnce sends, loses ends, sends again and acknowledges at random: in the
// end each message was taken once, in order, and nothing is left unacknowledged.
func TestOnce(t *testing.T) {
	for _, seed := range seed.Several(t, 12) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			p := newPair(t)
			for range 400 {
				p.random(rnd)
				p.check()
			}
			p.startSender()
			for range 1000 {
				for ; p.next < len(p.moving); p.next++ {
					p.arrive(p.next)
				}
				p.take(1 << 20)
				p.settle()
				for len(p.acks) > 0 {
					p.acknowledge()
				}
			}
			if p.check(); len(p.taken) != p.sent || p.out.Unacked() != 0 || p.out.Waiting() != 0 || p.in.Waiting() {
				t.Errorf("%d messages sent, %d taken, %d bytes not acknowledged, waiting %v", p.sent, len(p.taken), p.out.Unacked(), p.in.Waiting())
			}
		})
	}
}

func (p *pair) random(rnd *rand.Rand) {
	p.t.Helper()
	switch n := rnd.IntN(100); {
	case n < 30:
		p.give(rnd.IntN(5), n < 15)
	case n < 60 && p.next < len(p.moving):
		p.arrive(p.next)
		p.next++
	case n < 65 && p.next > 0:
		p.arrive(rnd.IntN(p.next))
	case n < 80:
		p.take(1 + rnd.IntN(4))
	case n < 90:
		p.settle()
	case n < 96 && len(p.acks) > 0:
		p.acknowledge()
	case n == 98:
		p.startSender()
	case n == 99:
		p.startReceiver()
	}
}

// TestWindow checks that no more leaves than there is room for, that the rest
// follows the acknowledgements, and that a committed message survives.
func TestWindow(t *testing.T) {
	p := newPair(t)
	for range 50 {
		p.give(1, false)
	}
	before := len(p.moving)
	if before == 0 || before > 40 {
		t.Fatalf("%d of 50 segments left a channel of %d bytes", before, window)
	}
	for p.next < before {
		p.arrive(p.next)
		p.next++
	}
	p.take(100)
	if p.settle(); len(p.acks) != 1 || p.acks[0] != (channel.Ack{From: to, To: from, Last: wire.Seq(before)}) {
		t.Fatalf("acknowledged: %v", p.acks)
	}
	if p.acknowledge(); len(p.moving) == 0 || p.moving[0].Segment.First != wire.Seq(before)+1 {
		t.Errorf("after the acknowledgement there are %d segments on their way", len(p.moving))
	}
}

// TestNumbers checks that the numbers of a channel go on after a start when
// all was acknowledged: the last row stays for it.
func TestNumbers(t *testing.T) {
	p := newPair(t)
	for range 3 {
		p.give(2, false)
	}
	p.send(p.out.Ack(channel.Ack{From: to, To: from, Last: 6}, nil))
	p.commit(from, p.out.Seal)
	var left int
	p.must(p.st.Shard(from).Scan(store.Outbox, nil, nil, func(_, _ []byte) (bool, error) { left++; return true, nil }))
	if left != 1 {
		t.Errorf("%d rows are left, want the last", left)
	}
	p.startSender()
	p.moving = nil
	if p.give(1, false); len(p.moving) != 1 || p.moving[0].Segment.First != 7 {
		t.Errorf("after a start, the next message is sent as %+v, want number 7", p.moving)
	}
}

// TestGap checks that a missing segment is an error, and that a repetition is
// acknowledged again.
func TestGap(t *testing.T) {
	p := newPair(t)
	p.give(2, false)
	p.give(1, false)
	for range 2 { // the second time nothing is new
		p.arrive(0)
		p.take(10)
		if p.settle(); len(p.taken) != 2 || len(p.acks) == 0 || p.acks[0].Last != 2 {
			t.Fatalf("taken %v, acknowledged %v", p.taken, p.acks)
		}
		p.acks = nil
	}
	s := p.moving[1].Segment
	s.First++
	if acks := p.in.Put(s, nil); len(acks) != 1 || acks[0].Want != 3 {
		t.Errorf("a gap that the sender can fill: %v", acks)
	}
	s.Oldest = s.First // it cannot
	p.acks = p.in.Put(s, p.acks)
	p.in.Round()
	if _, err := p.in.Next(10, nil); !fault.Is(err, fault.Internal) {
		t.Errorf("a gap: %v", err)
	}
}

// TestRescued loses acknowledgements. What the sender learns by asking counts as
// rescued, but for messages from before its start: those acknowledgements went
// with the node, and no wake-up was lost.
func TestRescued(t *testing.T) {
	p := newPair(t)
	ask := func() {
		t.Helper()
		for now := range wire.Time(2) { // the second sweep asks
			out, err := p.out.Sweep(1+now, nil)
			p.must(err)
			for _, d := range out {
				p.acks = p.in.Put(d.Segment, p.acks)
			}
		}
		p.acknowledge()
		if p.out.Unacked() != 0 {
			t.Fatalf("after the question %d bytes are not acknowledged", p.out.Unacked())
		}
	}
	lose := func() {
		t.Helper()
		p.give(1, false)
		p.arrive(len(p.moving) - 1)
		p.take(1)
		p.settle()
		p.acks = nil
	}
	lose()
	p.startSender()
	if ask(); p.out.Rescued() != 0 {
		t.Errorf("rescued: %d, but the acknowledgement went with the start", p.out.Rescued())
	}
	for n := range 3 {
		lose()
		if ask(); p.out.Rescued() != n+1 {
			t.Errorf("rescued: %d, want %d", p.out.Rescued(), n+1)
		}
	}
}

// TestFair checks that each source comes first in its turn.
func TestFair(t *testing.T) {
	in := channel.NewInbox(0)
	for id := range wire.ShardID(3) {
		s := rows.Segment{From: id + 1, First: 1}
		for range 4 {
			s.Envs = append(s.Envs, &wire.Envelope{To: wire.Address{Key: strconv.Itoa(int(id) + 1)}})
		}
		_ = in.Put(s, nil)
	}
	var got string
	for range 6 {
		in.Round()
		envs, err := in.Next(2, nil)
		if err != nil {
			t.Fatal(err)
		}
		got += envs[0].To.Key + envs[1].To.Key
	}
	if got != "223311223311" {
		t.Errorf("taken from %s", got)
	}
}
