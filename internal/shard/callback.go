package shard

import (
	"context"

	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/wire"
)

// Token returns the promise of a callback token that may be answered. The error is
// of kind fault.NotFound, fault.Used or fault.Gone.
func (s *Shard) Token(ctx context.Context, id wire.InvocationID) (*wire.Promise, error) {
	var got *wire.Promise
	err := s.do(ctx, wire.ObjectID{}, func(c *core.Core) (err error) {
		ps, _ := c.Promises()
		got, err = ps.Token(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// AnswerToken answers for whoever has a callback token: with a value, or with a
// failure. It returns when that is durable. The error is as that of Token.
func (s *Shard) AnswerToken(ctx context.Context, id wire.InvocationID, body wire.Payload, fail *wire.Failure) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error {
		ps, now := c.Promises()
		return ps.AnswerToken(id, body, fail, now)
	})
}

// BeatToken notes that whoever has a callback token is at work. The error is as
// that of Token.
func (s *Shard) BeatToken(ctx context.Context, id wire.InvocationID) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error {
		ps, now := c.Promises()
		return ps.Beat(id, now)
	})
}
