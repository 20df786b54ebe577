package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/situ-dev/situ/internal/api"
)

// PutSchedule makes or changes a schedule.
func (c *Client) PutSchedule(ctx context.Context, name string, spec *api.ScheduleSpec) (*api.Schedule, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	return ask[api.Schedule](ctx, c, http.MethodPut, "/v1/schedules/"+segment(name), body)
}

// Schedule shows a schedule.
func (c *Client) Schedule(ctx context.Context, name string) (*api.Schedule, error) {
	return ask[api.Schedule](ctx, c, http.MethodGet, "/v1/schedules/"+segment(name), nil)
}

// Schedules returns a page of the schedules whose names begin with prefix.
func (c *Client) Schedules(ctx context.Context, prefix, cursor string, limit int) (*api.Schedules, error) {
	return get[api.Schedules](ctx, c, "/v1/schedules", page("prefix", prefix, cursor, limit))
}

// DeleteSchedule forgets a schedule.
func (c *Client) DeleteSchedule(ctx context.Context, name string) error {
	return c.send(ctx, http.MethodDelete, "/v1/schedules/"+segment(name))
}

// SteerSchedule has a schedule pause, resume or run.
func (c *Client) SteerSchedule(ctx context.Context, name, verb string) (*api.Schedule, error) {
	return ask[api.Schedule](ctx, c, http.MethodPost, "/v1/schedules/"+segment(name)+"/"+verb, nil)
}
