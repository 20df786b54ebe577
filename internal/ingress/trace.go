package ingress

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress/shown"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

// Chains shows what is known of chains of calls, and what was counted.
type Chains interface {
	// Trace returns the chain of a recorded call; fault.NotFound if there is
	// no record.
	Trace(ctx context.Context, id wire.InvocationID) (*span.Trace, error)
	// Chains returns up to limit records of chains begun since a time.
	Chains(ctx context.Context, since wire.Time, cursor string, limit int) (recs []*wire.Invocation, next string, err error)
	// Usage returns what was counted of each method since an hour.
	Usage(ctx context.Context, since wire.Time) ([]meter.Line, error)
}

// maxCalls bounds the calls of one answer.
const maxCalls = 10_000

func millis(t wire.Time) float64 { return math.Round(float64(t)/1e3) / 1e3 }

func (x *exchange) noChains() error {
	if x.h.p.Chains != nil {
		return nil
	}
	return fault.New(fault.Unavailable, "trace", "", "this door shows no chains")
}

// showTrace shows the chain of a recorded call.
func (x *exchange) showTrace() error {
	q, err := x.query("limit")
	if err != nil {
		return err
	}
	limit := maxCalls
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > span.MaxCalls {
			return malformed("limit=%s is not a number of calls from 1 to %d", s, span.MaxCalls)
		}
		limit = n
	}
	if err := x.noChains(); err != nil {
		return err
	}
	t, err := x.h.p.Chains.Trace(x.c, wire.InvocationID(x.args[0]))
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			return &refusal{kind: fault.NotFound, detail: "there is no invocation " + strconv.Quote(x.args[0]) +
				"; chains of asynchronous calls, and of calls with an idempotency key, can be looked at until a stated time after the answer"}
		}
		return err
	}
	doc, err := traceDoc(span.Build(t), limit)
	if err != nil {
		return err
	}
	return x.json(200, doc)
}

func traceDoc(t *span.Tree, limit int) (*api.Trace, error) {
	rec := t.Record
	doc := &api.Trace{ID: string(rec.ID), Status: api.Pending, Target: rec.To.String(), Created: shown.Instant(rec.Created),
		Finished: shown.Instant(rec.Finished), Now: shown.Instant(t.Now), WallMS: millis(t.Wall), ActiveMS: millis(t.Active),
		WaitingMS: millis(t.Waited()), SyncMS: millis(t.Sync), Total: len(t.Nodes), LeftOut: t.Left, Calls: []api.Span{}}
	if rec.Finished != 0 {
		doc.Status = outcome(rec.Fail)
	}
	for _, n := range t.Nodes[:min(limit, len(t.Nodes))] {
		s := api.Span{ID: spanName(n.ID), Parent: spanName(n.Parent), Depth: n.Depth, Kind: "call", Target: n.To.String(),
			State: string(n.Where), Since: shown.Instant(n.Since), Until: shown.Instant(n.Until), Made: shown.Instant(n.Made), Begun: shown.Instant(n.Begun),
			Ended: shown.Instant(n.Ended), Answered: shown.Instant(n.Answered), ActiveMS: millis(n.Active), WaitingMS: millis(n.Waited(t.Now)),
			SyncMS: millis(n.Sync(t.Now)), Runs: n.Runs, OneWay: n.OneWay(), Missing: n.Missing, InputSize: n.Size, Error: shown.Failure(n.Fail)}
		if n.Continuation() {
			s.Kind = "continuation"
		}
		if len(n.In.Data) == n.Size {
			var err error
			if s.Input, err = asJSON(n.In); err != nil {
				return nil, err
			}
		}
		doc.Calls = append(doc.Calls, s)
	}
	return doc, nil
}

// spanName writes the name of a span, "" for none.
func spanName(id wire.SpanID) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(id), 16)
}

