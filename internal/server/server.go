// Package server composes a platform: a node on a data directory, the worker
// process that runs user code for it, and the doors. It is the list of parts
// in the order in which they are made, run and closed; each part knows its own
// business. Commands call it.
package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/fleet"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/lambda"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/otlp"
	"github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/worker"
)

// Config says what a Server runs. Dir and Listen are required.
type Config struct {
	Dir    string // data directory
	Mode   string // "dev" or "serve", for the status
	Shards int    // of a new data directory; 0 is the store's default
	Listen string // address for calls
	Admin  string // address for status and profiles; "" is none
	Log    *slog.Logger
	Output io.Writer   // lines that the program prints; nil: they are logged
	Run    host.Config // how turns are run
	Limits node.Limits
	Memory int64         // bytes that the program may occupy before it is killed; 0: not bounded
	Drain  time.Duration // how long each part may take at the end; default 10 s

	Deploy   bool            // programs can be deployed beside the one that is given, or instead of it
	Platform platform.Config // of the platform's own components
	Lambda   *lambda.Config  // functions of AWS Lambda; nil is none
}

// Server is an open platform. Run runs it.
type Server struct {
	cfg   Config
	node  *node.Node
	own   *host.Set // the platform's components
	pool  *worker.Pool
	doors []*door
	spans *otlp.Exporter                 // nil: nobody wants them
	fleet *fleet.Fleet                   // what is deployed; nil if nothing can be
	alone atomic.Pointer[platform.Local] // the program that has nothing
	known chan struct{}                  // closed when the node knows what is deployed

	lambda *lambda.Service // nil if there is none
}

// door is a listener with what answers on it.
type door struct {
	ln  net.Listener
	srv interface {
		Serve(net.Listener) error // until Shutdown or Close: http.ErrServerClosed
		Shutdown(context.Context) error
		Close() error
	}
}

// Open opens the data directory and listens. The error is of kind
// fault.Locked if another process has the directory or an address, of kind
// fault.Corrupt if the directory is damaged, and says what to do. Run the
// server.
func Open(cfg Config) (_ *Server, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Drain == 0 {
		cfg.Drain = 10 * time.Second
	}
	s := &Server{cfg: cfg, known: make(chan struct{})}
	defer func() {
		if err != nil {
			s.abandon()
		}
	}()
	// First what is likely to fail and costs nothing.
	if err := s.openLambda(); err != nil {
		return nil, err
	}
	if s.own, err = platform.Assemble(s.cfg.Platform); err != nil {
		return nil, err
	}
	call, err := listen("--listen", cfg.Listen)
	if err != nil {
		return nil, err
	}
	s.doors = append(s.doors, &door{ln: call})
	if cfg.Admin != "" {
		admin, err := listen("--admin", cfg.Admin)
		if err != nil {
			return nil, err
		}
		s.doors = append(s.doors, &door{ln: admin})
	}
	if s.spans, err = otlp.FromEnv(cfg.Log); err != nil {
		return nil, err
	}
	var ended func([]span.Told)
	if s.spans != nil {
		ended = s.spans.Offer
	}
	s.node, err = node.Open(node.Config{Shard: shard.Config{Ended: ended}, Dir: cfg.Dir, Mode: cfg.Mode, Log: cfg.Log, Drain: cfg.Drain,
		Limits: cfg.Limits, Store: store.Options{Shards: cfg.Shards}})
	if err != nil {
		return nil, err
	}
	parts, err := s.openWorkers()
	if err != nil {
		return nil, err
	}
	h := ingress.New(parts, ingress.Config{CallbackURL: s.cfg.Platform.Webhook.Check, Local: loopback(call.Addr()), Log: cfg.Log, MaxBody: int64(cfg.Limits.Payload)})
	s.doors[0].srv = ingress.Server(h, cfg.Log)
	if len(s.doors) > 1 {
		s.doors[1].srv = &http.Server{Handler: adminHandler(s), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
			ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn)}
	}
	return s, nil
}

// openWorkers makes ready to run programs, and returns what the door needs.
func (s *Server) openWorkers() (parts ingress.Platform, err error) {
	cfg := s.cfg
	workers := worker.Config{Dir: cfg.Dir, Log: cfg.Log, Output: cfg.Output, Run: cfg.Run, Memory: cfg.Memory, Drain: cfg.Drain}
	if s.pool, err = worker.New(s.node.Program(node.Main), workers); err != nil {
		return parts, err
	}
	parts = ingress.Platform{Engine: s.node, Objects: s.node, DeadLetters: s.node, Monitor: s, Chains: s.node}
	if cfg.Deploy {
		if s.fleet, err = openFleet(s.node, workers); err != nil {
			return parts, err
		}
		parts.Deployments = s.fleet
	}
	return parts, nil
}

