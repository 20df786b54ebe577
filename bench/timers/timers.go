// Package timers is the workload of timers (situ bench timers): very many that
// are due at the same instant, as after a long stop, beside callers of others,
// who are not to notice.
package timers

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// The contract: setters set timers of sleepers, and bystanders are called
// meanwhile.
var (
	setter    = situ.NewType("timer-setter")
	set       = situ.NewMethod[order, int](setter, "set")
	sleeper   = situ.NewType("sleeper")
	ring      = situ.NewMethod[situ.None, situ.None](sleeper, "ring")
	rung      = situ.NewMethod[situ.None, tally](sleeper, "rung", situ.ReadOnly)
	bystander = situ.NewType("bystander")
	pass      = situ.NewMethod[situ.None, int](bystander, "pass")
)

// order is so many timers of each of some sleepers, due at an instant.
type order struct {
	First, Sleepers, Each int
	At                    time.Time
}

// tally is what a sleeper has seen.
type tally struct {
	N     int
	Early int       // before At
	Last  time.Time // when the last of them was run
}

type sleep struct {
	tally
	Due time.Time
}

// due is when the timers of this process are: sleepers count those that are early.
var due atomic.Int64

func key(n int) string { return fmt.Sprintf("s%06d", n) }

// Components returns what is called.
func Components() []situ.Component {
	none := situ.None{}
	return []situ.Component{
		situ.Object(setter, situ.On(set, func(_ *struct{}, t *situ.Turn, o order) (int, error) {
			for i := range o.Sleepers * o.Each {
				situ.Send(t, ring.To(key(o.First+i%o.Sleepers), none).At(o.At))
			}
			return o.Sleepers * o.Each, nil
		})),
		situ.Object(sleeper,
			situ.On(ring, func(s *sleep, t *situ.Turn, _ situ.None) (situ.None, error) {
				s.N++
				s.Last = t.Now()
				if t.Now().UnixNano() < due.Load() {
					s.Early++
				}
				return none, nil
			}),
			situ.On(rung, func(s *sleep, _ *situ.Turn, _ situ.None) (tally, error) { return s.tally, nil })),
		situ.Object(bystander, situ.On(pass, func(n *struct{ N int }, _ *situ.Turn, _ situ.None) (int, error) {
			n.N++
			return n.N, nil
		})),
	}
}

// Config says how much to do.
type Config struct {
	Timers   int
	Sleepers int           // objects that they are of
	After    time.Duration // when they are due, from the beginning: all must be set by then
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"timers": c.Timers, "sleepers": c.Sleepers, "after_ms": int(c.After.Milliseconds())}
}

// Names of figures.
const (
	setRate   = "timers set"
	firedRate = "timers fired"
	before    = "p99 of a call before"
	during    = "p99 of a call meanwhile"
	during50  = "p50 of a call meanwhile"
	memory    = "memory for the timers"
)

// RunOn sets timers on p, waits for them, and checks that each came once and none
// early.
func RunOn(ctx context.Context, p platform.Platform, c Config, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	if c.Sleepers < 1 || c.Timers < c.Sleepers || c.Timers%c.Sleepers != 0 || c.After <= 0 {
		return r, fault.New(fault.Invalid, "", "", "want a multiple of the sleepers as timers, and a time after which they are due")
	}
	rss := resident(p)
	began := time.Now()
	at := began.Add(c.After)
	due.Store(at.UnixNano())
	if err := c.set(ctx, p, at, show); err != nil {
		return r, err
	}
	took := time.Since(began)
	if took > c.After*9/10 {
		return r, fault.New(fault.Invalid, "", "", "setting the timers took %s: say --after %s, so that all are set before the first is due", took.Round(time.Millisecond), 2*took)
	}
	r.Add(setRate, float64(c.Timers)/took.Seconds(), "timers/s")
	r.Add(memory, float64(resident(p)-rss)/(1<<20), "MB")
	calm, err := calls(ctx, p, func() bool { return time.Until(at) <= 100*time.Millisecond })
	if err != nil {
		return r, err
	}
	_, p99 := report.Quantiles(calm)
	r.Add(before, p99, "ms")
	if err := m.Begin(ctx, p); err != nil {
		return r, err
	}
	busy, err := calls(ctx, p, c.fired(ctx, p, m))
	if err != nil {
		return r, err
	}
	last, wrong, err := c.check(ctx, p)
	if err != nil {
		return r, err
	}
	if _, err := m.End(ctx, time.Now(), &r, busy); err != nil {
		return r, err
	}
	p50, p99 := report.Quantiles(busy)
	r.Add(during, p99, "ms")
	r.Add(during50, p50, "ms")
	r.Add(firedRate, float64(c.Timers)/last.Sub(at).Seconds(), "timers/s")
	r.Verified = wrong == ""
	if wrong != "" {
		r.Notes = append(r.Notes, "WRONG: "+wrong)
	}
	return r, nil
}

