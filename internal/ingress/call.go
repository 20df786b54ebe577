package ingress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

func (x *exchange) callObject() error {
	if err := x.fitting(); err != nil {
		return err
	}
	cat := x.h.catalogue()
	op, err := cat.method(x.args[0], x.args[2])
	if err != nil {
		return err
	}
	if err := wire.CheckKey(x.args[1]); err != nil {
		return err
	}
	to := op.to
	to.Key = strings.Clone(x.args[1]) // it may be kept, the request's head must not
	return x.call(cat, to, op)
}

func (x *exchange) callFunction() error {
	if err := x.fitting(); err != nil {
		return err
	}
	cat := x.h.catalogue()
	op, err := cat.function(x.args[0])
	if err != nil {
		return err
	}
	return x.call(cat, op.to, op)
}

// fitting refuses a body that is announced as too large, before anything else.
func (x *exchange) fitting() error {
	if x.head.Length > x.h.cfg.MaxBody {
		return x.tooLarge(fmt.Sprintf("has %d bytes", x.head.Length))
	}
	return nil
}

func (x *exchange) tooLarge(has string) error {
	return &refusal{kind: fault.TooLarge, detail: fmt.Sprintf("the body %s; at most %d are allowed", has, x.h.cfg.MaxBody)}
}

// plan is what a head said: a plain call. It holds for the next request if that has the
// same head, and the program is the same.
type plan struct {
	cat          *catalogue
	to           wire.Address
	op           *operation
	format, want wire.Format
}

// call reads a request for op, which is of cat, has it carried out and answers.
func (x *exchange) call(cat *catalogue, to wire.Address, op *operation) error {
	req := x.request(to)
	if err := x.options(req); err != nil {
		return err
	}
	if req.Plain() && x.wait == 0 {
		x.plan = plan{cat, to, op, req.Body.Format, req.Want}
	}
	return x.carry(req, op)
}

// planned reports whether the request is the one before with another input.
func (x *exchange) planned() bool {
	return x.head.Again && x.plan.cat != nil && x.plan.cat == x.h.catalogue()
}

// callAgain does what the plan says.
func (x *exchange) callAgain() error {
	req := x.request(x.plan.to)
	req.Body.Format, req.Want = x.plan.format, x.plan.want
	return x.carry(req, x.plan.op)
}

// request begins a request.
func (x *exchange) request(to wire.Address) *wire.Request {
	req := x.spare
	if x.spare = nil; req == nil {
		req = new(wire.Request)
	}
	*req = wire.Request{To: to, Trace: x.trace()}
	x.req = req
	return req
}

// carry has a request carried out, once its input is there, and answers.
func (x *exchange) carry(req *wire.Request, op *operation) error {
	if req.Trace == "" && (req.Async || req.Key != "") {
		req.Trace = newTrace()
	}
	if req.Trace != "" {
		x.set(api.HeaderTrace, req.Trace)
	}
	if x.h.full != nil {
		if err := x.h.full(req); err != nil {
			return err
		}
	}
	if err := x.input(&req.Body, op); err != nil {
		return err
	}
	return x.ask()
}

// options reads what the headers say about the call.
func (x *exchange) options(req *wire.Request) (err error) {
	if req.Async, x.wait, err = x.preference(); err != nil {
		return err
	}
	if req.Key, err = x.idempotencyKey(); err != nil {
		return err
	}
	if req.Due, err = x.due(); err != nil {
		return err
	}
	if err := x.deadline(req); err != nil {
		return err
	}
	if req.Due != 0 {
		req.Async = true // nobody holds a connection until then
	}
	if req.Policy, err = x.policy(); err != nil {
		return err
	}
	if err := x.callbackURL(req); err != nil {
		return err
	}
	given, err := x.format()
	if err != nil {
		return err
	}
	req.Body.Format = given
	req.Want, err = x.wanted(given)
	return err
}

