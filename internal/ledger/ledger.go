// Package ledger asks the shards of a node what they know of a chain and what
// they have counted, and puts it together. It also counts the functions that
// run beside the shards, and hands these counts to a shard each second.
package ledger

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Ledger is what is known of the chains and turns of one node.
type Ledger struct {
	shards func() []*shard.Shard
	record func(wire.InvocationID) (*wire.Invocation, error)

	mu     sync.Mutex
	named  map[string]*beside
	beside atomic.Pointer[map[*host.MethodManifest]*beside]
}

// beside is what was counted of a function that runs beside the shards.
type beside struct {
	name                  string
	turns, errors, active atomic.Uint64
}

// New returns the ledger of a node with these shards. Record returns a record,
// nil if there is none.
func New(shards func() []*shard.Shard, record func(wire.InvocationID) (*wire.Invocation, error)) *Ledger {
	l := &Ledger{shards: shards, record: record, named: map[string]*beside{}}
	l.beside.Store(&map[*host.MethodManifest]*beside{})
	return l
}

// Trace returns what is known of the chain of a call that has a record. The
// error is of kind fault.NotFound if there is none.
func (l *Ledger) Trace(ctx context.Context, id wire.InvocationID) (*span.Trace, error) {
	rec, err := l.record(id)
	now := wire.Time(time.Now().UnixNano())
	if err != nil {
		return nil, err
	}
	if rec == nil || rec.Expires != 0 && rec.Expires <= now {
		return nil, fault.New(fault.NotFound, "trace", string(id), "there is no such record: chains of asynchronous calls, and of calls with an idempotency key, can be looked at while their records are kept")
	}
	t := &span.Trace{Record: rec, Now: now, Running: map[wire.SpanID]wire.Time{}}
	for _, sh := range l.shards() {
		left, running, err := sh.Spans(ctx, id, func(r span.Row) bool {
			if len(t.Rows) >= span.MaxCalls {
				t.Left++
				return true
			}
			r.In.Data = slices.Clone(r.In.Data)
			t.Rows = append(t.Rows, r)
			return true
		})
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), "trace", string(id), err)
		}
		t.Left += left
		maps.Copy(t.Running, running)
	}
	if rec, err := l.record(id); err == nil && rec != nil {
		t.Record = rec // it may have ended meanwhile
	}
	return t, nil
}

// Chains returns up to limit records of chains that were begun since a time, in
// the order of their names, after the one that cursor names; next is "" after
// the last.
func (l *Ledger) Chains(ctx context.Context, since wire.Time, cursor string, limit int) (recs []*wire.Invocation, next string, err error) {
	for _, sh := range l.shards() {
		if err := ctx.Err(); err != nil {
			return nil, "", fault.Wrap(fault.Canceled, "chains", "", err)
		}
		have := 0
		err := sh.Records(wire.InvocationID(cursor), func(rec *wire.Invocation) bool {
			if rec.Created >= since {
				recs = append(recs, rec)
				have++
			}
			return have <= limit
		})
		if err != nil {
			return nil, "", err
		}
	}
	slices.SortFunc(recs, func(a, b *wire.Invocation) int { return cmp.Compare(a.ID, b.ID) })
	if len(recs) > limit {
		recs = recs[:limit]
		next = string(recs[limit-1].ID)
	}
	return recs, next, nil
}

// Usage returns what was counted of each method since the hour that since is in,
// 0 is from the beginning, in the order of names. Counts of turns that wrote
// nothing may be a second behind.
func (l *Ledger) Usage(ctx context.Context, since wire.Time) ([]meter.Line, error) {
	type name struct{ typ, method string }
	sums := map[name]*meter.Counts{}
	for _, sh := range l.shards() {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(fault.Canceled, "usage", "", err)
		}
		err := sh.Meter(meter.Hour(since), func(_ uint32, one meter.Line) {
			n := name{one.Type, one.Method}
			if sums[n] == nil {
				sums[n] = &meter.Counts{}
			}
			sums[n].Add(&one.Counts)
		})
		if err != nil {
			return nil, err
		}
	}
	lines := make([]meter.Line, 0, len(sums))
	for n, c := range sums {
		lines = append(lines, meter.Line{Type: n.typ, Method: n.method, Counts: *c})
	}
	slices.SortFunc(lines, func(a, b meter.Line) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Method, b.Method))
	})
	return lines, nil
}

// Offered says which functions can run beside the shards from now on.
func (l *Ledger) Offered(m *host.Manifest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	by := make(map[*host.MethodManifest]*beside, len(m.Functions))
	for i := range m.Functions {
		f := &m.Functions[i]
		if l.named[f.Name] == nil {
			l.named[f.Name] = &beside{name: f.Name}
		}
		by[f] = l.named[f.Name]
	}
	l.beside.Store(&by)
}

// Ran counts a run of a function beside the shards.
func (l *Ledger) Ran(m *host.MethodManifest, res *turn.Result) {
	f := (*l.beside.Load())[m]
	if f == nil {
		return // of a program before
	}
	f.turns.Add(1)
	f.active.Add(uint64(res.Took))
	if res.Fail != nil {
		f.errors.Add(1)
	}
}

// Flush hands what Ran has counted to a shard, and returns when it is durable.
func (l *Ledger) Flush(ctx context.Context) error {
	l.mu.Lock()
	var lines []meter.Line
	for _, f := range l.named {
		one := meter.Line{Method: f.name, Counts: meter.Counts{Turns: f.turns.Swap(0), Errors: f.errors.Swap(0), Active: f.active.Swap(0)}}
		if !one.Zero() {
			lines = append(lines, one)
		}
	}
	l.mu.Unlock()
	if len(lines) == 0 {
		return nil
	}
	return l.shards()[0].Add(ctx, lines)
}

// Run flushes each second until ctx is done.
func (l *Ledger) Run(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			_ = l.Flush(ctx) // the shard has stopped, or ctx is done: the node ends
		case <-ctx.Done():
			return
		}
	}
}
