package situ

import (
	"context"
	"errors"
	"time"

	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// A Client calls a platform over its HTTP API. It is safe for concurrent use.
type Client struct{ c *client.Client }

var _ Caller = (*Client)(nil)

// NewClient returns a client of the platform at address, for example
// "http://127.0.0.1:8080". It connects with the first call: an address where
// nobody listens is an error of Kind "unavailable" of the verb. Close it.
func NewClient(address string) *Client { return &Client{client.New(address)} }

// Close closes idle connections. Calls under way go on.
func (c *Client) Close() { c.c.Close() }

// Invoke implements Caller: use Do or Start.
func (c *Client) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	if r.Policy != nil {
		return nil, fault.New(fault.Invalid, "call", r.To.String(), "a retry policy of one call cannot be given over HTTP: set it for the method, with situ.Retries")
	}
	o := client.Options{Key: r.Key, Async: r.Async, Trace: r.Trace, Want: r.Want}
	if r.Due > 0 {
		o.At = time.Unix(0, int64(r.Due))
	}
	if r.Until > 0 {
		o.By = time.Unix(0, int64(r.Until))
	}
	o.Within = time.Duration(r.Within)
	res, err := c.c.Call(ctx, r.To, r.Body, o)
	if e, ok := errors.AsType[*client.Error](err); ok && e.Problem.Detail != "" {
		// What the platform answered reads as it does in its own process.
		return &wire.Response{Done: true, Fail: &wire.Failure{Kind: fault.KindOf(e).String(), Code: e.Problem.Code, Message: e.Problem.Detail}}, nil
	}
	if err != nil {
		return nil, err
	}
	resp := &wire.Response{ID: res.ID, Done: res.Done, Body: res.Body, Again: res.Again}
	for !resp.Done && !r.Async {
		if err := c.wait(ctx, resp); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// wait asks for the answer of a call that was recorded.
func (c *Client) wait(ctx context.Context, resp *wire.Response) error {
	inv, err := c.c.Invocation(ctx, resp.ID, 30*time.Second)
	if err != nil {
		return err
	}
	if inv.Finished.IsZero() {
		return nil
	}
	resp.Done = true
	if inv.Error != nil {
		resp.Fail = &wire.Failure{Kind: inv.Error.Kind, Code: inv.Error.Code, Message: inv.Error.Message}
	}
	if len(inv.Result) > 0 {
		resp.Body = wire.Payload{Format: wire.JSON, Data: inv.Result}
	}
	return nil
}
