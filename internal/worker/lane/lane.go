// Package lane runs functions for a node on a host that runs frames, without a
// shard between: calls of all callers gather in frames. It knows no process and
// no socket; whoever has the host, or a connection to one, makes a [Lane] for it.
package lane

import (
	"context"
	"sync"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// maxFunctions is how many functions run at once, called from outside.
const maxFunctions = 2048

// Lane does with a host of its own what a shard does: while a frame is out,
// calls gather for the next, so that many go in one write when there are many.
type Lane struct {
	host shard.Host

	mu       sync.Mutex
	waiting  []call
	out      map[uint64][]call // frames of which results are to come
	flying   bool              // the last frame has not been reported
	seq      uint64
	running  int
	draining bool          // no more calls are taken
	over     bool          // the worker is gone
	none     chan struct{} // closed when nothing runs, after Drain
}

var _ shard.Functions = (*Lane)(nil)

type call struct {
	env   *wire.Envelope
	seed  uint64
	later turn.Taker // nil: it was told
}

// New returns a lane to h. Serve it.
func New(h shard.Host) *Lane { return &Lane{host: h, out: map[uint64][]call{}} }

// Run implements shard.Functions. It does not block. What it cannot take it
// gives back: a shard keeps it until there is another worker.
func (a *Lane) Run(env *wire.Envelope, _ wire.Time, seed uint64, later turn.Taker) (*turn.Result, error) {
	a.mu.Lock()
	if a.over || a.draining {
		a.mu.Unlock()
		return &turn.Result{Outcome: turn.Skipped}, nil
	}
	defer a.mu.Unlock()
	if a.running >= maxFunctions {
		e := fault.New(fault.Busy, "call", env.To.String(), "%d functions run already: try again later", maxFunctions)
		e.Retry = time.Second
		return nil, e
	}
	a.running++
	a.waiting = append(a.waiting, call{env, seed, later})
	a.submit()
	return nil, nil
}

// submit sends what waits, unless a frame is out. Called with the lock.
func (a *Lane) submit() {
	if a.flying || a.over || len(a.waiting) == 0 {
		return
	}
	a.seq++
	f := &turn.Frame{Seq: a.seq, Now: wire.Time(time.Now().UnixNano()), Tasks: make([]turn.Task, len(a.waiting))}
	for i, c := range a.waiting {
		f.Tasks[i] = turn.Task{Env: c.env, Seed: c.seed}
	}
	a.out[f.Seq], a.waiting, a.flying = a.waiting, nil, true
	a.host.Submit(f)
}

// Serve tells results until the worker is gone, and then what became of the
// rest: nobody knows.
func (a *Lane) Serve() {
	for rep := range a.host.Reports() {
		a.report(rep)
	}
	a.mu.Lock()
	a.over = true
	lost, kept := a.out, a.waiting
	a.out, a.waiting = nil, nil
	a.running = 0
	a.idle()
	a.mu.Unlock()
	for _, calls := range lost {
		for _, c := range calls {
			if c.later != nil {
				c.later.Take(nil)
			}
		}
	}
	for _, c := range kept {
		c.later.Take(&turn.Result{Outcome: turn.Skipped})
	}
}

// report takes the report of a frame, or a late one.
func (a *Lane) report(rep *turn.Report) {
	a.mu.Lock()
	calls := a.out[rep.Frame]
	told := make([]turn.Taker, len(rep.Results))
	var skipped []call
	open := 0
	for i := range rep.Results {
		c := &calls[rep.Results[i].Index]
		switch rep.Results[i].Outcome {
		case turn.Detached:
		case turn.Skipped: // there was no time left for it
			skipped = append(skipped, *c)
			c.later = nil
		default:
			told[i], c.later = c.later, nil
			a.running--
		}
	}
	for i := range calls {
		if calls[i].later != nil {
			open++
		}
	}
	if open == 0 {
		delete(a.out, rep.Frame)
	}
	if len(skipped) > 0 { // first in the next frame, or those who call again would pass them for ever
		a.waiting = append(skipped, a.waiting...)
	}
	if !rep.Late {
		a.flying = false
	}
	a.submit()
	a.idle()
	a.mu.Unlock()
	for i, later := range told {
		if later != nil {
			later.Take(&rep.Results[i])
		}
	}
}

// idle notes that nothing runs. Called with the lock.
func (a *Lane) idle() {
	if a.running == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// Drain implements shard.Functions.
func (a *Lane) Drain(ctx context.Context) {
	a.mu.Lock()
	a.draining = true
	if a.running == 0 {
		a.mu.Unlock()
		return
	}
	if a.none == nil {
		a.none = make(chan struct{})
	}
	none := a.none
	a.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}
