package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
)

// Error is an error that the server answered. It wraps a *fault.Error, so its
// kind is found by fault.KindOf.
type Error struct {
	Problem api.Problem
	fault   *fault.Error
}

// Error returns what was called and what is wrong.
func (e *Error) Error() string { return e.fault.Error() }

// Unwrap returns the *fault.Error.
func (e *Error) Unwrap() error { return e.fault }

// ErrNoServer is the cause of the error when nothing listens at the address.
var ErrNoServer = errors.New("nothing listens there")

// do makes a request and reads the answer. An answer of 400 and above is an
// error.
func (c *Client) do(req *http.Request, on string) (*http.Response, []byte, error) {
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, nil, c.unreachable(err, req, on)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, nil, c.unreachable(err, req, on)
	}
	if resp.StatusCode >= 400 {
		return nil, nil, problem(resp, body, on)
	}
	return resp, body, nil
}

// problem reads an error answer.
func problem(resp *http.Response, body []byte, on string) error {
	e := &Error{fault: &fault.Error{Kind: kindOfStatus(resp.StatusCode), On: on}}
	if json.Unmarshal(body, &e.Problem) != nil || e.Problem.Type == "" {
		e.Problem = api.Problem{Status: resp.StatusCode, Title: resp.Status}
		e.fault.Msg = fmt.Sprintf("the server answered %s: %.200s", resp.Status, body)
		return e
	}
	if kind, ok := strings.CutPrefix(e.Problem.Type, api.ProblemPrefix); ok && fault.ParseKind(kind).String() == kind {
		e.fault.Kind = fault.ParseKind(kind)
	}
	e.fault.Msg, e.fault.Code = e.Problem.Detail, e.Problem.Code
	if e.fault.Msg == "" {
		e.fault.Msg = e.Problem.Title
	}
	if strings.HasPrefix(e.fault.Msg, on) {
		e.fault.On = ""
	}
	if sec, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.fault.Retry = time.Duration(sec) * time.Second
	}
	return e
}

// kindOfStatus is for answers of others, such as a proxy between.
func kindOfStatus(status int) fault.Kind {
	switch status {
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case http.StatusTooManyRequests:
		return fault.Busy
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return fault.Unavailable
	case http.StatusGatewayTimeout:
		return fault.Timeout
	}
	if status < 500 {
		return fault.Invalid
	}
	return fault.Internal
}

// unreachable says what it means that there was no answer.
func (c *Client) unreachable(err error, req *http.Request, on string) error {
	e := &fault.Error{Kind: fault.Unavailable, On: on, Err: err}
	sent := req.Method != http.MethodGet
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Msg, e.Err = "no situ at "+c.base, ErrNoServer
	case errors.Is(err, context.Canceled):
		e.Kind = fault.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Msg = fault.Timeout, "no answer in time"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		e.Msg = "the connection to " + c.base + " broke"
		if sent {
			e.Kind = fault.Timeout
		}
	default:
		e.Msg = "cannot reach " + c.base
	}
	if e.Kind == fault.Timeout && sent {
		e.Msg += "; the call may have been carried out"
	}
	return e
}

func (c *Client) badAddress(err error) error {
	return &fault.Error{Kind: fault.Invalid, Op: "client", On: c.base, Msg: "this is no address of a server", Err: err}
}

func strange(on, format string, args ...any) error {
	return fault.New(fault.Internal, "client", on, format, args...)
}
