package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

// bodyTimeout is how long a body may take to arrive.
const bodyTimeout = 30 * time.Second

func (x *exchange) callObject() error {
	to := wire.Address{Type: x.args[0], Key: x.args[1], Method: x.args[2]}
	if err := x.fitting(); err != nil {
		return err
	}
	op, err := x.h.catalogue().method(to.Type, to.Method)
	if err != nil {
		return err
	}
	if err := wire.CheckKey(to.Key); err != nil {
		return err
	}
	return x.call(to, op)
}

func (x *exchange) callFunction() error {
	if err := x.fitting(); err != nil {
		return err
	}
	op, err := x.h.catalogue().function(x.args[0])
	if err != nil {
		return err
	}
	return x.call(wire.Address{Method: x.args[0]}, op)
}

// fitting refuses a body that is announced as too large, before anything else.
func (x *exchange) fitting() error {
	if x.r.ContentLength > x.h.cfg.MaxBody {
		return x.tooLarge(fmt.Sprintf("has %d bytes", x.r.ContentLength))
	}
	return nil
}

func (x *exchange) tooLarge(has string) error {
	return &refusal{kind: fault.TooLarge, detail: fmt.Sprintf("the body %s; at most %d are allowed", has, x.h.cfg.MaxBody)}
}

// call reads a request for op, has it carried out and answers.
func (x *exchange) call(to wire.Address, op *operation) error {
	req := wire.Request{To: to, Trace: x.trace()}
	x.w.Header()[api.HeaderTrace] = []string{req.Trace}
	wait, err := x.options(&req)
	if err != nil {
		return err
	}
	if err := x.input(&req.Body, op); err != nil {
		return err
	}
	patience := x.h.cfg.Patience
	ctx, cancel := context.WithTimeout(x.r.Context(), patience)
	defer cancel()
	resp, err := x.h.p.Engine.Invoke(ctx, &req)
	if err != nil {
		return unknown(err, &req, patience)
	}
	if resp.ID != "" {
		x.w.Header()[api.HeaderInvocation] = []string{string(resp.ID)}
	}
	if resp.Again {
		x.w.Header()[api.HeaderReplayed] = []string{"true"}
	}
	if !req.Async {
		return x.answer(resp.Body, resp.Fail, req.Want)
	}
	return x.accepted(resp, wait, req.Want)
}

// options reads what the headers say about the call.
func (x *exchange) options(req *wire.Request) (wait time.Duration, err error) {
	if len(x.r.Header["Situ-Callback-Url"]) > 0 {
		return 0, malformed("Situ-Callback-Url is not supported yet; use Prefer: respond-async and fetch the answer")
	}
	if req.Async, wait, err = x.preference(); err != nil {
		return 0, err
	}
	if req.Key, err = x.idempotencyKey(); err != nil {
		return 0, err
	}
	if req.Due, err = x.due(); err != nil {
		return 0, err
	}
	if req.Due != 0 {
		req.Async = true // nobody holds a connection until then
	}
	given, err := x.given()
	if err != nil {
		return 0, err
	}
	req.Body.Format = given
	req.Want, err = x.wanted(given)
	return wait, err
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
	if len(found) == 0 {
		return nil
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

// smallBody is read in one piece; a larger one as it arrives, so that an
// announced length costs no memory.
const smallBody = 64 << 10

// body reads the request's body.
func (x *exchange) body() ([]byte, error) {
	r := x.r
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	ctl := http.NewResponseController(x.w)
	_ = ctl.SetReadDeadline(time.Now().Add(bodyTimeout)) // not every writer has one
	defer func() { _ = ctl.SetReadDeadline(time.Time{}) }()
	if n := r.ContentLength; n > 0 && n <= smallBody {
		b := make([]byte, n)
		if _, err := io.ReadFull(r.Body, b); err != nil {
			return nil, malformed("the body ended early: %v", err)
		}
		return b, nil
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r.Body, x.h.cfg.MaxBody+1))
	if err != nil {
		return nil, malformed("the body ended early: %v", err)
	}
	if n > x.h.cfg.MaxBody {
		return nil, x.tooLarge(fmt.Sprintf("has more than %d bytes", x.h.cfg.MaxBody))
	}
	return b.Bytes(), nil
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

// The media types of answers, ready to be put in a header.
var (
	headJSON = []string{typeJSON}
	headCBOR = []string{typeCBOR}
)

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
	head := headJSON
	if body.Format == wire.CBOR {
		head = headCBOR
	}
	x.w.Header()["Content-Type"] = head
	x.bytes(http.StatusOK, body.Data)
	return nil
}

// accepted answers an asynchronous call: with its answer, if the caller waits
// for it and it comes in time.
func (x *exchange) accepted(resp *wire.Response, wait time.Duration, want wire.Format) error {
	if wait > 0 {
		inv, err := x.h.p.Engine.Invocation(x.r.Context(), resp.ID, wait)
		if err == nil && inv.Finished != 0 {
			return x.answer(inv.Body, inv.Fail, want)
		}
	}
	status := api.Pending
	if resp.Done {
		status = outcome(resp.Fail)
	}
	h := x.w.Header()
	h.Set("Location", "/v1/invocations/"+string(resp.ID))
	h.Set("Preference-Applied", "respond-async")
	return x.json(http.StatusAccepted, api.Invocation{ID: string(resp.ID), Status: status})
}

func outcome(fail *wire.Failure) string {
	if fail != nil {
		return api.Failed
	}
	return api.Done
}
