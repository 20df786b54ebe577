package node_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/wire"
)

var errCrash = errors.New("crashed")

// rig is a node in a bubble of virtual time, on a disk in memory.
type rig struct {
	t       *testing.T
	cfg     node.Config
	host    host.Config
	set     *host.Set
	fs      *vfs.MemFS
	mu      sync.Mutex
	node    *node.Node // under mu, for callers that a crash surprises
	runners []*host.Runner
	beside  int // functions that run at once without a shard; 0: they run in the shards
	funcs   *host.Functions
	stop    context.CancelFunc
	done    chan error
	dead    atomic.Bool
	after   []func() // called when the node has ended
}

func bubble(t *testing.T, cfg node.Config, components []situ.Component, f func(*rig)) {
	t.Helper()
	bubbleBeside(t, cfg, 0, components, f)
}

// bubbleBeside runs functions that are called from outside without a shard,
// most at once.
func bubbleBeside(t *testing.T, cfg node.Config, most int, components []situ.Component, f func(*rig)) {
	t.Helper()
	set, err := situ.Assemble(components...)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, cfg: cfg, set: set, fs: vfs.NewMem(), beside: most}
		r.open()
		f(r)
		r.close()
	})
}

func (r *rig) open() {
	r.t.Helper()
	r.reopen()
	r.setHosts()
}

// reopen opens the node without a host.
func (r *rig) reopen() {
	r.t.Helper()
	cfg := r.cfg
	cfg.Dir = "data"
	cfg.Store.FS, cfg.Store.MemTable, cfg.Store.Cache = r.fs, 1<<20, 1<<20
	if cfg.Store.Shards == 0 {
		cfg.Store.Shards = 2
	}
	cfg.Store.Fatal = func(err error) { r.t.Error(err) }
	hook := cfg.Shard.BeforeCommit
	cfg.Shard.BeforeCommit = func(seq wire.Seq) error {
		if r.dead.Load() {
			return errCrash
		}
		if hook != nil {
			return hook(seq)
		}
		return nil
	}
	n, err := node.Open(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.node = n
	r.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.done = stop, make(chan error, 1)
	go func() { r.done <- n.Run(ctx) }()
}

func (r *rig) setHosts() {
	old := r.runners
	r.runners = nil
	for range r.node.Shards() {
		r.runners = append(r.runners, host.NewRunner(r.set, r.host))
	}
	m := r.set.Manifest()
	if err := r.node.Program(node.Main).SetHosts(func(id wire.ShardID) shard.Host { return r.runners[id] }, &m); err != nil {
		r.t.Error(err)
	}
	for _, o := range old {
		o.Close()
	}
	if r.beside > 0 {
		r.funcs = host.NewFunctions(r.set, r.host, r.beside)
		r.node.Program(node.Main).SetFunctions(r.funcs)
	}
}

func (r *rig) close() {
	if r.cfg.Shard.Lose == nil && !r.dead.Load() && !r.ended() {
		if n := r.stats().Rescued; n != 0 {
			r.t.Errorf("the sweep found work %d times, and no wake-up was lost", n)
		}
	}
	r.stop()
	if err := <-r.done; err != nil && !errors.Is(err, errCrash) {
		r.t.Error(err)
	}
	for _, o := range r.runners {
		o.Close()
	}
	r.runners = nil
	if r.funcs != nil {
		r.funcs.Close()
	}
	for _, f := range r.after {
		f()
	}
	r.after = nil
}

// ended reports whether the node has stopped by itself.
func (r *rig) ended() bool { return len(r.done) > 0 }

// crash stops everything without another commit, and starts again.
func (r *rig) crash() {
	r.t.Helper()
	r.dead.Store(true)
	r.close()
	r.dead.Store(false)
	r.open()
}

// Invoke makes a rig a situ.Caller.
func (r *rig) Invoke(ctx context.Context, req *wire.Request) (*wire.Response, error) {
	r.mu.Lock()
	n := r.node
	r.mu.Unlock()
	return n.Invoke(ctx, req)
}

func do[O any](r *rig, c situ.Call[O]) O {
	r.t.Helper()
	out, err := situ.Do(context.Background(), r, c)
	if err != nil {
		r.t.Fatalf("%v: %v", c, err)
	}
	return out
}

func kindOf(err error) string {
	if e, ok := errors.AsType[*situ.Error](err); ok {
		return e.Kind
	}
	return ""
}

func (r *rig) stats() (sum shard.Stats) {
	r.t.Helper()
	all, err := r.node.Figures(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range all {
		sum.Turns += s.Turns
		sum.Commits += s.Commits
		sum.Resident += s.Resident
		sum.Queued += s.Queued
		sum.Timers += s.Timers
		sum.Dead += s.Dead
		sum.Evicted += s.Evicted
		sum.Detached += s.Detached
		sum.Outbox += s.Outbox
		sum.Waiting += s.Waiting
		sum.Rescued += s.Rescued
		sum.Overdue = max(sum.Overdue, s.Overdue)
	}
	return sum
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