// abandon closes what Open opened before it failed.
func (s *Server) abandon() {
	s.closeLambda()
	for _, d := range s.doors {
		_ = d.ln.Close() // the first error is told
	}
	if s.node != nil {
		_ = s.node.Close()
	}
}

// listen opens a port.
func listen(flag, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Locked, "listen", addr, "another process listens there (another situ?): stop it, or choose another address with %s", flag)
	}
	return nil, fault.New(fault.Invalid, "listen", addr, "%v: choose another address with %s", err, flag)
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// Node returns the node, for whoever measures it.
func (s *Server) Node() *node.Node { return s.node }

// Addr returns the address for calls.
func (s *Server) Addr() string { return s.doors[0].ln.Addr().String() }

// Admin returns the address for status and profiles, "" if there is none.
func (s *Server) Admin() string {
	if len(s.doors) < 2 {
		return ""
	}
	return s.doors[1].ln.Addr().String()
}

// Manifest returns what the user's program announces, nil if none ever ran.
func (s *Server) Manifest() *host.Manifest {
	if m := s.node.Manifest(); m != nil && !m.Partial {
		return m.Public()
	}
	return nil
}

// Replace makes the program at path the one that runs, as worker.Pool does.
func (s *Server) Replace(ctx context.Context, path string) error {
	if err := s.knows(ctx); err != nil {
		return err
	}
	return s.pool.Replace(ctx, path)
}

// Worker tells how the program is doing.
func (s *Server) Worker() worker.Status { return s.pool.Status() }

// Hurry makes Run end without waiting for user code.
func (s *Server) Hurry() {
	s.pool.Hurry()
	if s.fleet != nil {
		s.fleet.Hurry()
	}
}

// Status implements ingress.Monitor.
func (s *Server) Status(ctx context.Context) (*api.Status, error) {
	st, err := s.node.Status(ctx)
	if err != nil {
		return nil, err
	}
	w := s.pool.Status()
	st.Worker = &api.WorkerStatus{PID: w.PID, State: w.State, Restarts: w.Restarts}
	return st, nil
}

// Healthy implements ingress.Healthy.
func (s *Server) Healthy() error { return s.node.Healthy() }

// Run serves until ctx is done or a part fails, and then ends in bounded time:
// no new calls; turns in flight finish and commit, and their callers are
// answered; then the program ends. It returns why a part failed.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var errs [4]error
	var nodes, doors, pools sync.WaitGroup
	nodes.Go(func() {
		errs[0] = s.node.Run(ctx)
		stop(errs[0])
	})
	// First, so that nothing of the platform's is taken for what nobody has.
	own, err := platform.Run(s.node.Program(node.Platform), s.own, s.cfg.Run, 0)
	if err != nil {
		stop(err)
	} else {
		defer own.Close()
	}
	nodes.Go(func() { platform.Follow(ctx, s.node, s.cfg.Log) })
	nodes.Go(func() {
		if err := s.runFleet(ctx); err != nil {
			stop(err)
		}
	})
	poolCtx, stopPool := context.WithCancel(context.Background())
	defer stopPool()
	pools.Go(func() { s.pool.Run(poolCtx) })
	if s.spans != nil {
		pools.Go(func() { s.spans.Run(poolCtx) })
	}
	for i, d := range s.doors {
		doors.Go(func() {
			if err := d.srv.Serve(d.ln); !errors.Is(err, http.ErrServerClosed) {
				errs[1+i] = fault.Wrap(fault.Unavailable, "serve", d.ln.Addr().String(), err)
				stop(err)
			}
		})
	}
	doors.Go(func() {
		if errs[3] = s.runLambda(ctx); errs[3] != nil {
			stop(errs[3])
		}
	})
	<-ctx.Done()
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
	defer cancel()
	for _, d := range s.doors {
		doors.Go(func() {
			if d.srv.Shutdown(bound) != nil {
				_ = d.srv.Close() // what is left has had its time
			}
		})
	}
	nodes.Wait() // it needs the programs until its last turn has ended
	stopPool()
	s.closeFleet()
	pools.Wait()
	doors.Wait()
	s.closeLambda()
	return errors.Join(append(errs[:], err)...)
}
