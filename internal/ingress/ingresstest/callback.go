package ingresstest

import (
	"context"

	"github.com/situ-dev/situ/internal/shard/promise"
	"github.com/situ-dev/situ/internal/wire"
)

// Token returns what a token is waited for with.
func (p *Platform) Token(_ context.Context, token wire.InvocationID) (*wire.Promise, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.Tokens[token]
	return t, promise.Usable(t)
}

// AnswerToken uses a token, and has the answer as the last call.
func (p *Platform) AnswerToken(ctx context.Context, token wire.InvocationID, body wire.Payload, fail *wire.Failure) error {
	if _, err := p.Token(ctx, token); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if fail != nil {
		body.Data = []byte(fail.Code + ": " + fail.Message)
	}
	p.Last = wire.Request{To: wire.Address{Type: wire.TokenType, Key: string(token)}, Body: body}
	p.Tokens[token] = &wire.Promise{Token: true, Over: wire.Answered, Ended: Epoch}
	return nil
}

// BeatToken notes a sign of life.
func (p *Platform) BeatToken(ctx context.Context, token wire.InvocationID) error {
	t, err := p.Token(ctx, token)
	if err == nil {
		t.Beat += 1e9
	}
	return err
}
