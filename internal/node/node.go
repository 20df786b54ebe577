// Package node puts the shards of one data directory together: it opens the
// store, runs a shard for each part of it, brings messages from shard to shard
// and calls from outside to their shard. The doors (HTTP, the Go API) call it;
// it calls shards and the store. It runs no user code: that is a host's, given
// with Program and SetHosts.
package node

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ledger"
	"github.com/situ-dev/situ/internal/place"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Config says how a node runs. Only Dir is required; zero fields get defaults.
type Config struct {
	Dir   string
	Mode  string // "dev", "serve" or "embedded", for the status
	Store store.Options
	Shard shard.Config // ID and Shards are set by the node
	Log   *slog.Logger

	Limits Limits
	Watch  Watch
	Drain  time.Duration // how long turns in flight may take at the end; default 10 s
}

// Node is an open data directory. Run runs it.
type Node struct {
	*ledger.Ledger
	cfg       Config
	store     *store.Store
	shards    []*shard.Shard
	offered   atomic.Pointer[offer] // nil until there is any program
	inFlight  atomic.Int64
	turnstile atomic.Uint64                   // spreads calls of functions over the shards
	paused    atomic.Pointer[map[string]bool] // functions; nil for none
	boot      string                          // makes the names of calls of this run different
	started   time.Time
	calls     sync.Pool // of *call
	draining  atomic.Bool
	ran       atomic.Bool
	patients  []patient // the shards, as the watchdog sees them

	changed chan struct{} // the manifest has; holds one

	mu       sync.Mutex // of what follows, and of manifests
	programs []*Program // known so far; each slice is never changed
}

// Open opens the data directory, verifies it and reads what must be known
// before calls are taken. The error is of kind fault.Locked, fault.Corrupt or
// fault.Invalid, and says what to do. Close or Run the node.
func Open(cfg Config) (*Node, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Drain == 0 {
		cfg.Drain = 10 * time.Second
	}
	if cfg.Store.Logger == nil {
		cfg.Store.Logger = cfg.Log
	}
	cfg.Watch = cfg.Watch.withDefaults()
	cfg.Limits.store(&cfg.Store)
	st, err := store.Open(cfg.Dir, cfg.Store)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, store: st, started: time.Now(), changed: make(chan struct{}, 1), calls: sync.Pool{New: newCall},
		boot: "f" + strconv.FormatUint(rand.Uint64(), 36)}
	n.Ledger = ledger.New(func() []*shard.Shard { return n.shards }, n.record)
	trials := &shard.Trials{}
	for i := range st.Shards() {
		sc := cfg.Shard
		sc.Trials = trials
		sc.ID, sc.Shards = wire.ShardID(i), st.Shards()
		cfg.Limits.apply(&sc, st.Shards())
		sc.Record, sc.Figures = n.record, n.figuresOf
		if sc.Log == nil {
			sc.Log = cfg.Log
		}
		sh, err := shard.Open(sc, st.Shard(sc.ID), peers{n})
		if err != nil {
			_ = st.Close() // the first error says more
			return nil, err
		}
		n.shards = append(n.shards, sh)
	}
	n.openPauses()
	n.patients = make([]patient, len(n.shards))
	return n, nil
}

// Run runs the shards until ctx is done, lets turns in flight finish and
// commit, and closes the store. It returns the first error that stopped a
// shard.
func (n *Node) Run(ctx context.Context) error {
	n.ran.Store(true)
	asked := ctx
	ctx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	var group sync.WaitGroup
	errs := make([]error, len(n.shards))
	for i, sh := range n.shards {
		group.Go(func() {
			if errs[i] = sh.Run(ctx, n.cfg.Drain); errs[i] != nil {
				n.cfg.Log.Error("a shard stopped; the node stops with it", "shard", i, "error", errs[i])
				stop(errs[i])
			}
		})
	}
	group.Go(func() {
		defer n.draining.Store(true)
		select {
		case <-asked.Done():
			n.drain(ctx)
			stop(context.Cause(asked))
		case <-ctx.Done():
		}
	})
	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx)) // to the end, which may be what gets stuck
	var dog sync.WaitGroup
	dog.Go(func() { n.watch(watch) })
	dog.Go(func() { n.Ledger.Run(watch) })
	group.Wait()
	unwatch()
	dog.Wait()
	return errors.Join(errors.Join(errs...), n.store.Close())
}

// Close closes a node that was never Run.
func (n *Node) Close() error {
	if n.ran.Load() {
		return nil
	}
	return n.store.Close()
}

// peers brings messages between the shards of this node.
type peers struct{ n *Node }

func (p peers) Segment(d shard.Delivery) { p.n.shards[d.To].Segment(d.Segment) }
func (p peers) Ack(a shard.Ack)          { p.n.shards[a.To].Ack(a) }

// Shards returns the number of shards.
func (n *Node) Shards() int { return len(n.shards) }

// Store returns the node's store, for its figures.
func (n *Node) Store() *store.Store { return n.store }

// call is how one caller waits.
type call struct {
	ch   chan outcome
	done func(*wire.Response, error) // made once
}

