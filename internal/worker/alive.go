package worker

import (
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/workproto"
)

const (
	// pinging is how often a worker is asked whether it is alive, if Silence is
	// not short.
	pinging = 25 * time.Millisecond

	// looks is how many times in a row, pinging apart, something must be seen
	// that cannot be in a worker that is well.
	looks = 3
)

// alive tells a worker that is dead from one that is busy. One that has not
// answered may be waiting for a processor, and is given Silence for that. But if
// it has had none meanwhile and wanted none, it was stopped or stands still for
// ever, and that is known after a few looks. The same holds for a report that
// the worker says it has sent, and that is not here.
//
// Time is counted in pings: when this process was stopped, too, or got no
// processor, the worker is not to blame.
type alive struct {
	every  time.Duration
	sent   uint64 // pings
	pong   workproto.Pong
	ticks  uint64 // what it has had of the processors
	asleep int    // looks in a row at which it was
}

// ping returns the next ping, and an error if the worker is dead.
func (a *alive) ping(pid int, silence time.Duration) (*workproto.Ping, error) {
	unanswered := a.sent - a.pong.N
	a.sent++
	ping := &workproto.Ping{N: a.sent}
	if unanswered == 0 {
		a.asleep = 0
		return ping, nil
	}
	if ticks, busy, ok := proc.Look(pid); !ok || busy || ticks != a.ticks {
		a.ticks, a.asleep = ticks, 0
	} else {
		a.asleep++
	}
	if d := time.Duration(unanswered) * a.every; d > silence || a.asleep >= looks {
		return ping, fault.New(fault.Timeout, "worker", "", "it did not answer for %v", d.Round(10*time.Millisecond))
	}
	return ping, nil
}

// answered takes a pong. It reports false for one that answers nothing.
func (a *alive) answered(pong *workproto.Pong) bool {
	if pong.N <= a.pong.N || pong.N > a.sent {
		return false
	}
	a.pong = *pong
	return true
}

// sentBefore counts the pongs in a row that say that the report on the frame
// under way was sent, and returns an error when there are too many.
func (l *link) sentBefore(pong *workproto.Pong, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == 0 || int(l.id) >= len(pong.Reported) || pong.Reported[l.id] != l.current || len(l.reports) == cap(l.reports) {
		l.claims = 0
		return nil
	}
	if l.claimed != l.current {
		l.claimed, l.claims = l.current, 0
	}
	if l.claims++; l.claims > looks {
		return l.missing(l.open[l.current], now)
	}
	return nil
}

func (l *link) missing(fl *flight, now time.Time) error {
	return fault.New(fault.Timeout, "worker", l.id.String(), "it did not report on what it was given %v ago", now.Sub(fl.at).Round(time.Millisecond))
}
