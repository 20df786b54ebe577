// Package channel holds the two ends of the channels between shards. A channel
// is a dense sequence of messages from one shard to another: the sender keeps
// them as rows of its outbox until they are acknowledged, the receiver commits
// a cursor together with what followed from them. A message at or below the
// cursor was seen, for ever; so each counts once, however often it is sent.
//
// Package core drives both ends from its goroutine. They read committed rows
// and write into a batch; they start nothing, wait for nothing, and never send
// anything themselves.
package channel

import (
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what the ends read of their shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Delivery is a segment on its way to a shard.
type Delivery struct {
	To      wire.ShardID
	Segment rows.Segment
}

// Ack tells a sender that its messages up to Last are consumed durably.
type Ack struct {
	From wire.ShardID // who received
	To   wire.ShardID // who sent
	Last wire.Seq
	Want wire.Seq // if not 0: messages from this one on did not arrive
	Told bool     // it answers a question
}