type outcome struct {
	resp *wire.Response
	err  error
}

func newCall() any {
	c := &call{ch: make(chan outcome, 1)}
	c.done = func(resp *wire.Response, err error) { c.ch <- outcome{resp, err} }
	return c
}

// Invoke carries out a call from outside. An error means that it was refused,
// or, of kind fault.Timeout or fault.Canceled, that its outcome is unknown; a
// handler's own error is in the response.
func (n *Node) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	call := n.calls.Get().(*call)
	resp, leave, err := n.invoke(r, call.done)
	if leave == nil { // answered already, or to be refused: nobody uses call
		n.calls.Put(call)
		return resp, err
	}
	select {
	case out := <-call.ch:
		n.calls.Put(call) // answered once, and never again
		return out.resp, out.err
	case <-ctx.Done():
		leave()
		kind, how := fault.Canceled, "the caller went away"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			kind, how = fault.Timeout, "there was no answer in time"
		}
		return nil, fault.New(kind, "call", r.To.String(), "%s: the call may have been carried out; ask again with the same idempotency key", how)
	}
}

// Begin begins to carry out a call from outside. If the answer is there at
// once, it is returned, leave is nil, and r is the caller's again. Else done is called once with it,
// from any goroutine and perhaps before Begin returns; it must not block.
// Leave says that nobody waits for the answer any more. Errors are as those of
// Invoke.
func (n *Node) Begin(r *wire.Request, done func(*wire.Response, error)) (resp *wire.Response, leave func(), err error) {
	m, err := n.admit(r)
	if err != nil {
		return nil, nil, err
	}
	size := int64(len(r.Body.Data)) + 512
	if n.inFlight.Add(size) > n.cfg.Limits.InFlight {
		n.inFlight.Add(-size)
		e := fault.New(fault.Busy, "call", r.To.String(), "calls in flight hold more than %d MiB: try again later", n.cfg.Limits.InFlight>>20)
		e.Retry = time.Second
		return nil, nil, e
	}
	if p, stick := n.besides(r); p != nil {
		return n.function(p, stick, m, r, size, done)
	}
	c := &begun{n: n, size: size, done: done}
	gone, err := n.route(r).Call(r, c.answered)
	if err != nil {
		c.release()
		return nil, nil, err
	}
	c.gone = gone
	return nil, c.leave, nil
}

// Full returns the refusal, of kind fault.Busy, of a call that is known not to
// be taken now. A door asks it before it reads the input: r need not have one.
// If it returns nil, Begin may refuse all the same.
func (n *Node) Full(r *wire.Request) error {
	if r.To.Function() {
		return nil
	}
	return n.shards[place.Shard(r.To.Object(), len(n.shards))].Full(r)
}

// begun is a call that a shard has.
type begun struct {
	n    *Node
	size int64
	done func(*wire.Response, error)
	gone func()
	over atomic.Bool // it counts no more
}

func (c *begun) answered(resp *wire.Response, err error) {
	c.release()
	c.done(resp, err)
}

func (c *begun) leave() {
	c.release()
	c.gone()
}

func (c *begun) release() {
	if c.over.CompareAndSwap(false, true) {
		c.n.inFlight.Add(-c.size)
	}
}

// admit refuses what cannot or must not be begun, before anything is written.
func (n *Node) admit(r *wire.Request) (*host.MethodManifest, error) {
	if n.draining.Load() {
		return nil, fault.New(fault.Unavailable, "call", r.To.String(), "the platform is shutting down")
	}
	if len(r.Body.Data) > n.cfg.Limits.Payload {
		return nil, fault.New(fault.TooLarge, "call", r.To.String(), "the input has %d bytes; at most %d are allowed", len(r.Body.Data), n.cfg.Limits.Payload)
	}
	if len(r.Key) > 255 {
		return nil, fault.New(fault.Invalid, "call", r.To.String(), "the idempotency key has %d bytes; at most 255 are allowed", len(r.Key))
	}
	m, err := find(n.offered.Load(), r.To)
	if err != nil {
		return nil, err
	}
	if r.Policy != nil {
		if err := possible(n.offered.Load(), r.Policy); err != nil {
			return nil, err
		}
	}
	if m.ReadOnly && r.Key == "" && !r.Async && r.Due == 0 && (r.Policy == nil || r.Policy.OnFail == (wire.Address{})) {
		return m, nil // nothing of it is written
	}
	return m, n.store.Writable()
}

// route returns the shard that takes a call. A function runs anywhere; with a
// key it has to meet its record.
func (n *Node) route(r *wire.Request) *shard.Shard {
	if !r.To.Function() {
		return n.shards[place.Shard(r.To.Object(), len(n.shards))]
	}
	if r.Key != "" {
		h := fnv.New64a()
		_, _ = h.Write([]byte(r.To.Method + "\x00" + r.Key)) // never fails
		return n.shards[h.Sum64()%uint64(len(n.shards))]
	}
	return n.shards[n.turnstile.Add(1)%uint64(len(n.shards))]
}