// resident returns the memory of the platform without what is garbage.
func resident(p platform.Platform) int64 {
	debug.FreeOSMemory()
	_, rss := p.Usage()
	return rss
}

// fired returns whether as many turns were run as there are timers. The calls beside
// are turns, too, so the last timers may come a little later: see check.
func (c Config) fired(ctx context.Context, p platform.Platform, m *platform.Meter) func() bool {
	var all atomic.Bool
	go func() {
		for ctx.Err() == nil {
			if f, err := p.Figures(ctx); err != nil || m.Turns(f) >= uint64(c.Timers) {
				all.Store(true)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return all.Load
}

// set sets the timers, from a few callers.
func (c Config) set(ctx context.Context, p situ.Caller, at time.Time, show *report.Progress) error {
	const callers, sleepers = 16, 20
	each := c.Timers / c.Sleepers
	var next, done atomic.Int64
	var group sync.WaitGroup
	errs := make(chan error, callers)
	for range callers {
		group.Go(func() {
			for {
				first := int(next.Add(sleepers)) - sleepers
				if first >= c.Sleepers {
					return
				}
				n := min(sleepers, c.Sleepers-first)
				for left := each; left > 0; { // a turn sends a bounded number
					now := min(left, 50)
					left -= now
					set, err := situ.Do(ctx, p, set.To(key(first), order{first, n, now, at}))
					if err != nil {
						errs <- err
						return
					}
					show.Show("timers set", int(done.Add(int64(set))), c.Timers)
				}
			}
		})
	}
	group.Wait()
	close(errs)
	return <-errs
}

// calls makes durable calls to other objects, one begun each millisecond, until
// done.
func calls(ctx context.Context, p situ.Caller, done func() bool) (took report.Latencies, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		if done() {
			break
		}
		begin := time.Now()
		group.Go(func() {
			_, e := situ.Do(ctx, p, pass.To(fmt.Sprint("b", i%1000), situ.None{}))
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(begin))
			if e != nil {
				err = e
			}
		})
		<-tick.C
	}
	group.Wait()
	return took, err
}

// check asks every sleeper what it has seen. Last is when the last timer was run.
func (c Config) check(ctx context.Context, p situ.Caller) (last time.Time, wrong string, err error) {
	each := c.Timers / c.Sleepers
	for deadline := time.Now().Add(time.Minute); ; {
		n, early := 0, 0
		wrong = ""
		for i := range c.Sleepers {
			t, err := situ.Do(ctx, p, rung.To(key(i), situ.None{}))
			if err != nil {
				return last, "", err
			}
			n, early = n+t.N, early+t.Early
			if t.N > each {
				wrong = fmt.Sprintf("%s rang %d times, not %d", key(i), t.N, each)
			}
			if t.Last.After(last) {
				last = t.Last
			}
		}
		switch {
		case early > 0:
			wrong = fmt.Sprintf("%d timers were early", early)
		case wrong == "" && n < c.Timers:
			wrong = fmt.Sprintf("%d of %d timers came", n, c.Timers)
		}
		if n >= c.Timers || wrong != "" && time.Now().After(deadline) {
			return last, wrong, nil
		}
	}
}
