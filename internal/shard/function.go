package shard

import (
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

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
