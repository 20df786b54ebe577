package situtest

import (
	"context"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Answer answers for whoever has a callback token, with a result as JSON. The
// door's check of its type is not made here. The error is a *situ.Error.
func (rt *Runtime) Answer(token, result string) error {
	return rt.answer(token, wire.Payload{Format: wire.JSON, Data: []byte(result)}, nil)
}

// AnswerFailure answers for whoever has a callback token, with an error.
func (rt *Runtime) AnswerFailure(token, code, message string) error {
	return rt.answer(token, wire.Payload{}, &wire.Failure{Kind: fault.Failed.String(), Code: code, Message: message})
}

// Heartbeat says that whoever has a callback token is at work.
func (rt *Runtime) Heartbeat(token string) error {
	return public(rt.current().BeatToken(context.Background(), wire.InvocationID(token)))
}

func (rt *Runtime) answer(token string, body wire.Payload, fail *wire.Failure) error {
	return public(rt.current().AnswerToken(context.Background(), wire.InvocationID(token), body, fail))
}

// public returns err as users see it.
func public(err error) error {
	if f := wire.FailureOf(err); f != nil {
		return &situ.Error{Kind: f.Kind, Code: f.Code, Message: f.Message}
	}
	return nil
}
