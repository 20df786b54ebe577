package server

import (
	"context"
	"log/slog"
	"os/exec"
	"path/filepath"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/fleet"
	"github.com/situ-dev/situ/internal/lambda/adapter"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/sandbox"
	"github.com/situ-dev/situ/internal/worker"
)

// openFleet makes ready to run what is deployed.
func openFleet(n *node.Node, workers worker.Config) (*fleet.Fleet, error) {
	bundles, err := bundle.Open(filepath.Join(workers.Dir, "bundles"), bundle.ArchiveLimits{})
	if err != nil {
		return nil, err
	}
	return fleet.New(fleet.Config{Node: n, Bundles: bundles, Worker: workers, Log: workers.Log, Confine: confine(workers.Log)}), nil
}

// confine returns what puts the worker of a bundle into the strongest sandbox that
// there is here.
func confine(log *slog.Logger) func(bundle.Bundle, adapter.Launch) func(*exec.Cmd) error {
	if !sandbox.Served() {
		log.Warn("this program cannot build sandboxes: its main does not call sandbox.Serve; what is deployed has all rights of this user")
		return nil
	}
	return func(b bundle.Bundle, l adapter.Launch) func(*exec.Cmd) error { return l.Sandbox(b, nil).Confine }
}

// runFleet makes what is deployed known, and sees to it until ctx is done.
func (s *Server) runFleet(ctx context.Context) error {
	if s.fleet == nil {
		close(s.known)
		return nil
	}
	if err := s.fleet.Restore(ctx); err != nil {
		return err
	}
	close(s.known)
	s.fleet.Run(ctx)
	return nil
}

// knows waits until the node knows what is deployed: what is not there then is
// nowhere.
func (s *Server) knows(ctx context.Context) error {
	select {
	case <-s.known:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, "serve", "", context.Cause(ctx))
	}
}

// Alone says that there is no program but what is deployed. When that is
// known it calls ready, and it returns when ctx is done.
func (s *Server) Alone(ctx context.Context, ready func()) error {
	if err := s.knows(ctx); err != nil {
		return err
	}
	none, err := situ.Assemble()
	if err != nil {
		return err
	}
	l, err := platform.Run(s.node.Program(node.Main), none, s.cfg.Run, 0)
	if err != nil {
		return err
	}
	s.alone.Store(l)
	ready()
	<-ctx.Done()
	return nil
}

// closeFleet ends what is deployed. The node has ended.
func (s *Server) closeFleet() {
	if s.fleet != nil {
		s.fleet.Close()
	}
	if l := s.alone.Load(); l != nil {
		l.Close()
	}
}
