package situ

import (
	"context"
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// A Caller carries calls from outside to a platform: a [Client], an
// embedded.Platform or a situtest.Runtime.
type Caller interface {
	// Invoke is for Do and Start. Only packages of Situ implement it.
	Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error)
}

// Do makes a call from outside and waits for its result. The error is an
// *Error: what the handler answered (Kind "failed"), or why the platform could
// not carry the call out. After Kind "timeout" or "canceled" the call may have
// been carried out: make it again with the same Idempotent key.
func Do[O any](ctx context.Context, p Caller, c Call[O]) (out O, err error) {
	resp, err := invoke(ctx, p, c, false)
	if err != nil {
		return out, err
	}
	if err := codec.Unpack(resp.Body, &out); err != nil {
		return out, &Error{Kind: fault.Unfit.String(), Message: "the answer of " + c.to.String() + ": " + err.Error()}
	}
	return out, nil
}

// Start makes a call from outside and returns as soon as it is durable, with
// the name under which its result can be fetched. The error is as that of Do,
// but says nothing of what the handler will answer.
func Start[O any](ctx context.Context, p Caller, c Call[O]) (invocation string, err error) {
	resp, err := invoke(ctx, p, c, true)
	if err != nil {
		return "", err
	}
	return string(resp.ID), nil
}

func invoke[O any](ctx context.Context, p Caller, c Call[O], async bool) (*wire.Response, error) {
	if c.err != nil {
		return nil, publicError(c.err)
	}
	r := &wire.Request{To: c.to, Body: c.in, Want: wire.CBOR, Key: c.key, Async: async, Policy: c.policy,
		Due: c.due(wire.Time(time.Now().UnixNano())), Within: wire.Time(c.within)}
	if c.within == 0 {
		r.Until = c.deadline(0)
	}
	resp, err := p.Invoke(ctx, r)
	if err != nil {
		return nil, publicError(err)
	}
	if resp.Fail != nil {
		return nil, errorOf(resp.Fail)
	}
	return resp, nil
}

// publicError returns err as an *Error.
func publicError(err error) error { return errorOf(wire.FailureOf(err)) }
