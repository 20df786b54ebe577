// Package alive tells a worker that is dead from one that is busy.
package alive

import (
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/workproto"
)

// What is asked, and seen, before a worker counts as dead.
const (
	// Pinging is how often a worker that has something to do is asked whether it is
	// alive, if Silence is not short.
	Pinging = 10 * time.Millisecond

	// Resting is how often it is looked whether one that has had nothing to do for
	// Rest pings has something to do again.
	Resting = 100 * time.Millisecond

	// Rest is how many pings in a row are not sent, for nothing is to be done,
	// before a worker is taken to be at rest.
	Rest = 100

	// Looks is how many times in a row, Pinging apart, something must be seen
	// that cannot be in a worker that is well.
	Looks = 3
)

// Watch tells a worker that is dead from one that is busy. One that has not
// answered may be waiting for a processor, and is given Silence for that. But if
// it has had none meanwhile and wanted none, it was stopped or stands still for
// ever, and that is known after a few looks. The same holds for a report that
// the worker says it has sent, and that is not here.
//
// Time is counted in pings: when this process was stopped, too, or got no
// processor, the worker is not to blame. Nor is it while something that it sent
// lies here unread (see Ear).
type Watch struct {
	Every  time.Duration // between pings
	sent   uint64        // pings
	pong   workproto.Pong
	ticks  uint64 // what it has had of the processors
	asleep int    // looks in a row at which it was
}

// Ping returns the next ping, and an error, of kind fault.Timeout, if the worker, process pid, is dead,
// or has not answered for silence. unread tells that something the worker sent
// was not dealt with here.
func (a *Watch) Ping(pid int, silence time.Duration, unread bool) (*workproto.Ping, error) {
	unanswered := a.sent - a.pong.N
	a.sent++
	ping := &workproto.Ping{N: a.sent}
	if unanswered == 0 {
		a.asleep = 0
		return ping, nil
	}
	if ticks, busy, ok := proc.Look(pid); !ok || busy || unread || ticks != a.ticks {
		a.ticks, a.asleep = ticks, 0
	} else {
		a.asleep++
	}
	if d := time.Duration(unanswered) * a.Every; d > silence || a.asleep >= Looks {
		return ping, fault.New(fault.Timeout, "worker", "", "it did not answer for %v", d.Round(10*time.Millisecond))
	}
	return ping, nil
}

// Answered takes a pong. It reports false for one that answers nothing.
func (a *Watch) Answered(pong *workproto.Pong) bool {
	if pong.N <= a.pong.N || pong.N > a.sent {
		return false
	}
	a.pong, a.asleep = *pong, 0 // late, but it lives; it has had less of a processor than is counted
	return true
}
