package killtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/bank/account"
	"github.com/situ-dev/situ/examples/bank/transfer"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/killtest/witness"
	"github.com/situ-dev/situ/internal/wire"
)

// envClient makes this binary a client; it holds a clientConfig.
const envClient = "SITU_KILLTEST_CLIENT"

// clientConfig says what a client process does.
type clientConfig struct {
	URL     string
	History string
	Round   int
	Seed    uint64
}

// caller makes calls until it is told to stop, and goes on with what a client
// before it began and did not finish.
type caller struct {
	cfg     clientConfig
	situ    *situ.Client
	history *history
	last    atomic.Int64 // number of the last op
	air     *airline
	begun   map[string]bool // by the client before this
	ctx     context.Context // done when no new ops are to be begun
	ticks   chan struct{}   // the server was killed, and is back
}

// runClient is the client process. It ends when "stop" comes in, once all that
// it began is answered, or at once when the input ends: nobody listens.
func runClient(text string) error {
	c := &caller{begun: map[string]bool{}, ticks: make(chan struct{}, 1)}
	if err := json.Unmarshal([]byte(text), &c.cfg); err != nil {
		return err
	}
	c.situ, c.air = situ.NewClient(c.cfg.URL), newAirline(c.cfg.Round)
	var err error
	if c.history, err = openHistory(c.cfg.History); err != nil {
		return err
	}
	before, err := readHistory(c.cfg.History)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c.ctx = ctx
	go c.listen(stop)
	c.resume(before)
	var group sync.WaitGroup
	for _, loop := range c.loops() {
		group.Go(loop)
	}
	group.Go(c.airline)
	group.Wait()
	return nil
}

// listen takes what the test says on the standard input.
func (c *caller) listen(stop func()) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "stop" {
			stop()
		} else {
			select {
			case c.ticks <- struct{}{}:
			default:
			}
		}
	}
	if c.ctx.Err() == nil {
		os.Exit(1)
	}
}

// resume finishes what was begun.
func (c *caller) resume(before []*fate) {
	var group sync.WaitGroup
	for _, f := range before {
		if n := number(f.ID); n > c.last.Load() {
			c.last.Store(n)
		}
		c.begun[f.ID] = true
		if f.Word == "" && f.Kind.keyed() {
			group.Go(func() { c.until(f.op) })
		}
	}
	group.Wait()
}

// number returns n of the id r0-n, 0 for other ids.
func number(id string) (n int64) {
	var round int
	if _, err := fmt.Sscanf(id, "r%d-%d", &round, &n); err != nil {
		return 0
	}
	return n
}

// key names a thing of this round.
func (c *caller) key(format string, args ...any) string {
	return fmt.Sprintf("r%d-", c.cfg.Round) + fmt.Sprintf(format, args...)
}

// How many of what there is, and how many callers.
const (
	counters  = 100
	accounts  = 24
	senders   = 6
	alarms    = 20
	registers = 8
	funds     = 1000 // in each account
)

// loops returns what callers do, each one thing after another.
func (c *caller) loops() (all []func()) {
	loop := func(n int, next func(r *rand.Rand, i int) op) {
		for i := range n {
			r := rand.New(rand.NewPCG(c.cfg.Seed, uint64(len(all))))
			all = append(all, func() {
				for c.ctx.Err() == nil {
					o := next(r, i)
					if o.ID == "" {
						o.ID = c.key("%d", c.last.Add(1))
					}
					c.do(o)
				}
			})
		}
	}
	counter := func(r *rand.Rand) string { return c.key("c%02d", r.IntN(counters)) }
	pause := func(r *rand.Rand) time.Duration { return time.Duration(1+r.IntN(1000)) * time.Millisecond }
	alarmKey := func(r *rand.Rand) string { return c.key("a%02d", r.IntN(alarms)) }
	loop(24, func(r *rand.Rand, _ int) op { return op{Kind: add, Key: counter(r)} })
	loop(4, func(r *rand.Rand, _ int) op { return op{Kind: once, Key: counter(r)} })
	loop(2, func(r *rand.Rand, _ int) op { return op{Kind: work, To: counter(r), N: r.IntN(1000)} })
	loop(1, func(r *rand.Rand, _ int) op { return op{Kind: post, To: counter(r), N: r.IntN(1000)} })
	loop(2, func(r *rand.Rand, i int) op {
		return op{Kind: burst, Key: c.key("s%d", r.IntN(senders)), N: 1 + r.IntN(4)}
	})
	loop(2, func(r *rand.Rand, _ int) op { return op{Kind: alarm, Key: alarmKey(r), Delay: pause(r)} })
	loop(1, func(r *rand.Rand, _ int) op { return op{Kind: later, Key: alarmKey(r), Delay: pause(r)} })
	loop(3*registers, func(r *rand.Rand, i int) op { // three callers on each
		key := c.key("x%d", i%registers)
		if r.IntN(2) == 0 {
			return op{Kind: read, Key: key}
		}
		n := c.last.Add(1)
		return op{ID: c.key("%d", n), Kind: write, Key: key, N: int(n)}
	})
	loop(5, func(r *rand.Rand, _ int) op {
		from := r.IntN(accounts)
		to := (from + 1 + r.IntN(accounts-1)) % accounts
		return op{Kind: move, Key: c.key("b%02d", from), To: c.key("b%02d", to), N: 1 + r.IntN(200)}
	})
	for i := range accounts {
		all = append(all, func() { c.once(op{ID: c.key("fund-%d", i), Kind: fund, Key: c.key("b%02d", i), N: funds}) })
	}
	return all
}

