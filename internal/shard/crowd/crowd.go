// Package crowd is what a shard tells the door of: the objects that take no
// calls now, so that a call to one is refused before it comes to the shard. It
// decides nothing; package core does.
package crowd

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Crowds is what a shard has too much of. Nobody changes one that was told.
type Crowds struct {
	Slow    bool                   // all objects: who waits for the answer would wait for long
	Objects map[wire.ObjectID]bool // false: take no calls of those who wait for the answer; true: of nobody
}

// Refuse returns the refusal of a call, nil if the shard is to be asked.
func (cr *Crowds) Refuse(r *wire.Request) error {
	if r.To.Function() {
		return nil
	}
	if full, there := cr.Objects[r.To.Object()]; there && (full || Waits(r)) {
		return MailboxFull(r.To)
	}
	if cr.Slow && Waits(r) {
		return ShardFull(r.To)
	}
	return nil
}

// Waits reports whether the caller waits for the answer of an object, and not
// only until the call is durable. Who does is refused if that would be long.
func Waits(r *wire.Request) bool { return !r.Async && !r.To.Function() }

// MailboxFull returns the refusal of a call to an object with too much mail.
func MailboxFull(to wire.Address) error {
	return Busy("call", to.String(), "the mailbox of the object")
}

// ShardFull returns the refusal of a call to a shard with too much to do.
func ShardFull(to wire.Address) error { return Busy("call", to.String(), "the queue of its shard") }

// Busy returns the error, of kind fault.Busy, of what is full.
func Busy(op, on, what string) error {
	e := fault.New(fault.Busy, op, on, "%s is full: try again later", what)
	e.Retry = 1e9
	return e
}
