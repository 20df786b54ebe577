package ingress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress/h1"
	"github.com/situ-dev/situ/internal/wire"
)

// carrier is the connection under an exchange: h1.Conn, or what net/http has.
// It is the context of the exchange.
type carrier interface {
	context.Context
	Body(limit int64) ([]byte, error)
	Within(time.Duration)
	Hold(*h1.Ticket)
	Release()
	Reply(status int, fields []h1.Field, body []byte)
}

// exchange is one request and its response. A connection has one for all its
// requests.
type exchange struct {
	h      *Handler
	c      carrier
	head   *h1.Head
	args   [3]string     // values of the route's parameters, decoded
	fields []h1.Field    // of the response, all but those that the carrier adds
	text   []byte        // room for a problem document
	local  string        // the Host that was found to be this machine's, most likely that of the next request
	wait   time.Duration // how long an asynchronous call may be waited for
	plan   plan          // of the request before; its zero value is none
	req    *wire.Request // the call, once it is asked for
	spare  *wire.Request // an earlier one that nobody has any more
	asked  *asked        // of the last call, to be used again
}

var _ h1.Session = (*exchange)(nil)

// asked is a call that was handed to the engine.
type asked struct {
	*h1.Ticket
	resp *wire.Response
	err  error
	done func(*wire.Response, error) // answered
}

func (a *asked) answered(resp *wire.Response, err error) {
	a.resp, a.err = resp, err
	a.Settle()
}

// Session implements h1.Handler.
func (h *Handler) Session(c *h1.Conn) h1.Session {
	return &exchange{h: h, c: c, head: c.Head(), fields: make([]h1.Field, 0, 8)}
}

// errTaken ends a request that another goroutine answers.
var errTaken = errors.New("the exchange was taken from its goroutine")

// Serve implements h1.Session.
func (x *exchange) Serve() (kept bool) {
	x.fields = x.fields[:0]
	err := x.serve()
	if errors.Is(err, errTaken) { // x is another's now
		return false
	}
	if err != nil {
		x.problem(err)
	}
	x.req = nil // an idle connection is not to hold what it was asked last
	return true
}

func (x *exchange) serve() error {
	if x.planned() {
		return x.callAgain()
	}
	x.plan = plan{}
	if err := x.admit(); err != nil {
		return err
	}
	rt, err := x.route()
	if err != nil {
		return err
	}
	return rt.serve(x)
}

// ask hands the call to the engine, and answers when that does.
func (x *exchange) ask() error {
	a := x.asked
	if a == nil {
		a = &asked{Ticket: h1.NewTicket()}
		a.done = a.answered
		x.asked = a
	}
	c, engine := x.c, x.h.p.Engine
	c.Within(x.h.cfg.Patience)
	c.Hold(a.Ticket)
	done := c.Done()
	resp, leave, err := engine.Begin(x.req, a.done)
	switch a.Wait(done, leave != nil) {
	case h1.Taken:
		return errTaken
	case h1.Left:
		leave()
		x.asked = nil
		resp, err = nil, c.Err()
	case h1.Answered:
		if leave != nil {
			resp, err = a.resp, a.err
		}
		a.resp, a.err = nil, nil
	}
	c.Release()
	again := leave == nil && err == nil
	err = x.told(resp, err)
	if again {
		x.req.Body = wire.Payload{} // an idle connection holds no body
		x.spare = x.req
	}
	return err
}

// Resume implements h1.Session: a call kept its goroutine for too long.
func (x *exchange) Resume(late bool) {
	a := x.asked
	x.asked = nil
	x.c.Release()
	resp, err := a.resp, a.err
	if late {
		resp, err = nil, context.DeadlineExceeded
	}
	if err := x.told(resp, err); err != nil {
		x.problem(err)
	}
	x.req = nil
}

// told answers with what the engine said about the call.
func (x *exchange) told(resp *wire.Response, err error) error {
	if err != nil {
		return unknown(err, x.req, x.h.cfg.Patience)
	}
	if resp.ID != "" {
		x.set(api.HeaderInvocation, string(resp.ID))
	}
	if resp.Again {
		x.set(api.HeaderReplayed, "true")
	}
	if !x.req.Async {
		return x.answer(resp.Body, resp.Fail, x.req.Want)
	}
	return x.accepted(resp)
}

// Refuse implements h1.Session.
func (x *exchange) Refuse(status int, why string) {
	x.fields = x.fields[:0]
	r := &refusal{kind: fault.Invalid, status: status, title: http.StatusText(status), detail: why}
	switch status {
	case http.StatusBadRequest:
		r.title = ""
	case http.StatusRequestTimeout:
		r.kind = fault.Timeout
	case http.StatusRequestHeaderFieldsTooLarge:
		r.kind = fault.TooLarge
	case http.StatusInternalServerError:
		r.kind = fault.Internal
	}
	x.problem(r)
}

// set sets a field of the response.
func (x *exchange) set(name, value string) {
	for i := range x.fields {
		if x.fields[i].Name == name {
			x.fields[i].Value = value
			return
		}
	}
	x.fields = append(x.fields, h1.Field{Name: name, Value: value})
}

// has reports whether a field of the response is set.
func (x *exchange) has(name string) bool {
	for i := range x.fields {
		if x.fields[i].Name == name {
			return true
		}
	}
	return false
}

// body reads the request's body.
func (x *exchange) body() ([]byte, error) {
	b, err := x.c.Body(x.h.cfg.MaxBody)
	if r, ok := errors.AsType[*h1.Refusal](err); ok {
		title := http.StatusText(r.Status)
		if r.Status == http.StatusBadRequest {
			title = ""
		}
		return nil, &refusal{kind: fault.Invalid, status: r.Status, title: title, detail: r.Why}
	}
	switch {
	case errors.Is(err, h1.ErrFull):
		return nil, &refusal{kind: fault.Busy, detail: err.Error() + ": try again later"}
	case errors.Is(err, h1.ErrTooLarge):
		return nil, x.tooLarge(fmt.Sprintf("has more than %d bytes", x.h.cfg.MaxBody))
	case err != nil:
		return nil, malformed("the body ended early: %v", err)
	}
	return b, nil
}
