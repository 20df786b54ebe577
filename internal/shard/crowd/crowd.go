// Package crowd is what a shard has too much of, as its door is told: so calls
// that would be refused are refused before they reach the shard. It does
// nothing of its own.
package crowd

import (
	"maps"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// most bounds the objects that the door is told of. Calls to others are
// refused by the shard.
const most = 64

// Crowds is what a shard has too much of. Nobody changes one that was told.
type Crowds struct {
	Slow    bool                   // all objects: who waits for the answer would wait for long
	Objects map[wire.ObjectID]bool // false: take no calls of those who wait for the answer; true: of nobody
}

// Note keeps that a call to an object was refused, and reports whether that is
// news.
func (cr *Crowds) Note(id wire.ObjectID, full bool) bool {
	if was, known := cr.Objects[id]; known && was == full || len(cr.Objects) >= most {
		return false
	}
	if cr.Objects == nil {
		cr.Objects = map[wire.ObjectID]bool{}
	}
	cr.Objects[id] = full
	return true
}

// Told returns a copy to be told, nil if there is nothing to refuse.
func (cr *Crowds) Told() *Crowds {
	if !cr.Slow && len(cr.Objects) == 0 {
		return nil
	}
	return &Crowds{cr.Slow, maps.Clone(cr.Objects)}
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

// Mailbox is the refusal of a call to an object that has too much to do.
func Mailbox(to wire.Address) error { return Busy("call", to.String(), "the mailbox of the object") }

// Shard is the refusal of a call to an object whose shard has too much to do.
func Shard(to wire.Address) error { return Busy("call", to.String(), "the queue of its shard") }

// Busy returns the error, of kind fault.Busy, that what is full.
func Busy(op, on, what string) error {
	e := fault.New(fault.Busy, op, on, "%s is full: try again later", what)
	e.Retry = 1e9
	return e
}
