package resident

import (
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Crowds is what a shard has too much of. Nobody changes one that was told.
type Crowds struct {
	Objects map[wire.ObjectID]bool // false: take no calls of those who wait for the answer; true: of nobody
	Slow    []*Program             // whose objects take no calls of those who wait: they would wait for long
	Routes  map[string]Route       // by type
}

// Refuse returns the refusal of a call, nil if the shard is to be asked.
func (cr *Crowds) Refuse(r *wire.Request) error {
	if r.To.Function() {
		return nil
	}
	if full, there := cr.Objects[r.To.Object()]; there && (full || Waits(r)) {
		return MailboxFull(r.To)
	}
	if len(cr.Slow) > 0 && Waits(r) && slices.Contains(cr.Slow, cr.Routes[r.To.Type].object(r.To.Type, r.To.Key)) {
		return ShardFull(r.To)
	}
	return nil
}

// Waits reports whether the caller waits for the answer of an object, and not
// only until the call is durable. Who does is refused if that would be long.
func Waits(r *wire.Request) bool { return !r.Async && !r.To.Function() }

// MailboxFull and ShardFull are refusals of a call to an address.
func MailboxFull(to wire.Address) error {
	return Full("call", to.String(), "the mailbox of the object")
}

// ShardFull is the refusal for all objects of a program.
func ShardFull(to wire.Address) error { return Full("call", to.String(), "the queue of its shard") }

// Full is a refusal, of kind fault.Busy, because what is full.
func Full(op, on, what string) error {
	e := fault.New(fault.Busy, op, on, "%s is full: try again later", what)
	e.Retry = 1e9
	return e
}
