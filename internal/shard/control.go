package shard

import (
	"context"

	"github.com/situ-dev/situ/internal/shard/control"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/wire"
)

// PausedBefore returns what was paused before Run, and PauseBefore pauses more.
func (s *Shard) PausedBefore() []wire.Pause { return s.core.Control().Pauses.List() }

// PauseBefore pauses a scope before Run.
func (s *Shard) PauseBefore(p wire.Pause) { s.core.Control().Pauses.Pause(p.Scope, p.Reason, p.Since) }

// FunctionsPaused reports whether any function is paused, or being resumed.
func (s *Shard) FunctionsPaused() bool { return s.gates.Load() > 0 }

// Pause has what arrives for a scope parked.
func (s *Shard) Pause(ctx context.Context, scope wire.Scope, reason string) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error {
		c.Control().Pauses.Pause(scope, reason, wire.Time(s.cfg.Now().UnixNano()))
		return nil
	})
}

// Resume lets go what is parked for a scope, rate a second; 0 is any. The error
// is of kind fault.NotFound if it is not paused here.
func (s *Shard) Resume(ctx context.Context, scope wire.Scope, rate float64) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { return c.Control().Pauses.Resume(scope, rate) })
}

// look returns what get sees in the shard's control.
func look[T any](ctx context.Context, s *Shard, get func(*control.Control) T) (T, error) {
	var got, none T
	if err := s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { got = get(c.Control()); return nil }); err != nil {
		return none, err
	}
	return got, nil
}

// Pauses returns what is paused.
func (s *Shard) Pauses(ctx context.Context) ([]wire.Pause, error) {
	return look(ctx, s, func(c *control.Control) []wire.Pause { return c.Pauses.List() })
}

// BeginRedrive begins to run dead letters again, or to drop them.
func (s *Shard) BeginRedrive(ctx context.Context, j wire.Redrive) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error {
		return c.Control().Redrives.Begin(j, wire.Time(s.cfg.Now().UnixNano()))
	})
}

// StopRedrive stops that.
func (s *Shard) StopRedrive(ctx context.Context, id string) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error {
		return c.Control().Redrives.Stop(id, wire.Time(s.cfg.Now().UnixNano()))
	})
}

// Redrives returns those that go on, and the last that ended.
func (s *Shard) Redrives(ctx context.Context) ([]wire.Redrive, error) {
	return look(ctx, s, func(c *control.Control) []wire.Redrive { return c.Redrives.List() })
}

// Cancel cancels the chain of a recorded call.
func (s *Shard) Cancel(ctx context.Context, id wire.InvocationID, reason string) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { return c.Cancel(id, reason) })
}
