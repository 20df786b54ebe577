package ingress

import (
	_ "embed"
	"encoding/json"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress/shown"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

func (x *exchange) invocation() error {
	q, err := x.query("wait")
	if err != nil {
		return err
	}
	var wait time.Duration
	if s := q.Get("wait"); s != "" {
		d, ok := duration(s)
		if !ok {
			return malformed("wait=%s is neither a duration such as 10s nor a number of seconds", s)
		}
		wait = min(d, x.h.cfg.MaxWait)
	}
	id := wire.InvocationID(x.args[0])
	x.c.Within(wait + x.h.cfg.Patience)
	inv, err := x.h.p.Engine.Invocation(x.c, id, wait)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			return &refusal{kind: fault.NotFound, detail: "there is no invocation " + strconv.Quote(string(id)) + "; records are kept for a stated time after the answer"}
		}
		return err
	}
	doc := api.Invocation{ID: string(inv.ID), Status: api.Pending, Target: inv.To.String(),
		Created: shown.Instant(inv.Created), Finished: shown.Instant(inv.Finished), Expires: shown.Instant(inv.Expires)}
	if inv.Finished != 0 {
		doc.Status = outcome(inv.Fail)
		doc.Error = shown.Failure(inv.Fail)
		if doc.Result, err = asJSON(inv.Body); err != nil {
			return err
		}
	}
	return x.json(200, doc)
}

// asJSON shows a payload; nothing is nothing.
func asJSON(p wire.Payload) (json.RawMessage, error) {
	switch p.Format {
	case wire.JSON:
		return p.Data, nil
	case wire.CBOR:
		return view.Value(p.Data)
	}
	return nil, nil
}

func (x *exchange) listDead() error {
	q, err := x.query(filterFields...)
	if err != nil {
		return err
	}
	limit, err := pageSize(q)
	if err != nil {
		return err
	}
	f, err := x.filter(q.Get)
	if err != nil {
		return err
	}
	letters, next, err := x.h.p.DeadLetters.Letters(x.c, &f, q.Get("cursor"), limit)
	if err != nil {
		return err
	}
	page := api.DeadLetters{Letters: make([]api.DeadLetter, len(letters)), Next: next}
	for i := range letters {
		page.Letters[i] = shown.Letter(&letters[i])
	}
	return x.json(200, page)
}

func (x *exchange) deadLetter() error {
	l, err := x.h.p.DeadLetters.DeadLetter(x.c, x.args[0])
	if err != nil {
		return x.noLetter(err)
	}
	d := shown.Letter(l)
	if l.Reason != nil {
		d.Reason.Detail = l.Reason.Detail
	}
	if l.Envelope != nil {
		if d.Input, err = asJSON(l.Envelope.Body); err != nil {
			return err
		}
	}
	return x.json(200, d)
}

func (x *exchange) retryDead() error {
	if err := x.h.p.DeadLetters.RetryDead(x.c, x.args[0]); err != nil {
		return x.noLetter(err)
	}
	return x.nothing()
}

func (x *exchange) dropDead() error {
	if err := x.h.p.DeadLetters.DropDead(x.c, x.args[0]); err != nil {
		return x.noLetter(err)
	}
	return x.nothing()
}

func (x *exchange) noLetter(err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return &refusal{kind: fault.NotFound, detail: "there is no dead letter " + strconv.Quote(x.args[0]) + "; it may have been retried or dropped already"}
}

// openapi describes the API.
//
//go:embed openapi.json
var openapi []byte

func (x *exchange) openAPI() error {
	x.set("Content-Type", typeJSON)
	x.c.Reply(200, x.fields, openapi)
	return nil
}
