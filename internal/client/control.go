package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/wire"
)

// Dead returns a page of dead letters, to objects of a type if typ is set.
func (c *Client) Dead(ctx context.Context, typ, cursor string, limit int) (*api.DeadLetters, error) {
	return c.Letters(ctx, &api.DeadFilter{Type: typ}, cursor, limit)
}

// Letters returns a page of the dead letters that f chooses.
func (c *Client) Letters(ctx context.Context, f *api.DeadFilter, cursor string, limit int) (*api.DeadLetters, error) {
	q := page("type", f.Type, cursor, limit)
	for name, v := range map[string]string{"function": f.Function, "key": f.Key, "method": f.Method, "kind": f.Kind, "text": f.Text, "chain": f.Chain} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return get[api.DeadLetters](ctx, c, "/v1/dead", q)
}

// Redrive has the dead letters that r chooses run again, or dropped.
func (c *Client) Redrive(ctx context.Context, r *api.RedriveRequest, drop bool) (*api.Redrive, error) {
	path := "/v1/dead/retry"
	if drop {
		path = "/v1/dead/drop"
	}
	return post[api.Redrive](ctx, c, path, r)
}

// Redrives lists the redrives.
func (c *Client) Redrives(ctx context.Context) (*api.Redrives, error) {
	return get[api.Redrives](ctx, c, "/v1/redrives", nil)
}

// ShowRedrive returns one.
func (c *Client) ShowRedrive(ctx context.Context, id string) (*api.Redrive, error) {
	return get[api.Redrive](ctx, c, "/v1/redrives/"+segment(id), nil)
}

// StopRedrive stops one.
func (c *Client) StopRedrive(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, "/v1/redrives/"+segment(id))
}

// Pause has what arrives for a function, a type or an object parked.
func (c *Client) Pause(ctx context.Context, s wire.Scope, reason string) (*api.Pause, error) {
	return post[api.Pause](ctx, c, "/v1/pauses", map[string]string{"function": s.Function, "type": s.Type, "key": s.Key, "reason": reason})
}

// Pauses lists what is paused.
func (c *Client) Pauses(ctx context.Context) (*api.Pauses, error) {
	return get[api.Pauses](ctx, c, "/v1/pauses", nil)
}

// Resume lets go what is parked, rate messages a second; 0 is as fast as possible.
func (c *Client) Resume(ctx context.Context, s wire.Scope, rate float64) error {
	path := "/v1/pauses/" + segment(s.String())
	if rate != 0 {
		path += "?" + url.Values{"rate": {strconv.FormatFloat(rate, 'g', -1, 64)}}.Encode()
	}
	return c.send(ctx, http.MethodDelete, path)
}

// Cancel cancels the chain of a recorded call.
func (c *Client) Cancel(ctx context.Context, id, reason string) error {
	_, err := post[struct{}](ctx, c, "/v1/invocations/"+segment(id)+"/cancel", api.Reason{Reason: reason})
	return err
}

// post sends a document and returns the one that is answered, if any.
func post[T any](ctx context.Context, c *Client, path string, doc any) (*T, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	return ask[T](ctx, c, http.MethodPost, path, b)
}
