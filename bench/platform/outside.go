package platform

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

// outside is a platform whose components are in a worker process.
type outside struct {
	node     *node.Node
	pool     *worker.Pool
	stopNode context.CancelFunc
	stopPool context.CancelFunc
	ran      chan error
	pooled   sync.WaitGroup
	once     sync.Once
	err      error
}

func openOutside(ctx context.Context, c Config) (Platform, error) {
	n, err := node.Open(node.Config{Dir: c.Dir, Mode: "bench", Store: store.Options{MemTable: c.MemTable},
		Limits: node.Limits{Resident: c.Resident, ResidentBytes: c.ResidentBytes, IdleAfter: idleAfter}})
	if err != nil {
		return nil, err
	}
	pool, err := worker.New(n.Program(node.Main), worker.Config{Output: os.Stderr, Env: c.Env})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	p := &outside{node: n, pool: pool, ran: make(chan error, 1)}
	var nodeCtx, poolCtx context.Context
	nodeCtx, p.stopNode = context.WithCancel(context.Background())
	poolCtx, p.stopPool = context.WithCancel(context.Background())
	go func() { p.ran <- n.Run(nodeCtx) }()
	p.pooled.Go(func() { pool.Run(poolCtx) })
	if err := pool.Replace(ctx, c.Program); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Invoke implements situ.Caller.
func (p *outside) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	return p.node.Invoke(ctx, r)
}

// Figures implements Platform.
func (p *outside) Figures(ctx context.Context) (Figures, error) { return figures(ctx, p.node) }

// Usage implements Platform.
func (p *outside) Usage() (time.Duration, int64) {
	return report.Usage(p.PIDs()...)
}

// PIDs implements Platform.
func (p *outside) PIDs() []int { return []int{os.Getpid(), p.pool.Status().PID} }

// Node implements Platform.
func (p *outside) Node() *node.Node { return p.node }

// Close implements Platform. The worker outlives the node, which finishes what
// runs.
func (p *outside) Close() error {
	p.once.Do(func() {
		p.stopNode()
		p.err = <-p.ran
		p.stopPool()
		p.pooled.Wait()
	})
	return p.err
}
