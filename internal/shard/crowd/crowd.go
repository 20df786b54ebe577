// Package crowd is what a shard has too much of, and how it says so to who comes
// on top. It decides nothing: package core finds the crowds, and doors ask here
// before they read what a caller sends.
package crowd

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Most bounds the objects that the door is told of. Calls to others are refused
// in the shard.
const Most = 64

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
		return Mailbox(r.To)
	}
	if cr.Slow && Waits(r) {
		return Shard(r.To)
	}
	return nil
}

// Waits reports whether the caller waits for the answer of an object, and not
// only until the call is durable. Who does is refused if that would be long.
func Waits(r *wire.Request) bool { return !r.Async && !r.To.Function() }

// Mailbox is the refusal of a call of an object that has too many.
func Mailbox(to wire.Address) error { return Busy(to, "the mailbox of the object") }

// Shard is the refusal of a call when its shard has too many.
func Shard(to wire.Address) error { return Busy(to, "the queue of its shard") }

// Busy is the refusal of a call because what is full, of kind fault.Busy.
func Busy(to wire.Address, what string) error {
	e := fault.New(fault.Busy, "call", to.String(), "%s is full: try again later", what)
	e.Retry = 1e9
	return e
}
