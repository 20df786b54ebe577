// Package guest is the inside of a worker process: it connects to the engine,
// says what the program hosts, and runs a host.Runner for each shard until the
// engine goes away or asks it to end. It is used by situ.Main and by tests; it
// stores nothing and starts nothing that outlives Serve.
package guest

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/workproto"
)

// The environment of a worker process.
const (
	EnvSocket = "SITU_WORKER"       // the address of the engine's Unix socket
	EnvToken  = "SITU_WORKER_TOKEN" // who the worker is
)

// Config says whom to serve, and what.
type Config struct {
	Addr  string // of the engine's Unix socket
	Token string // that the engine gave to the process; "" when it was started by hand
	Set   *host.Set
	Log   *slog.Logger
	// Ready, if set, is called when the engine has taken the worker.
	Ready func(shards int)
}

// worker is one life of a connection to the engine.
type worker struct {
	cfg     Config
	control *workproto.Conn
	welcome *workproto.Welcome
	runners []*runner
	drain   chan struct{} // closed when no more frames are to be begun
	once    sync.Once
}

// Serve connects to the engine and runs turns until the engine asks the worker
// to end or goes away, or ctx is done; then it finishes what runs. It returns
// nil if the engine asked or ctx was done; an error of kind fault.Unavailable
// if the engine cannot be reached or went away, of kind fault.Invalid if it
// does not want this program.
func Serve(ctx context.Context, cfg Config) error {
	w := &worker{cfg: cfg, drain: make(chan struct{})}
	if err := w.open(ctx); err != nil {
		return err
	}
	defer w.close()
	if cfg.Ready != nil {
		cfg.Ready(w.welcome.Shards)
	}
	var group sync.WaitGroup
	for _, r := range w.runners {
		group.Go(r.read)
		group.Go(r.write)
	}
	stop := context.AfterFunc(ctx, w.end)
	defer stop()
	gone := make(chan error, 1)
	group.Go(func() { gone <- w.listen() })
	idle := make(chan struct{})
	go func() {
		for _, r := range w.runners {
			<-r.done
		}
		close(idle)
	}()
	var err error
	select {
	case err = <-gone:
	case <-idle: // every runner has finished, or a connection is broken
	}
	asked := w.ended()
	w.close()
	group.Wait()
	<-idle
	if asked && err == nil || ctx.Err() != nil {
		return nil
	}
	return fault.New(fault.Unavailable, "worker", cfg.Addr, "the engine went away")
}

// open says hello and attaches to every shard, and to the lanes of functions,
// which are numbered after them.
func (w *worker) open(ctx context.Context) (err error) {
	if w.control, err = w.dial(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = w.control.Close() })
	defer stop()
	manifest, err := json.Marshal(w.cfg.Set.Manifest())
	if err != nil {
		return fault.Wrap(fault.Invalid, "worker.hello", "", err)
	}
	hello := &workproto.Hello{Version: workproto.Version, PID: os.Getpid(), Token: w.cfg.Token, Build: build(), Manifest: manifest}
	if err := w.control.Send(hello); err != nil {
		return gone(w.cfg.Addr, err)
	}
	answer, err := w.control.Receive()
	if err != nil {
		return gone(w.cfg.Addr, err)
	}
	switch m := answer.(type) {
	case *workproto.Welcome:
		w.welcome = m
	case *workproto.Refuse:
		return fault.New(fault.Invalid, "worker", w.cfg.Addr, "the platform does not take this program: %s", m.Why)
	default:
		return fault.New(fault.Corrupt, "worker", w.cfg.Addr, "the platform answered hello with %v", answer.Type())
	}
	for i := range w.welcome.Shards + w.welcome.Lanes {
		c, err := w.dial(ctx)
		if err != nil {
			return err
		}
		w.runners = append(w.runners, newRunner(w, wire.ShardID(i), c))
		if err := c.Send(&workproto.Attach{Token: w.welcome.Token, Shard: wire.ShardID(i)}); err != nil {
			return gone(w.cfg.Addr, err)
		}
	}
	return nil
}

func (w *worker) dial(ctx context.Context) (*workproto.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", w.cfg.Addr)
	if err != nil {
		return nil, gone(w.cfg.Addr, err)
	}
	return workproto.NewConn(c), nil
}

func gone(addr string, err error) error {
	return fault.Wrap(fault.Unavailable, "worker.connect", addr, err)
}

// listen serves the control connection until it is closed. It is its own
// goroutine: a busy worker answers pings.
func (w *worker) listen() error {
	for {
		m, err := w.control.Receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *workproto.Ping:
			if err := w.control.Send(w.pong(m)); err != nil {
				return err
			}
		case *workproto.Shutdown:
			w.end()
		default:
			return errors.New("an unexpected message")
		}
	}
}

// pong answers a ping.
func (w *worker) pong(m *workproto.Ping) *workproto.Pong {
	pong := &workproto.Pong{N: m.N, Reported: make([]uint64, len(w.runners))}
	for i, r := range w.runners {
		pong.Reported[i] = r.reported.Load()
	}
	return pong
}

// end makes the worker finish what runs and stop.
func (w *worker) end() { w.once.Do(func() { close(w.drain) }) }

func (w *worker) ended() bool {
	select {
	case <-w.drain:
		return true
	default:
		return false
	}
}

func (w *worker) close() {
	_ = w.control.Close() // nothing was written that matters
	for _, r := range w.runners {
		r.close()
	}
}

// config is how the engine wants turns to be run.
func (w *worker) config() host.Config {
	m := w.welcome
	return host.Config{Patience: m.Patience, Slice: m.Slice, Timeout: m.Timeout, Grace: m.Grace,
		MaxState: m.MaxState, Verify: m.Verify, Log: w.cfg.Log}
}

// build says what program this is.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	s := info.Path + " " + info.Main.Version
	for _, kv := range info.Settings {
		if kv.Key == "vcs.revision" {
			s += " " + kv.Value
		}
	}
	return s
}
