package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress/shown"
	"github.com/situ-dev/situ/internal/wire"
)

// Controls is what an Engine may also be: what people do about messages.
type Controls interface {
	// Pause has what arrives for a scope parked; Resume lets it go, so many a
	// second, 0 for any; fault.NotFound if there is no such thing.
	Pause(ctx context.Context, s wire.Scope, reason string) error
	Resume(ctx context.Context, s wire.Scope, rate float64) error
	Pauses(ctx context.Context) ([]wire.Pause, error)
	// Redrive begins to run dead letters again, or to drop them, or only counts.
	Redrive(ctx context.Context, j wire.Redrive, dry bool) (wire.Redrive, error)
	Redrives(ctx context.Context) ([]wire.Redrive, error)
	StopRedrive(ctx context.Context, id string) error
	// Cancel cancels the chain of a recorded call.
	Cancel(ctx context.Context, id wire.InvocationID, reason string) error
}

// controlled refuses what an engine without controls cannot do.
func controlled(serve func(*exchange) error) func(*exchange) error {
	return func(x *exchange) error {
		if x.h.controls == nil {
			return &refusal{kind: fault.NotFound, detail: "this platform has no such control"}
		}
		return serve(x)
	}
}

// parse reads a JSON body into v; none leaves v as it is.
func (x *exchange) parse(v any) error {
	if err := x.fitting(); err != nil {
		return err
	}
	data, err := x.body()
	if err != nil || len(data) == 0 {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return malformed("the body cannot be taken: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return malformed("there is more than one JSON value in the body")
	}
	return nil
}

func (x *exchange) pause() error {
	var doc api.Pause
	if err := x.parse(&doc); err != nil {
		return err
	}
	s := wire.Scope{Function: doc.Function, Type: doc.Type, Key: doc.Key}
	if err := x.h.controls.Pause(x.c, s, doc.Reason); err != nil {
		return err
	}
	list, err := x.h.controls.Pauses(x.c)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Scope == s {
			return x.json(200, shown.Pause(&list[i]))
		}
	}
	return x.nothing() // somebody resumed it meanwhile
}

func (x *exchange) listPauses() error {
	list, err := x.h.controls.Pauses(x.c)
	if err != nil {
		return err
	}
	doc := api.Pauses{Pauses: make([]api.Pause, len(list))}
	for i := range list {
		doc.Pauses[i] = shown.Pause(&list[i])
	}
	return x.json(200, doc)
}

func (x *exchange) resume() error {
	q, err := x.query("rate")
	if err != nil {
		return err
	}
	rate := 0.0
	if s := q.Get("rate"); s != "" {
		if rate, err = strconv.ParseFloat(s, 64); err != nil || rate == 0 {
			return malformed("rate=%s is not a number of messages a second, such as 100; leave it out for as fast as possible", s)
		}
	}
	s, err := wire.ParseScope(x.args[0])
	if err != nil {
		return err
	}
	if err := x.h.controls.Resume(x.c, s, rate); err != nil {
		return err
	}
	return x.nothing()
}

func (x *exchange) cancel() error {
	var doc api.Reason
	if err := x.parse(&doc); err != nil {
		return err
	}
	err := x.h.controls.Cancel(x.c, wire.InvocationID(x.args[0]), doc.Reason)
	if fault.Is(err, fault.NotFound) {
		return &refusal{kind: fault.NotFound, detail: "there is no invocation " + strconv.Quote(x.args[0]) + "; calls have a record if they are made with respond-async or an idempotency key, and it is kept for a stated time after the answer"}
	}
	return x.settled(err)
}

// settled answers that something was done, or that it was over.
func (x *exchange) settled(err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.Conflict {
		return &refusal{kind: fault.Conflict, title: "It is over", detail: why(err)}
	}
	if err != nil {
		return err
	}
	return x.nothing()
}

// filterFields are the query parameters of a list of dead letters.
var filterFields = []string{"type", "function", "key", "method", "kind", "text", "since", "until", "chain", "limit", "cursor"}

// filter reads them.
func (x *exchange) filter(get func(string) string) (f wire.DeadFilter, err error) {
	f = wire.DeadFilter{Function: get("function"), Type: get("type"), Key: get("key"), Method: get("method"), Kind: get("kind"),
		Text: get("text"), Chain: wire.InvocationID(get("chain"))}
	if f.Since, err = x.moment("since", get("since")); err != nil {
		return f, err
	}
	f.Until, err = x.moment("until", get("until"))
	return f, err
}

// moment reads an instant, or how long ago it was.
func (x *exchange) moment(name, s string) (wire.Time, error) {
	if s == "" {
		return 0, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return wire.Time(at.UnixNano()), nil
	}
	if d, ok := duration(s); ok {
		return wire.Time(x.h.cfg.Now().Add(-d).UnixNano()), nil
	}
	return 0, malformed("%s=%s is neither an instant such as 2026-01-02T15:04:05Z nor how long ago, such as 1h", name, s)
}

func (x *exchange) redriveDead() error { return x.redrive(false) }
func (x *exchange) dropAllDead() error { return x.redrive(true) }

func (x *exchange) redrive(drop bool) error {
	var doc api.RedriveRequest
	if err := x.parse(&doc); err != nil {
		return err
	}
	j := wire.Redrive{Filter: shown.Filter(&doc.Filter), Drop: drop, Rate: doc.Rate}
	if j.Filter == (wire.DeadFilter{}) && !doc.All && !doc.DryRun {
		return malformed(`the filter is empty, which means all dead letters: say "all": true if that is meant`)
	}
	j, err := x.h.controls.Redrive(x.c, j, doc.DryRun)
	if err != nil {
		return err
	}
	return x.json(200, shown.Redrive(&j))
}

func (x *exchange) listRedrives() error {
	list, err := x.h.controls.Redrives(x.c)
	if err != nil {
		return err
	}
	doc := api.Redrives{Redrives: make([]api.Redrive, len(list))}
	for i := range list {
		doc.Redrives[i] = shown.Redrive(&list[i])
	}
	return x.json(200, doc)
}

func (x *exchange) showRedrive() error {
	list, err := x.h.controls.Redrives(x.c)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].ID == x.args[0] {
			return x.json(200, shown.Redrive(&list[i]))
		}
	}
	return &refusal{kind: fault.NotFound, detail: "there is no redrive " + strconv.Quote(x.args[0]) + "; the last hundred that are finished are remembered"}
}

func (x *exchange) stopRedrive() error {
	return x.settled(x.h.controls.StopRedrive(x.c, x.args[0]))
}
