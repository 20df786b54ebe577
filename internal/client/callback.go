package client

import (
	"context"

	"github.com/situ-dev/situ/internal/api"
)

// Callback tells what a callback token is waited for with. The error is of kind
// fault.NotFound, fault.Used or fault.Gone if it cannot be answered.
func (c *Client) Callback(ctx context.Context, token string) (*api.Callback, error) {
	return get[api.Callback](ctx, c, "/v1/callbacks/"+segment(token), nil)
}

// Answer answers for who has a callback token. The error is as that of Callback, or
// of kind fault.Unfit if the result is not of the type that is waited for.
func (c *Client) Answer(ctx context.Context, token string, a api.Answer) error {
	_, err := post[struct{}](ctx, c, "/v1/callbacks/"+segment(token), a)
	return err
}
