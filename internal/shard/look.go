package shard

import (
	"context"

	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Invocation reads the committed record of an invocation, nil if there is
// none.
func (s *Shard) Invocation(id wire.InvocationID) (*wire.Invocation, error) {
	b, ok, err := s.store.Get(store.Invocations, []byte(id))
	if err != nil || !ok {
		return nil, err
	}
	return rows.DecodeInvocation(id, b)
}

// Await calls done with the record of a pending invocation when it is
// finished, or at once if it is, or with an error. Leave says that the caller
// does not wait any more.
func (s *Shard) Await(id wire.InvocationID, done func(error)) (leave func()) {
	w := &core.Waiter{Done: func(_ *wire.Response, err error) { done(err) }}
	o := op{do: func(c *core.Core) error { c.Await(id, w); return nil }, done: done}
	if !s.post(o) {
		done(stopped(string(id)))
	}
	return w.Leave
}

// Spans calls f with the committed spans of a chain in this shard, and returns
// how many were left out, and which calls run now, and since when. Rows alias
// what is read: f copies what it keeps of the input.
func (s *Shard) Spans(ctx context.Context, chain wire.InvocationID, f func(span.Row) bool) (left uint64, running map[wire.SpanID]wire.Time, err error) {
	if err := s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { running = c.RunningOf(chain); return nil }); err != nil {
		return 0, nil, err
	}
	from, to := rows.SpansOf(chain)
	err = s.store.Scan(store.Spans, from, to, func(k, v []byte) (bool, error) {
		id, ok, err := rows.SplitSpan(from, k)
		if err != nil {
			return false, err
		}
		if !ok {
			h, err := span.DecodeHead(v)
			left = h.Left
			return true, err
		}
		r, err := span.Decode(id, v)
		return err == nil && f(r), err
	})
	return left, running, err
}

// Records calls f with the committed records of invocations after the one that
// is named, in the order of their names.
func (s *Shard) Records(after wire.InvocationID, f func(*wire.Invocation) bool) error {
	return s.store.Scan(store.Invocations, append([]byte(after), 0), nil, func(k, v []byte) (bool, error) {
		rec, err := rows.DecodeInvocation(wire.InvocationID(k), v)
		return err == nil && f(rec), err
	})
}

// Meter calls f with the committed counts of each method and hour from hour
// from on; hour 0 is what was long ago.
func (s *Shard) Meter(from uint32, f func(hour uint32, l meter.Line)) error {
	return s.store.Scan(store.Meter, rows.MeterKey(from, "", "")[:4], nil, func(k, v []byte) (bool, error) {
		hour, typ, method, err := rows.SplitMeter(k)
		if err != nil {
			return false, err
		}
		c, err := meter.Decode(v)
		f(hour, meter.Line{Type: typ, Method: method, Counts: c})
		return true, err
	})
}

// Add counts what ran beside the shard.
func (s *Shard) Add(ctx context.Context, lines []meter.Line) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { c.Add(lines); return nil })
}

// View returns an object's latest durable state.
func (s *Shard) View(ctx context.Context, id wire.ObjectID) (st *turn.State, info wire.ObjectInfo, err error) {
	var got *turn.State
	var gotInfo wire.ObjectInfo
	err = s.do(ctx, wire.ObjectID{}, func(c *core.Core) (err error) { got, gotInfo, err = c.View(id); return err })
	if err != nil {
		return nil, info, err
	}
	return got, gotInfo, nil
}

// Remove deletes an object's state.
func (s *Shard) Remove(ctx context.Context, id wire.ObjectID) error {
	return s.do(ctx, id, func(c *core.Core) error { return c.Remove(id) })
}

// Redrive runs the message of a dead letter again.
func (s *Shard) Redrive(ctx context.Context, id string) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { return c.Redrive(id) })
}

// ForgetDead removes a dead letter.
func (s *Shard) ForgetDead(ctx context.Context, id string) error {
	return s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { return c.ForgetDead(id) })
}

// DeadLetters calls f with the committed dead letters after seq, in order.
func (s *Shard) DeadLetters(after wire.Seq, f func(wire.Seq, *wire.DeadLetter) bool) error {
	return s.store.Scan(store.Dead, rows.SeqKey(after+1), nil, func(k, v []byte) (bool, error) {
		seq, err := rows.SplitSeq(store.Dead, k)
		if err != nil {
			return false, err
		}
		d, err := rows.DecodeDead(dead.ID(s.cfg.ID, seq), v)
		if err != nil {
			return false, err
		}
		return f(seq, d), nil
	})
}

// List calls f with the committed objects of a type whose keys begin with
// prefix and come after the key after, in the order of keys.
func (s *Shard) List(typ, prefix, after string, f func(wire.ObjectInfo) bool) error {
	start := max(prefix, after)
	from := rows.ObjectKey(wire.ObjectID{Type: typ, Key: start})
	if after != "" && start == after {
		from = append(from, 0)
	}
	head := len(typ) + 1
	return s.store.Scan(store.Objects, from, append([]byte(typ), 1), func(k, v []byte) (bool, error) {
		key := string(k[head:])
		if len(key) < len(prefix) || key[:len(prefix)] != prefix {
			return false, nil
		}
		row, err := rows.DecodeObject(v)
		if err != nil {
			return false, err
		}
		return f(wire.ObjectInfo{ID: wire.ObjectID{Type: typ, Key: key}, Size: row.Size, Modified: row.Modified, Pin: row.Pin}), nil
	})
}

// Stats returns what the shard did and has.
func (s *Shard) Stats(ctx context.Context) (st Stats, err error) {
	var got Stats
	err = s.do(ctx, wire.ObjectID{}, func(c *core.Core) error { got = c.Count(); return nil })
	got.Seq = s.store.Last()
	return got, err
}
