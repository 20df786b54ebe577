package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress/shown"
	"github.com/situ-dev/situ/internal/schema"
	"github.com/situ-dev/situ/internal/wire"
)

// Callbacks is what an Engine may also be: it takes answers of whoever has a
// callback token. Errors are of kind fault.NotFound, fault.Used or fault.Gone if
// the token cannot be answered.
type Callbacks interface {
	Token(ctx context.Context, token wire.InvocationID) (*wire.Promise, error)
	AnswerToken(ctx context.Context, token wire.InvocationID, body wire.Payload, fail *wire.Failure) error
	BeatToken(ctx context.Context, token wire.InvocationID) error
}

// callbacks returns what takes answers, and the token of the request.
func (x *exchange) callbacks() (Callbacks, wire.InvocationID, error) {
	x.c.Within(x.h.cfg.Patience)
	x.set("Cache-Control", "no-store") // the path is a secret
	c, ok := x.h.p.Engine.(Callbacks)
	if !ok {
		return nil, "", fault.New(fault.NotFound, "callback", "", "callback tokens are not taken here")
	}
	return c, wire.InvocationID(x.args[0]), nil
}

// callback tells what a token is waited for with.
func (x *exchange) callback() error {
	c, token, err := x.callbacks()
	if err != nil {
		return err
	}
	p, err := c.Token(x.c, token)
	if err != nil {
		return err
	}
	doc := api.Callback{Status: api.Pending, Created: shown.Instant(p.Made), Expires: shown.Instant(p.Until), Schema: json.RawMessage(p.Schema)}
	if p.Every != 0 {
		doc.HeartbeatS, doc.SilentSince = time.Duration(p.Every).Seconds(), shown.Instant(p.Beat)
	}
	return x.json(200, doc)
}

// answerCallback takes an answer, or a sign of life.
func (x *exchange) answerCallback() error {
	c, token, err := x.callbacks()
	if err != nil {
		return err
	}
	if err := x.fitting(); err != nil {
		return err
	}
	text, err := x.body()
	if err != nil {
		return err
	}
	a, err := readAnswer(text)
	if err != nil {
		return err
	}
	switch {
	case a.Heartbeat:
		err = c.BeatToken(x.c, token)
	case a.Error != nil:
		err = c.AnswerToken(x.c, token, wire.Payload{}, &wire.Failure{Kind: fault.Failed.String(), Code: a.Error.Code, Message: a.Error.Message})
	default:
		var p *wire.Promise
		if p, err = c.Token(x.c, token); err != nil {
			return err
		}
		if err = rightType(p.Schema, a.Result); err != nil {
			return err
		}
		err = c.AnswerToken(x.c, token, wire.Payload{Format: wire.JSON, Data: a.Result}, nil)
	}
	if err != nil {
		return err
	}
	return x.nothing()
}

// readAnswer reads the body of an answer: it says exactly one thing.
func readAnswer(text []byte) (a api.Answer, err error) {
	const want = `say one of {"result": …}, {"error": {"code": …, "message": …}} and {"heartbeat": true}`
	var anything *schema.Schema
	if _, bad := anything.Check(text); bad != nil {
		r := malformed("the body is not well-formed JSON: %v; %s", bad, want)
		r.offset = &bad.Offset
		return a, r
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, malformed("the body is no answer: %v; %s", err, want)
	}
	said := 0
	for _, is := range []bool{a.Result != nil, a.Error != nil, a.Heartbeat} {
		if is {
			said++
		}
	}
	if said != 1 {
		return a, malformed("the body says %d things: %s", said, want)
	}
	if a.Error != nil && a.Error.Message == "" {
		return a, malformed("an error needs a message: %s", want)
	}
	return a, nil
}

// rightType refuses a result that does not fit the schema of what is waited for.
func rightType(want, result []byte) error {
	if len(want) == 0 {
		return nil
	}
	s, err := schema.Compile(want)
	if err != nil {
		return err
	}
	found, bad := s.Check(result)
	if bad != nil {
		return malformed("the result is not well-formed JSON: %v", bad)
	}
	if len(found) == 0 {
		return nil
	}
	r := &refusal{kind: fault.Unfit, title: "The result is of the wrong type", detail: "the result is of the wrong type: " + found[0].Pointer + " " + found[0].Detail}
	for _, m := range found {
		r.errors = append(r.errors, api.Misfit(m))
	}
	return r
}
