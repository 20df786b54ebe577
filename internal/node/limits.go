package node

import (
	"time"

	"github.com/situ-dev/situ/internal/heap"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
)

// Limits are the bounds of a node (law 10), in all its shards together. Zero
// fields get the defaults. What is over a bound gets a clear error before
// anything is written. Of two defaults, the lesser counts.
type Limits struct {
	Payload       int           // bytes of one input; default 1 MiB (413)
	InFlight      int64         // bytes of inputs that are not answered; default 256 MiB or a quarter of GOMEMLIMIT (429)
	Mailbox       int           // messages of one object, for callers outside; default 10,000 or a quarter of GOMEMLIMIT at 24 KiB (429)
	Queued        int           // messages in memory; default 800,000 (429)
	Resident      int           // idle objects in memory; default 2,000,000
	ResidentBytes int64         // bytes of their state; default 2 GiB or a quarter of GOMEMLIMIT
	IdleAfter     time.Duration // idle objects leave memory; default 10 minutes
	KeepAnswers   time.Duration // answers of keyed and of asynchronous calls; default 24 hours
	MinFree       uint64        // bytes of free disk under which writes are refused; default 64 MiB (507)
}

// callBytes is what a small call over HTTP is reckoned to need with its
// connection. The connections have half of the memory limit (internal/ingress/h1),
// and the calls of one object half of that: it never takes all of them.
const callBytes = 24 << 10

// withDefaults returns l with the defaults that the node itself needs.
func (l Limits) withDefaults() Limits {
	if l.Payload == 0 {
		l.Payload = 1 << 20
	}
	if l.InFlight == 0 {
		l.InFlight = heap.AtMost(256<<20, 4)
	}
	return l
}

// apply sets what l says in the configuration of one of n shards.
func (l Limits) apply(c *shard.Config, n int) {
	set(&c.MaxMailbox, l.Mailbox)
	set(&c.MaxQueued, (l.Queued+n-1)/n)
	set(&c.MaxResident, (l.Resident+n-1)/n)
	set(&c.MaxResidentBytes, int(l.ResidentBytes+int64(n)-1)/n)
	// What these hold together must leave room for the rest of the process.
	if c.MaxResidentBytes == 0 {
		c.MaxResidentBytes = int(heap.AtMost(int64(n)*(256<<20), 4)) / n
	}
	if c.MaxMailbox == 0 {
		c.MaxMailbox = int(heap.AtMost(10_000*callBytes, 4) / callBytes)
	}
	if c.MaxQueuedBytes == 0 {
		c.MaxQueuedBytes = int(heap.AtMost(int64(n)*(64<<20), 8)) / n
	}
	set(&c.IdleAfter, l.IdleAfter)
	set(&c.KeepAnswers, l.KeepAnswers)
}

func (l Limits) store(o *store.Options) { set(&o.MinFree, l.MinFree) }

// set overrides *p with v, unless v is zero.
func set[T comparable](p *T, v T) {
	var zero T
	if v != zero {
		*p = v
	}
}
