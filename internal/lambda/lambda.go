// Package lambda is the AWS Lambda side of the platform: functions in processes
// of their own, durable executions as objects, and an HTTP API that Lambda's
// clients know. It is the list of these parts; each knows its own business.
package lambda

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/lambda/door"
	"github.com/situ-dev/situ/internal/lambda/execution"
	"github.com/situ-dev/situ/internal/lambda/runtimeapi"
)

// Config says what a Service runs. Listen, Dir and Functions are required.
type Config struct {
	Listen    string // address of the Lambda API
	Dir       string // data directory of the platform
	Functions []execution.Function
	Node      string // program for functions of Node; default "node"
	Python    string // program for functions of Python; default "python3"
	Region    string // of the ARNs; default us-east-1
	Drain     time.Duration
	Log       *slog.Logger
	Wrap      func(http.Handler) http.Handler // for tests: what is around the API
}

// Service is the Lambda side of one platform. Its components are hosted by the
// platform; then Run serves.
type Service struct {
	cfg    Config
	ln     net.Listener
	bridge *execution.Bridge
}

// Open checks the functions and listens. The error is of kind fault.Invalid if
// something is wrong with a function, of kind fault.Locked if another process
// has the address. Close the service.
func Open(cfg Config) (*Service, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Drain == 0 {
		cfg.Drain = 5 * time.Second
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fault.New(fault.Locked, "listen", cfg.Listen, "another process listens there: stop it, or choose another address with --lambda")
	} else if err != nil {
		return nil, fault.New(fault.Invalid, "listen", cfg.Listen, "%v: choose another address with --lambda", err)
	}
	b, err := execution.New(cfg.Functions, runtimeapi.Config{Node: cfg.Node, Python: cfg.Python, Scratch: filepath.Join(cfg.Dir, "lambda"),
		Endpoint: "http://" + ln.Addr().String(), Region: cfg.Region, Log: cfg.Log})
	if err != nil {
		_ = ln.Close() // the first error is told
		return nil, err
	}
	return &Service{cfg: cfg, ln: ln, bridge: b}, nil
}

// Addr returns the address of the API.
func (s *Service) Addr() string { return s.ln.Addr().String() }

// Components returns what the platform is to host.
func (s *Service) Components() []situ.Component { return s.bridge.Components() }

// Run serves the API on a platform until ctx is done, and then ends in bounded
// time: invocations that run are given up, and made again when the platform runs
// again. It returns why it failed. The processes of functions end with Close.
func (s *Service) Run(ctx context.Context, caller situ.Caller, objects door.Objects) error {
	s.bridge.Use(caller)
	at, ok := s.ln.Addr().(*net.TCPAddr)
	srv := door.New(s.bridge, objects, ok && at.IP.IsLoopback(), s.cfg.Log).Server()
	if s.cfg.Wrap != nil {
		srv.Handler = s.cfg.Wrap(srv.Handler)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s.ln) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	s.bridge.Stop()
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
	defer cancel()
	if srv.Shutdown(bound) != nil {
		_ = srv.Close() // what is left has had its time
	}
	if err == nil {
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fault.Wrap(fault.Unavailable, "serve", s.Addr(), err)
}

// Close ends the processes of functions and stops listening. It may be called
// twice.
func (s *Service) Close() {
	s.bridge.Close()
	_ = s.ln.Close() // Run has closed it already
}
