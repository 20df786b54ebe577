package ingresstest

import (
	"context"
	"strconv"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

const ms = wire.Time(1e6)

// Trace shows two chains: "small" waits for a timer that a call set, and
// "wide" has made 5,000 calls, one of which has failed and one of which runs.
func (p *Platform) Trace(_ context.Context, id wire.InvocationID) (*span.Trace, error) {
	at := func(d wire.Time) wire.Time { return Epoch + d*ms }
	call := func(id, parent wire.SpanID, key, method string, made, begun, took wire.Time) span.Row {
		return span.Row{ID: id, Parent: parent, To: wire.Address{Type: "counter", Key: key, Method: method}, State: span.Ended,
			Made: at(made), Begun: at(begun), Ended: at(begun + took), Active: took * ms, Runs: 1, Answers: id,
			Size: 2, In: wire.Payload{Format: wire.JSON, Data: []byte("{}")}}
	}
	t := &span.Trace{Now: at(1000), Record: &wire.Invocation{ID: id, To: wire.Address{Type: "counter", Key: "a", Method: "add"}, Created: at(0)}}
	root := call(2, 0, "a", "add", 0, 1, 10)
	switch id {
	case "small":
		root.How, root.Sent = span.Then, 1
		asked := call(4, 2, "b", "add", 11, 20, 30)
		asked.How, asked.Sent = span.Then, 1
		timer := call(6, 4, "c", "reset", 50, 0, 0)
		timer.State, timer.Begun, timer.Ended, timer.Active, timer.Runs, timer.Due = span.Waiting, 0, 0, 0, 0, at(61_000)
		t.Rows = []span.Row{root, asked, timer}
	case "wide":
		root.Sent = 5001
		t.Record.Finished, t.Record.Expires = at(900), at(1e6)
		t.Rows = append(t.Rows, root)
		for i := range wire.SpanID(5000) {
			one := call(4+2*i, 2, "k"+strconv.Itoa(int(i)), "add", 11, 20, 3)
			switch one.Answers = 0; i {
			case 4000:
				one.Fail = &wire.Failure{Kind: "failed", Code: "full", Message: "there is no room"}
			case 4500:
				one.State, one.Ended, one.Active, one.Runs = span.Waiting, 0, 0, 0
				t.Running = map[wire.SpanID]wire.Time{one.ID: at(400)}
			}
			t.Rows = append(t.Rows, one)
		}
	default:
		return nil, fault.New(fault.NotFound, "trace", string(id), "there is no such record")
	}
	return t, nil
}

// Chains lists the two, one to a page if Page is 1.
func (p *Platform) Chains(ctx context.Context, since wire.Time, cursor string, limit int) (recs []*wire.Invocation, next string, err error) {
	if p.Page > 0 {
		limit = min(limit, p.Page)
	}
	for _, id := range []wire.InvocationID{"small", "wide"} {
		if string(id) <= cursor || since > Epoch {
			continue
		}
		if len(recs) == limit {
			return recs, string(recs[limit-1].ID), nil
		}
		t, err := p.Trace(ctx, id)
		if err != nil {
			return nil, "", err
		}
		recs = append(recs, t.Record)
	}
	return recs, "", nil
}

// Usage has a method whose calls have waited for a minute, and a function.
func (p *Platform) Usage(_ context.Context, since wire.Time) ([]meter.Line, error) {
	lines := []meter.Line{
		{Method: "echo", Counts: meter.Counts{Turns: 1000, Errors: 1, Active: 5e9}},
		{Type: "counter", Method: "add", Counts: meter.Counts{Turns: 10, Retries: 2, Dead: 1, Active: 2e9, Calls: 1, Wall: 62e9, Sync: 61e9, Own: 2e9}},
	}
	if since > Epoch {
		lines = lines[:1]
	}
	return lines, nil
}