// usage shows what was counted, and what it costs.
func (x *exchange) usage() error {
	q, err := x.query("by", "since", "memory", "price", "limit", "cursor")
	if err != nil {
		return err
	}
	if err := x.noChains(); err != nil {
		return err
	}
	limit, err := pageSize(q)
	if err != nil {
		return err
	}
	price := x.h.cfg.Price
	if s := q.Get("memory"); s != "" {
		if price.MemoryMB, err = strconv.Atoi(s); err != nil || price.MemoryMB < 1 || price.MemoryMB > 1<<20 {
			return malformed("memory=%s is not a number of MB", s)
		}
	}
	if s := q.Get("price"); s != "" {
		if price.GBSecond, err = strconv.ParseFloat(s, 64); err != nil || price.GBSecond < 0 || price.GBSecond > 1e6 {
			return malformed("price=%s is not the price of a GB-second", s)
		}
	}
	since, err := x.since(q.Get("since"))
	if err != nil {
		return err
	}
	doc := &api.Usage{By: "function", Since: shown.Instant(since), MemoryMB: price.MemoryMB, GBSecond: price.GBSecond, Lines: []api.UsageLine{}}
	switch by := q.Get("by"); by {
	case "", "function":
		err = x.usageByFunction(doc, since, price)
	case "chain":
		doc.By = by
		err = x.usageByChain(doc, since, price, q.Get("cursor"), limit)
	default:
		return malformed("by=%s is neither function nor chain", by)
	}
	if err != nil {
		return err
	}
	doc.Total = total(doc.Lines)
	return x.json(200, doc)
}

// since reads a time, or how long ago it was; "" is the beginning.
func (x *exchange) since(s string) (wire.Time, error) {
	if s == "" {
		return 0, nil
	}
	if d, ok := duration(s); ok {
		return wire.Time(x.h.cfg.Now().Add(-d).UnixNano()), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 2261 {
		return 0, malformed("since=%s is neither a duration such as 24h nor a time such as 2026-01-02T15:04:05Z", s)
	}
	return wire.Time(t.UnixNano()), nil
}

func (x *exchange) usageByFunction(doc *api.Usage, since wire.Time, price meter.Price) error {
	lines, err := x.h.p.Chains.Usage(x.c, since)
	if err != nil {
		return err
	}
	for i := range lines {
		l := &lines[i]
		name := l.Method
		if l.Type != "" {
			name = l.Type + "." + l.Method
		}
		doc.Lines = append(doc.Lines, api.UsageLine{Name: name, Turns: l.Turns, Errors: l.Errors, Retries: l.Retries, Dead: l.Dead,
			ActiveMS: millis(wire.Time(l.Active)), Calls: l.Calls, WallMS: millis(wire.Time(l.Wall)), WaitingMS: millis(l.Waited()),
			OwnMS: millis(wire.Time(l.Own)), SyncMS: millis(wire.Time(l.Sync)),
			ActiveCost: price.Of(wire.Time(l.Own)), SyncCost: price.Of(wire.Time(l.Sync))})
	}
	return nil
}

func (x *exchange) usageByChain(doc *api.Usage, since wire.Time, price meter.Price, cursor string, limit int) error {
	recs, next, err := x.h.p.Chains.Chains(x.c, since, cursor, limit)
	if err != nil {
		return err
	}
	doc.Next = next
	for _, rec := range recs {
		chain, err := x.h.p.Chains.Trace(x.c, rec.ID)
		if fault.Is(err, fault.NotFound) {
			continue // it went meanwhile
		}
		if err != nil {
			return err
		}
		t := span.Build(chain)
		l := api.UsageLine{Name: string(rec.ID), Target: rec.To.String(), ActiveMS: millis(t.Active), OwnMS: millis(t.Active), WallMS: millis(t.Wall),
			WaitingMS: millis(t.Waited()), SyncMS: millis(t.Sync), ActiveCost: price.Of(t.Active), SyncCost: price.Of(t.Sync)}
		for _, n := range t.Nodes {
			l.Turns += uint64(min(n.Runs, 1))
			l.Retries += uint64(max(n.Runs, 1) - 1)
			if n.Fail != nil && n.State == span.Ended {
				l.Errors++
			}
			if n.State == span.GivenUp {
				l.Dead++
			}
			if n.Answered != 0 && !n.Continuation() {
				l.Calls++
			}
		}
		doc.Lines = append(doc.Lines, l)
	}
	return nil
}

func total(lines []api.UsageLine) (t api.UsageLine) {
	t.Name = "total"
	for i := range lines {
		l := &lines[i]
		t.Turns += l.Turns
		t.Errors += l.Errors
		t.Retries += l.Retries
		t.Dead += l.Dead
		t.Calls += l.Calls
		t.ActiveMS += l.ActiveMS
		t.WallMS += l.WallMS
		t.WaitingMS += l.WaitingMS
		t.OwnMS += l.OwnMS
		t.SyncMS += l.SyncMS
		t.ActiveCost += l.ActiveCost
		t.SyncCost += l.SyncCost
	}
	return t
}
