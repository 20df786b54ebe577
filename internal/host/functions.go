package host

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// functionsTick is how often running functions are looked at: a timeout is up
// to a tick late. One look at all costs less than a timer for each.
const functionsTick = 20 * time.Millisecond

// Functions runs functions beside the shards, each on the goroutine of its
// caller. Each keeps nobody waiting but its caller; one that does not return in
// time loses its caller, as an object's turn loses its frame.
type Functions struct {
	set  *Set
	cfg  Config
	base time.Time // what the clock of the turns counts from
	look *time.Timer

	mu      sync.Mutex
	slots   []*call // that run; nil is free
	free    []int
	looking bool // the timer is set
	busy    bool // there was a call since the last look
	closed  error
	n       int
	none    chan struct{} // closed when none runs, after Drain
}

// call is one run of a function.
type call struct {
	turn Turn
	slot int
	res  turn.Result
	late turn.Taker
	over atomic.Bool // whoever sets it tells the result
	told bool        // that its time is up; the looker's
}

// NewFunctions makes room for up to most functions of set at once. Close it.
func NewFunctions(set *Set, cfg Config, most int) *Functions {
	f := &Functions{set: set, cfg: cfg.withDefaults(), base: time.Now(), slots: make([]*call, most), free: make([]int, most)}
	for i := range f.free {
		f.free[i] = most - 1 - i
	}
	f.look = time.AfterFunc(time.Hour, f.inspect)
	f.look.Stop()
	return f
}

// Run runs the function that env calls, and returns its result. It returns nil
// when the handler came back too late: then late took the result meanwhile, on
// another goroutine. The error, of kind fault.Busy or
// fault.Unavailable, says that the function was not run.
func (f *Functions) Run(env *wire.Envelope, now wire.Time, seed uint64, late turn.Taker) (*turn.Result, error) {
	fn := f.set.Functions[env.To.Method]
	if fn == nil {
		return &turn.Result{Outcome: turn.Done, Fail: missing("function", &env.To)}, nil
	}
	timeout := fn.Timeout
	if timeout == 0 || f.cfg.Timeout < 0 {
		timeout = f.cfg.Timeout
	}
	c := &call{late: late, turn: Turn{Env: env, Method: &fn.Method, Now: now, Seed: seed,
		Log: f.cfg.Log, Verify: f.cfg.Verify, base: &f.base, began: time.Since(f.base)}}
	if c.turn.limit(timeout); env.Back != nil {
		c.turn.Shard = env.Back.Shard // it is finished there
	}
	if err := f.enter(c); err != nil {
		return nil, err
	}
	out := c.run(fn)
	if !c.over.CompareAndSwap(false, true) {
		return nil, nil
	}
	f.leave(c)
	fill(&c.res, &out, 0)
	return &c.res, nil
}

// run runs user code and turns a panic into an outcome. The turn's context is
// done afterwards.
func (c *call) run(fn *Function) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			out = Outcome{Panic: true, Fail: Panic(v)}
		}
		c.turn.cancel(context.Canceled)
	}()
	return fn.Run(&c.turn)
}

func (f *Functions) enter(c *call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed != nil {
		return f.closed
	}
	last := len(f.free) - 1
	if last < 0 {
		e := fault.New(fault.Busy, "call", c.turn.Env.To.String(), "%d functions run already: try again later", len(f.slots))
		e.Retry = time.Second
		return e
	}
	c.slot, f.free = f.free[last], f.free[:last]
	f.slots[c.slot] = c
	f.n++
	if f.busy = true; !f.looking {
		f.looking = true
		f.look.Reset(functionsTick)
	}
	return nil
}

func (f *Functions) leave(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slots[c.slot] = nil
	f.free = append(f.free, c.slot)
	if f.n--; f.n == 0 && f.none != nil {
		close(f.none)
		f.none = nil
	}
}

// inspect tells handlers that their time is up, and gives those up that do not
// return within the grace time.
func (f *Functions) inspect() {
	now := time.Since(f.base)
	var lost []*call
	f.mu.Lock()
	for _, c := range f.slots {
		if c == nil || c.turn.timeout <= 0 {
			continue
		}
		took := now - c.turn.began
		if took >= c.turn.timeout && !c.told {
			c.told = true
			c.turn.cancel(context.DeadlineExceeded)
		}
		if took >= c.turn.timeout+f.cfg.Grace {
			lost = append(lost, c)
		}
	}
	if f.looking = f.n > 0 || f.busy; f.looking {
		f.look.Reset(functionsTick)
	}
	f.busy = false
	f.mu.Unlock()
	for _, c := range lost {
		if c.over.CompareAndSwap(false, true) {
			f.leave(c)
			c.late.Take(&turn.Result{Outcome: turn.Panicked, Fail: expired(c.turn.Env.To, c.turn.timeout), Took: wire.Time(now - c.turn.began)})
		}
	}
}

// Drain takes no more calls, and returns when none runs or ctx is done.
func (f *Functions) Drain(ctx context.Context) {
	f.mu.Lock()
	if f.closed == nil {
		f.closed = fault.New(fault.Unavailable, "call", "", "the platform is shutting down")
	}
	if f.n == 0 {
		f.mu.Unlock()
		return
	}
	if f.none == nil {
		f.none = make(chan struct{})
	}
	none := f.none
	f.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}

// Close cancels the contexts of running handlers, which it does not wait for:
// their callers are told when they return, or when their time is up.
func (f *Functions) Close() {
	why := fault.New(fault.Unavailable, "run", "", "the worker is shutting down")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = why
	for _, c := range f.slots {
		if c != nil {
			c.turn.cancel(why)
		}
	}
}
