package channel

import (
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Inbox is the receiving ends of all channels to one shard.
type Inbox struct {
	to      wire.ShardID
	sources []*source // as they came
	byID    map[wire.ShardID]*source
	first   int                       // whose turn it is among the sources
	at      int                       // how many of them had theirs in this round
	moved   map[wire.ShardID]wire.Seq // cursors since the last Seal
	flown   map[wire.ShardID]wire.Seq // cursors in the commit under way
}

// source is the receiving end of a channel from another shard.
type source struct {
	from   wire.ShardID
	cursor wire.Seq // the last message taken
	safe   wire.Seq // the last taken durably
	last   wire.Seq // the last that arrived
	queue  []rows.Segment
	asked  bool // messages are missing, and the sender was told
}

// NewInbox returns the inbox of shard to, where nothing has arrived yet.
func NewInbox(to wire.ShardID) *Inbox {
	return &Inbox{to: to, byID: map[wire.ShardID]*source{}, moved: map[wire.ShardID]wire.Seq{}, flown: map[wire.ShardID]wire.Seq{}}
}

// Open reads the cursors, so that nothing is taken twice.
func (in *Inbox) Open(committed Rows) error {
	return committed.Scan(store.Inbox, nil, nil, func(k, v []byte) (bool, error) {
		from, err := rows.SplitShard(store.Inbox, k)
		if err != nil {
			return false, err
		}
		d := wire.Decoder{Buf: v}
		for n, ok := d.Next(); ok; n, ok = d.Next() {
			if n == 1 {
				src := in.source(from)
				src.cursor = wire.Seq(d.Int())
				src.safe, src.last = src.cursor, src.cursor
			}
		}
		return true, d.Err()
	})
}

func (in *Inbox) source(from wire.ShardID) *source {
	src := in.byID[from]
	if src == nil {
		src = &source{from: from}
		in.byID[from] = src
		in.sources = append(in.sources, src)
	}
	return src
}

// Put queues a segment that arrived, or answers a question, and appends to acks
// what is to be said to the sender now. Segments of one sender arrive in order,
// but some may come again. One before which others are missing that the sender
// still has is left out: the sender is told, once, and sends all of them again.
func (in *Inbox) Put(s rows.Segment, acks []Ack) []Ack {
	src := in.source(s.From)
	next, question := src.last+1, len(s.Envs) == 0
	missing := s.First > next && s.Oldest != 0 && s.Oldest <= next
	switch {
	case missing && (question || !src.asked):
		src.asked = true
		return append(acks, Ack{From: in.to, To: s.From, Last: src.safe, Want: next, Told: question})
	case missing:
		return acks
	case question && s.First <= next:
		return append(acks, Ack{From: in.to, To: s.From, Last: src.safe, Told: true})
	}
	src.asked, src.last = false, max(src.last, s.Last())
	src.queue = append(src.queue, s)
	return acks
}

// Waiting reports whether any segment is queued.
func (in *Inbox) Waiting() bool {
	for _, src := range in.sources {
		if len(src.queue) > 0 {
			return true
		}
	}
	return false
}

// Round begins a round of Next. Each source comes first in its turn: fair, and
// the same in every replay.
func (in *Inbox) Round() { in.first, in.at = in.first+1, 0 }

// Next returns at most room of the next messages of one source, which are
// taken with that; none when the round is over. Those that were seen before
// are left out. If may is not nil, a message that it refuses stays, with all
// behind it of its source. A gap is an error of kind Internal: it can only be a
// bug or damage.
func (in *Inbox) Next(room int, may func(*wire.Envelope) bool) ([]*wire.Envelope, error) {
	for ; in.at < len(in.sources); in.at++ {
		src := in.sources[(in.first+in.at)%len(in.sources)]
		for len(src.queue) > 0 {
			s := &src.queue[0]
			if s.First > src.cursor+1 {
				return nil, fault.New(fault.Internal, "shard.take", "", "messages %d to %d from %v are missing", src.cursor+1, s.First-1, src.from)
			}
			if skip := src.cursor + 1 - s.First; skip > 0 { // a segment that was sent again
				drop(s, int(min(skip, wire.Seq(len(s.Envs)))))
			}
			envs := s.Envs[:min(room, len(s.Envs))]
			if may != nil && len(envs) > 0 {
				n := slices.IndexFunc(envs, func(env *wire.Envelope) bool { return !may(env) })
				if n == 0 {
					break
				}
				if n > 0 {
					envs = envs[:n]
				}
			}
			drop(s, len(envs))
			src.cursor = max(src.cursor, s.First-1)
			in.moved[src.from] = src.cursor // of a repetition, too: its sender missed the acknowledgement
			if len(s.Envs) == 0 {
				src.queue[0] = rows.Segment{} // what was consumed is held no longer
				src.queue = src.queue[1:]
			}
			if len(envs) > 0 {
				return envs, nil
			}
		}
	}
	return nil, nil
}

// drop takes the first n messages out of s.
func drop(s *rows.Segment, n int) { s.Envs, s.First = s.Envs[n:], s.First+wire.Seq(n) }

// Dirty reports whether a cursor has moved since the last Seal.
func (in *Inbox) Dirty() bool { return len(in.moved) > 0 }

// Seal writes the cursors into the commit that holds the effects of the
// messages.
func (in *Inbox) Seal(w *store.Batch) {
	for from, cursor := range in.moved {
		var e wire.Encoder
		e.Int(1, uint64(cursor))
		w.Set(store.Inbox, rows.ShardKey(from), e.Buf)
	}
	in.moved, in.flown = in.flown, in.moved
}

// Committed appends to acks what the senders may forget now, because the
// commit sealed last is durable.
func (in *Inbox) Committed(acks []Ack) []Ack {
	for from, cursor := range in.flown {
		in.source(from).safe = cursor
		acks = append(acks, Ack{From: in.to, To: from, Last: cursor})
	}
	clear(in.flown)
	return acks
}