// input reads the body and checks it against op's schema.
func (x *exchange) input(body *wire.Payload, op *operation) error {
	data, err := x.body()
	if err != nil {
		return err
	}
	text := data
	switch {
	case len(data) == 0 && op.empty:
		data, text = emptyInput, emptyInput
		body.Format = wire.JSON
	case len(data) == 0:
		text = emptyInput // to say what is missing
	case body.Format == wire.CBOR:
		if text, err = view.Value(data); err != nil {
			return malformed("the body is not well-formed CBOR: %s", why(err))
		}
	}
	body.Data = data
	check := op.input.Check
	if body.Format == wire.CBOR {
		check = op.input.CheckShown
	}
	found, bad := check(text)
	if bad != nil {
		if body.Format == wire.CBOR {
			return malformed("the body cannot be taken: %s", bad.Why)
		}
		r := malformed("the body is not well-formed JSON: %v", bad)
		r.offset = &bad.Offset
		return r
	}
	if len(found) == 0 && op.check != nil {
		body.Format, body.Data = wire.JSON, text
		return op.check(text)
	}
	if len(found) == 0 {
		return nil
	}
	if len(data) == 0 && found[0].Pointer == "#" { // nothing was sent: {} is not what is wrong
		if _, want, ok := strings.Cut(found[0].Detail, "; "); ok {
			found[0].Detail = "is missing; " + want
		}
	}
	r := &refusal{kind: fault.Unfit, detail: "the input does not fit: " + found[0].Pointer + " " + found[0].Detail}
	if n := len(found) - 1; n > 0 {
		r.detail += fmt.Sprintf(" (and %d more)", n)
	}
	for _, m := range found {
		r.errors = append(r.errors, api.Misfit(m))
	}
	return r
}

// unknown adds what a caller can do when the outcome of a call is not known.
func unknown(err error, req *wire.Request, patience time.Duration) error {
	if fault.KindOf(err) == fault.Internal && errors.Is(err, context.DeadlineExceeded) {
		err = fault.New(fault.Timeout, "ingress.call", req.To.String(), "there was no answer within %s", patience)
	}
	if !fault.Is(err, fault.Timeout) {
		return err
	}
	text := why(err) + "; the call may have been carried out: "
	if req.Key != "" {
		text += "retry with the same Idempotency-Key to learn its answer"
	} else {
		text += "look before you call again, and send an Idempotency-Key next time, with which a retry is safe"
	}
	return &refusal{kind: fault.Timeout, detail: text}
}

// answer sends the answer of a handler.
func (x *exchange) answer(body wire.Payload, fail *wire.Failure, want wire.Format) error {
	if fail != nil {
		x.failure(fail)
		return nil
	}
	if body.Format == wire.None {
		return x.nothing()
	}
	if body.Format == wire.CBOR && want == wire.JSON {
		text, err := view.Value(body.Data)
		if err != nil {
			return err
		}
		body = wire.Payload{Format: wire.JSON, Data: text}
	}
	media := typeJSON
	if body.Format == wire.CBOR {
		media = typeCBOR
	}
	x.set("Content-Type", media)
	x.c.Reply(http.StatusOK, x.fields, body.Data)
	return nil
}

// accepted answers an asynchronous call: with its answer, if the caller waits
// for it and it comes in time.
func (x *exchange) accepted(resp *wire.Response) error {
	if x.wait > 0 {
		x.c.Within(x.wait + x.h.cfg.Patience)
		inv, err := x.h.p.Engine.Invocation(x.c, resp.ID, x.wait)
		if err == nil && inv.Finished != 0 {
			return x.answer(inv.Body, inv.Fail, x.req.Want)
		}
	}
	status := api.Pending
	if resp.Done {
		status = outcome(resp.Fail)
	}
	x.set("Location", "/v1/invocations/"+string(resp.ID))
	x.set("Preference-Applied", "respond-async")
	return x.json(http.StatusAccepted, api.Invocation{ID: string(resp.ID), Status: status})
}

func outcome(fail *wire.Failure) string {
	if fail != nil && fail.Kind == fault.Canceled.String() && fail.Code == "canceled" {
		return api.Canceled
	}
	if fail != nil {
		return api.Failed
	}
	return api.Done
}
