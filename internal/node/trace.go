package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

// record returns the record of an invocation, nil if there is none any more.
func (n *Node) record(id wire.InvocationID) (*wire.Invocation, error) {
	sh, err := n.home(string(id))
	if err != nil {
		return nil, nil // it is none of ours
	}
	return sh.Invocation(id)
}

// maxTrace bounds the calls that are read of one chain.
const maxTrace = 100_000

// Trace returns what is known of the chain of a call that has a record, from
// all shards. It is of kind fault.NotFound if there is no record.
func (n *Node) Trace(ctx context.Context, id wire.InvocationID) (*span.Trace, error) {
	rec, err := n.Invocation(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	t := &span.Trace{Record: rec, Now: wire.Time(time.Now().UnixNano()), Running: map[wire.SpanID]wire.Time{}}
	for _, sh := range n.shards {
		left, running, err := sh.Spans(ctx, id, func(r span.Row) bool {
			if len(t.Rows) >= maxTrace {
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
	if rec, err := n.record(id); err == nil && rec != nil {
		t.Record = rec // it may have ended meanwhile
	}
	return t, nil
}
