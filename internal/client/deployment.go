package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/situ-dev/situ/internal/api"
)

// Deployments tells how all deployments are.
func (c *Client) Deployments(ctx context.Context) (*api.Deployments, error) {
	return get[api.Deployments](ctx, c, "/v1/deployments", nil)
}

// Deployment tells how one is. The error is of kind fault.NotFound if there is none of
// that name.
func (c *Client) Deployment(ctx context.Context, name string) (*api.Deployment, error) {
	return get[api.Deployment](ctx, c, "/v1/deployments/"+segment(name), nil)
}

// Steer does something to a deployment: promote, weights, rollback, off or on, with the
// document that this takes.
func (c *Client) Steer(ctx context.Context, name, verb string, doc any) (*api.Deployment, error) {
	return post[api.Deployment](ctx, c, "/v1/deployments/"+segment(name)+"/"+verb, doc)
}

// Undeploy deletes a deployment after a time of grace, a duration; "" is at once.
func (c *Client) Undeploy(ctx context.Context, name, grace string) (*api.Deployment, error) {
	path := "/v1/deployments/" + segment(name)
	if grace != "" {
		path += "?grace=" + url.QueryEscape(grace)
	}
	return ask[api.Deployment](ctx, c, http.MethodDelete, path, nil)
}
