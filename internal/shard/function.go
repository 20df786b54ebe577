package shard

import (
	"context"

	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Functions runs functions without a shard between them and their callers.
type Functions interface {
	// Run runs the function that env calls. The result is returned, or, if
	// that is nil, later takes it once, on another goroutine; nil if the host
	// died while it ran. An error says that it was not run. It may keep the
	// goroutine for as long as the handler does.
	Run(env *wire.Envelope, now wire.Time, seed uint64, later turn.Taker) (*turn.Result, error)
	// Drain takes no more calls, and returns when none runs or ctx is done.
	Drain(ctx context.Context)
}

// finished is the turn of a function that ran beside the shard.
type finished struct {
	env *wire.Envelope
	res *turn.Result
	w   *core.Waiter
}

// Finish takes what became of a function that ran beside the shards: what it
// sent is committed with its answer, and one that failed is run again here, by
// policy. A nil res says that its host died while it ran. Seed is that of its
// random source. Done and leave are as with Call.
func (s *Shard) Finish(env *wire.Envelope, res *turn.Result, seed uint64, done func(*wire.Response, error)) (leave func()) {
	w := &core.Waiter{Done: done, Seed: seed}
	if !s.post(finished{env, res, w}) {
		done(nil, stopped(env.To.String()))
	}
	return w.Leave
}

// takeFinished gives it to the core. A shard that stops commits what was done,
// and tries nothing again.
func (s *Shard) takeFinished(v finished, stopping bool) {
	if stopping && (v.res == nil || v.res.Outcome != turn.Done) {
		s.core.AnswerNow(v.w, nil, stopped(v.env.To.String()))
		return
	}
	s.core.TakeFinished(v.env, v.res, v.w)
}
