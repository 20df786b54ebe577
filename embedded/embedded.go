// Package embedded runs the whole platform inside a Go program: the engine,
// its store and the user's components in one process. It is the fastest way to
// run them, and the code of components is the same as in a worker process.
// What is lost with that is isolation: a component that corrupts memory or
// exits takes the program with it.
package embedded

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/otlp"
	"github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Options say how a platform runs. The zero value works.
type Options struct {
	// Shards is the number of shards of a new data directory; default two for
	// each core, at least 4 and at most 8. It is fixed when the directory is
	// made.
	Shards int
	// Logger receives what the platform and the components log. Default:
	// discarded.
	Logger *slog.Logger
	// Timeout is how long a handler may run when its method does not say.
	// Default 1 minute.
	Timeout time.Duration
	// MaxResident and MaxResidentBytes bound the objects that stay in memory
	// unused, and the bytes of their state. Defaults 2,000,000, and 2 GiB or a
	// quarter of GOMEMLIMIT if that is less.
	MaxResident      int
	MaxResidentBytes int64
	// IdleAfter is how long an unused object stays in memory. Default 10
	// minutes.
	IdleAfter time.Duration
	// KeepAnswers is how long the answers of calls with an idempotency key
	// and of started calls are kept. Default 24 hours.
	KeepAnswers time.Duration
	// Drain is how long Close lets turns in flight run. Default 10 s.
	Drain time.Duration
	// Spans has the spans of chains sent to the collector of OpenTelemetry that the
	// variables OTEL_* of the environment name, as situ serve does; to none if they name none. Close
	// sends what is left.
	Spans bool
}

// Platform is a running platform. It is a situ.Caller.
type Platform struct {
	node *node.Node
	stop context.CancelFunc
	done chan struct{}
	err  error
	once sync.Once
}

var _ situ.Caller = (*Platform)(nil)

// Open opens the data directory dir, making it if it is not there, and runs
// components on it. The error says what is wrong with the components or with
// the directory, which one process at a time can have. Close the platform.
func Open(dir string, o Options, components ...situ.Component) (*Platform, error) {
	set, err := situ.Assemble(components...)
	if err != nil {
		return nil, err
	}
	m := set.Manifest()
	if err := node.CheckNames(node.Main, &m); err != nil {
		return nil, err
	}
	own, err := platform.Assemble(platform.Config{})
	if err != nil {
		return nil, err
	}
	var spans *otlp.Exporter
	var ended func([]span.Told)
	if o.Spans {
		if spans, err = otlp.FromEnv(cmp.Or(o.Logger, slog.New(slog.DiscardHandler))); err != nil {
			return nil, err
		}
	}
	if spans != nil {
		ended = spans.Offer
	}
	n, err := node.Open(node.Config{Shard: shard.Config{Ended: ended}, Dir: dir, Mode: "embedded", Log: o.Logger, Drain: o.Drain, Store: store.Options{Shards: o.Shards},
		Limits: node.Limits{Resident: o.MaxResident, ResidentBytes: o.MaxResidentBytes, IdleAfter: o.IdleAfter, KeepAnswers: o.KeepAnswers}})
	if err != nil {
		return nil, err
	}
	return start(n, spans, host.Config{Timeout: o.Timeout, Log: o.Logger}, program{node.Platform, own, 0}, program{node.Main, set, maxFunctions})
}

// program is one that runs on the platform.
type program struct {
	name      string
	set       *host.Set
	functions int // that run at once, called from outside, beside the shards
}

// maxFunctions is how many functions run at once, called from outside.
const maxFunctions = 2048

func start(n *node.Node, spans *otlp.Exporter, cfg host.Config, programs ...program) (*Platform, error) {
	ctx, stop := context.WithCancel(context.Background())
	p := &Platform{node: n, stop: stop, done: make(chan struct{})}
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		p.err = n.Run(ctx)
	}()
	var locals []*platform.Local
	var failed error
	for _, prog := range programs {
		l, err := platform.Run(n.Program(prog.name), prog.set, cfg, prog.functions)
		if err != nil {
			failed = err
			break
		}
		locals = append(locals, l)
	}
	sending, last := context.WithCancel(context.Background())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if spans != nil {
			spans.Run(sending)
		}
	}()
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		platform.Follow(ctx, n, cfg.Log)
	}()
	go func() {
		defer close(p.done)
		<-ran
		stop()
		<-followed
		for _, l := range locals {
			l.Close()
		}
		last() // all that ended was offered
		<-sent
	}()
	if failed != nil {
		_ = p.Close() // the first error says more
		return nil, failed
	}
	return p, nil
}

// Invoke implements situ.Caller: use situ.Do.
func (p *Platform) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	return p.node.Invoke(ctx, r)
}

// Node returns the node inside, for the doors and tools of Situ.
func (p *Platform) Node() *node.Node { return p.node }

// Close stops taking calls, lets turns in flight finish and commit, and closes
// the store. The error is what ended the platform before, or kept it from
// closing in order. It may be called twice, with the same result.
func (p *Platform) Close() error {
	p.once.Do(p.stop)
	<-p.done
	return p.err
}
