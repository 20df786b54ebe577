package h1

import "sync/atomic"

// A Ticket is the right to answer a request whose answer somebody else may
// bring. The goroutine of the connection has it while it asks; it loses it if
// it is still asking when the answer, or the end of the time for it, is there:
// then the exchange is taken from it, and goes on without it.
//
// A Ticket serves one request after another, until Wait returns Left or Taken.
type Ticket struct {
	state  atomic.Uint64 // a state, and from its third bit on the number of the request
	answer chan struct{} // one for each time that Settle found somebody waiting
	seen   uint64        // the state when the server looked last; the server's own
}

// The states of a ticket. Who changes one to over answers the request.
const (
	asking  = iota // the goroutine of the connection is where the question goes
	waiting        // it waits
	settled        // the answer is there, and it has not come back
	over

	stateBits = 2
)

// NewTicket returns a ticket.
func NewTicket() *Ticket { return &Ticket{answer: make(chan struct{}, 1)} }

// Begin makes the ticket that of another request.
func (t *Ticket) Begin() { t.state.Store((t.state.Load()>>stateBits + 1) << stateBits) }

// move changes the state, and reports whether it was from.
func (t *Ticket) move(from, to uint64) bool {
	n := t.state.Load()
	return n&over == from && t.state.CompareAndSwap(n, n&^over|to)
}

// Settle says that the answer is there. Whatever the waiter is to see must be
// written before. It is called at most once for each request.
func (t *Ticket) Settle() {
	for {
		switch t.state.Load() & over {
		case asking:
			if t.move(asking, settled) {
				return
			}
		case waiting:
			if t.move(waiting, over) {
				t.answer <- struct{}{}
				return
			}
		default:
			return // nobody wants it any more
		}
	}
}

// Verdict is how a wait ended.
type Verdict uint8

// The verdicts.
const (
	Answered Verdict = iota // answer
	Left                    // give the caller up: the context is done
	Taken                   // return at once: another goroutine has the exchange
)

// Wait ends the asking. Pending says that Settle will be called; else the
// asker has its answer. It returns when that is there, or when done is closed.
func (t *Ticket) Wait(done <-chan struct{}, pending bool) Verdict {
	switch {
	case !pending:
		if t.move(asking, over) {
			return Answered
		}
		return Taken
	case !t.move(asking, waiting):
		if t.move(settled, over) {
			return Answered
		}
		return Taken
	}
	select {
	case <-t.answer:
		return Answered
	case <-done:
	}
	if t.move(waiting, over) {
		return Left
	}
	<-t.answer
	return Answered
}
