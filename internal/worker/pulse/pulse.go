// Package pulse tells a worker that is dead from one that is busy. It is asked by
// who pings, and sends nothing itself.
package pulse

import (
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/workproto"
)

const (
	// pinging is how often a worker is asked whether it is alive, if silence is
	// not short.
	pinging = 25 * time.Millisecond

	// Looks is how many times in a row, pinging apart, something must be seen
	// that cannot be in a worker that is well.
	Looks = 3
)

// Pulse tells a worker that is dead from one that is busy. One that has not
// answered may be waiting for a processor, and is given Silence for that. But if
// it has had none meanwhile and wanted none, it was stopped or stands still for
// ever, and that is known after a few looks. The same holds for a report that
// the worker says it has sent, and that is not here.
//
// Time is counted in pings: when this process was stopped, too, or got no
// processor, the worker is not to blame.
type Pulse struct {
	every  time.Duration // between pings
	sent   uint64        // pings
	pong   workproto.Pong
	ticks  uint64 // what it has had of the processors
	asleep int    // looks in a row at which it was
}

// New returns the pulse of a worker that may be silent for so long.
func New(silence time.Duration) Pulse {
	return Pulse{every: max(min(silence/8, pinging), time.Millisecond)}
}

// Every is how long after a ping the next one is due.
func (p *Pulse) Every() time.Duration { return p.every }

// Ping returns the next ping, and an error if the worker is dead.
func (p *Pulse) Ping(pid int, silence time.Duration) (*workproto.Ping, error) {
	unanswered := p.sent - p.pong.N
	p.sent++
	ping := &workproto.Ping{N: p.sent}
	if unanswered == 0 {
		p.asleep = 0
		return ping, nil
	}
	if ticks, busy, ok := proc.Look(pid); !ok || busy || ticks != p.ticks {
		p.ticks, p.asleep = ticks, 0
	} else {
		p.asleep++
	}
	if d := time.Duration(unanswered) * p.every; d > silence || p.asleep >= Looks {
		return ping, fault.New(fault.Timeout, "worker", "", "it did not answer for %v", d.Round(10*time.Millisecond))
	}
	return ping, nil
}

// Answered takes a pong. It reports false for one that answers nothing.
func (p *Pulse) Answered(pong *workproto.Pong) bool {
	if pong.N <= p.pong.N || pong.N > p.sent {
		return false
	}
	p.pong = *pong
	return true
}