// airline loads an airline and cancels its flights, some each time the server
// was killed, and those that are left when it is told to stop.
func (c *caller) airline() {
	a := c.air
	var group sync.WaitGroup
	for i := range a.loads {
		group.Go(func() { c.once(op{ID: c.key("load-%d", i), Kind: load, N: i}) })
	}
	group.Wait()
	// A flight can be cancelled when it has arrived.
	if !c.begun[c.key("cancel-0")] {
		if r, err := a.Settle(context.Background(), patient{c}, false, 50*time.Millisecond, nil); err != nil || r.Faults > 0 {
			panic(fmt.Sprint("the airline does not settle: ", r, err))
		}
	}
	for i := range a.cancels {
		select {
		case <-c.ticks:
		case <-c.ctx.Done():
		}
		c.once(op{ID: c.key("cancel-%d", i), Kind: cancel, N: i})
	}
}

// once does what is done once in a round.
func (c *caller) once(o op) {
	if !c.begun[o.ID] {
		c.do(o)
	}
}

// do makes a call and notes what comes of it.
func (c *caller) do(o op) {
	c.history.note(invoked, o.ID, o)
	c.until(o)
}

// until makes a call until it is answered, or once if it has no key.
func (c *caller) until(o op) {
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		word, answer, err := c.try(o)
		switch {
		case err == nil:
			c.history.note(word, o.ID, answer)
			return
		case !open(err):
			c.history.note(refused, o.ID, situ.CodeOf(err)+": "+err.Error())
			return
		}
		c.history.note(unknown, o.ID, err.Error())
		if !o.Kind.keyed() {
			return
		}
		<-time.After(pause) // the server is another process: there is nothing to wait for
	}
}

// open reports whether err leaves it open what became of a call.
func open(err error) bool {
	e, ok := errors.AsType[*situ.Error](err)
	if !ok {
		return true
	}
	switch e.Kind {
	case "timeout", "unavailable", "busy", "in-progress", "canceled":
		return true
	}
	return false
}

// try makes the call of o.
func (c *caller) try(o op) (word string, answer any, err error) {
	ctx, free := context.WithTimeout(context.Background(), 10*time.Second)
	defer free()
	word = answered
	switch o.Kind {
	case add:
		answer, err = situ.Do(ctx, c.situ, witness.Add.To(o.Key, o.ID).Idempotent(o.ID))
	case once:
		answer, err = situ.Do(ctx, c.situ, witness.Add.To(o.Key, o.ID))
	case fund:
		answer, err = situ.Do(ctx, c.situ, account.Deposit.To(o.Key, account.Amount{Cents: int64(o.N)}).Idempotent(o.ID))
	case move:
		answer, err = situ.Do(ctx, c.situ, transfer.Start.To(o.ID, transfer.Order{From: o.Key, To: o.To, Cents: int64(o.N)}).Idempotent(o.ID))
	case burst:
		answer, err = situ.Do(ctx, c.situ, witness.Burst.To(o.Key, o.N).Idempotent(o.ID))
	case work:
		word = accepted
		answer, err = situ.Start(ctx, c.situ, witness.Run.To(o.ID, witness.Work{Counter: o.To, X: o.N}).Idempotent(o.ID))
	case post:
		word = accepted
		answer, err = situ.Start(ctx, c.situ, witness.Run.To(o.ID, witness.Work{Counter: o.To, X: o.N}))
	case alarm:
		answer, err = situ.Do(ctx, c.situ, witness.Set.To(o.Key, witness.Order{ID: o.ID, After: o.Delay}).Idempotent(o.ID))
	case later:
		word = accepted
		answer, err = situ.Start(ctx, c.situ, witness.Ring.To(o.Key, o.ID).After(o.Delay).Idempotent(o.ID))
	case write:
		answer, err = situ.Do(ctx, c.situ, witness.Write.To(o.Key, o.N).Idempotent(o.ID))
	case read:
		answer, err = situ.Do(ctx, c.situ, witness.Read.To(o.Key, situ.None{}))
	case load:
		answer, err = situ.Do(ctx, c.situ, control.Load.With(c.air.loads[o.N]).Idempotent(o.ID))
	case cancel:
		answer, err = situ.Do(ctx, c.situ, control.CancelFlights.With(c.air.cancels[o.N]).Idempotent(o.ID))
	default:
		err = &situ.Error{Kind: "invalid", Message: "no such kind of op: " + string(o.Kind)}
	}
	return word, answer, err
}

// patient is a caller that asks until it is answered. It is for reading.
type patient struct{ c *caller }

// Invoke implements situ.Caller.
func (p patient) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	for {
		attempt, free := context.WithTimeout(ctx, 10*time.Second)
		resp, err := p.c.situ.Invoke(attempt, r)
		free()
		if err == nil || !fault.KindOf(err).Retryable() || ctx.Err() != nil {
			return resp, err
		}
		<-time.After(10 * time.Millisecond)
	}
}
