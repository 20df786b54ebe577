package control

import (
	"bytes"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/record"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Cancels is the chains that were cancelled, as one shard knows them. A mark is a
// row. Until its time is over, no message of the chain is run, but what cleans up.
type Cancels struct {
	rows  Rows
	marks map[wire.InvocationID]*mark
	news  []*mark // changed since the last seal
	flown []*mark // in the commit under way
	gone  []wire.InvocationID
	look  wire.Time // when to look for marks whose time is over

	sweeping []*mark // committed, and what waits for long is looked through for them
	waiting  []*mark // for the next time
	table    store.Table
	cursor   []byte
}

// mark is a chain that was cancelled.
type mark struct {
	id      wire.InvocationID
	reason  string
	until   wire.Time // it may be forgotten
	swept   bool
	changed bool
}

// How many marks there may be, how many rows a pump looks at, and how often marks
// are looked at.
const (
	maxMarks  = 100_000
	sweepRows = 500
	lookMarks = wire.Time(60e9)
)

func newCancels(committed Rows) *Cancels {
	return &Cancels{rows: committed, marks: map[wire.InvocationID]*mark{}}
}

func (c *Cancels) open() error {
	return c.rows.Scan(store.Cancels, nil, nil, func(k, v []byte) (bool, error) {
		m, err := decodeMark(wire.InvocationID(k), v)
		if err == nil {
			c.marks[m.id] = m
			if !m.swept {
				c.waiting = append(c.waiting, m)
			}
		}
		return true, err
	})
}

// Mark notes that a chain was cancelled, and why. It may be forgotten at until.
func (c *Cancels) Mark(id wire.InvocationID, reason string, until wire.Time) {
	if m := c.marks[id]; m != nil {
		return
	}
	m := &mark{id: id, reason: reason, until: until}
	c.marks[id] = m
	c.touch(m)
}

func (c *Cancels) touch(m *mark) {
	if !m.changed {
		m.changed = true
		c.news = append(c.news, m)
	}
}

// Ended reports whether a message is work for a chain that was cancelled, and does
// not clean up after it.
func (c *Cancels) Ended(env *wire.Envelope) bool {
	return env.Chain() != "" && !env.Free() && len(c.marks) > 0 && c.marks[env.Chain()] != nil
}

// Reply is what back is told, who waits for the answer of a call of a chain that was
// cancelled.
func (c *Cancels) Reply(chain wire.InvocationID, back *wire.Callback) *wire.Envelope {
	reason := ""
	if m := c.marks[chain]; m != nil {
		reason = m.reason
	}
	reply := wire.ReplyTo(back, wire.Payload{}, Failure(chain, reason))
	reply.Amend().Free = true
	return reply
}

// Cancel cancels a chain whose record is of this shard. It returns who waits for
// its answer, and what the other shards are to be told. The error is of kind
// fault.NotFound if there is no such record, of kind fault.Conflict if it is
// answered, and of kind fault.Busy if there are too many marks.
func (c *Cancels) Cancel(r *record.Records, id wire.InvocationID, reason string, now, keep wire.Time) ([]*record.Waiter, *wire.Envelope, error) {
	rec, _, err := r.Find(id, now)
	switch {
	case err != nil:
		return nil, nil, err
	case rec == nil:
		return nil, nil, fault.New(fault.NotFound, "cancel", string(id), "there is no such record")
	case rec.Finished != 0:
		e := fault.New(fault.Conflict, "cancel", string(id), "the call is over: %s", ending(rec))
		e.Code = "over"
		return nil, nil, e
	case len(c.marks) >= maxMarks:
		e := fault.New(fault.Busy, "cancel", string(id), "%d chains are cancelled already, which is all that there may be at a time: try again later", len(c.marks))
		e.Retry = 60e9
		return nil, nil, e
	}
	fail := Failure(id, reason)
	waiters, _, err := r.Finish(id, now, wire.Payload{}, fail)
	if err != nil {
		return nil, nil, err
	}
	c.Mark(id, reason, now+keep)
	return waiters, &wire.Envelope{Kind: wire.Cancel, Lineage: &wire.Lineage{Chain: id}, Fail: &wire.Failure{Kind: fail.Kind, Message: reason}, Due: now + keep}, nil
}

// ending says how a call ended.
func ending(rec *wire.Invocation) string {
	switch {
	case rec.Fail == nil:
		return "it was answered"
	case rec.Fail.Kind == fault.Canceled.String():
		return "it was cancelled (" + rec.Fail.Message + ")"
	}
	return "it was answered with an error (" + rec.Fail.Message + ")"
}

// Failure is the answer of a chain that was cancelled.
func Failure(id wire.InvocationID, reason string) *wire.Failure {
	msg := "the call " + string(id) + " was cancelled"
	if reason != "" {
		msg += ": " + reason
	}
	return &wire.Failure{Kind: fault.Canceled.String(), Code: "canceled", Message: msg}
}

// pump looks for what waits for long and is of a chain that was cancelled: timers,
// and what is parked. It arrives now, and finds that it is not to be run. Then promises.
func (c *Cancels) pump(now wire.Time, p *Pauses, to Releases) error {
	if len(c.marks) > 0 && now >= c.look {
		c.expire(now)
	}
	if len(c.sweeping) == 0 {
		if len(c.waiting) == 0 {
			return nil
		}
		c.sweeping, c.waiting, c.table, c.cursor = c.waiting, nil, store.Timers, nil
	}
	var err error
	switch c.table {
	case store.Timers:
		c.cursor, err = c.timers(to)
	case store.Promises:
		c.cursor, err = c.promises(to)
	default:
		c.cursor, err = p.sweep(c.cursor, sweepRows, func(env *wire.Envelope) bool {
			if c.Ended(env) {
				to.Arrive(env)
				return true
			}
			return false
		})
	}
	switch {
	case err != nil || c.cursor != nil:
		return err
	case c.table == store.Timers:
		c.table = store.Parked
		return nil
	case c.table == store.Parked:
		c.table = store.Promises
		return nil
	}
	for _, m := range c.sweeping {
		m.swept = true
		c.touch(m)
	}
	c.sweeping = nil
	return nil
}

func (c *Cancels) timers(to Releases) (next []byte, err error) {
	seen := 0
	var found []*wire.Envelope
	err = c.rows.Scan(store.Timers, c.cursor, nil, func(k, v []byte) (bool, error) {
		if seen++; seen > sweepRows {
			next = bytes.Clone(k)
			return false, nil
		}
		env, err := wire.DecodeEnvelope(v)
		if err != nil || !c.Ended(env) {
			return err == nil, err
		}
		if env, err = wire.DecodeEnvelope(bytes.Clone(v)); err != nil {
			return false, err
		}
		env.Due, env.Seq, err = rows.SplitTimer(k)
		found = append(found, env)
		return err == nil, err
	})
	for _, env := range found {
		if err == nil && to.Timer(env) {
			to.Arrive(env)
		}
	}
	return next, err
}

// promises looks for those that somebody holds, and for callback tokens: who waits for
// them is told.
func (c *Cancels) promises(to Releases) (next []byte, err error) {
	seen := 0
	err = c.rows.Scan(store.Promises, c.cursor, nil, func(k, v []byte) (bool, error) {
		if seen++; seen > sweepRows {
			next = bytes.Clone(k)
			return false, nil
		}
		p, err := wire.DecodePromise(v)
		if err == nil && p.Chain != "" && p.Over == wire.Open && c.marks[p.Chain] != nil {
			to.Promise(wire.InvocationID(k), p.Chain, p.Holder)
		}
		return err == nil, err
	})
	return next, err
}

// expire forgets the marks whose time is over.
func (c *Cancels) expire(now wire.Time) {
	c.look = now + lookMarks
	for id, m := range c.marks {
		if m.swept && m.until <= now {
			delete(c.marks, id)
			c.gone = append(c.gone, id)
		}
	}
}

func (c *Cancels) next(now, tick wire.Time) wire.Time {
	switch {
	case len(c.sweeping)+len(c.waiting) > 0:
		return tick
	case len(c.marks) > 0:
		return tick + max(c.look-now, 0)
	}
	return Never
}

func (c *Cancels) dirty() bool { return len(c.news)+len(c.gone) > 0 }

func (c *Cancels) seal(w *store.Batch) {
	for _, m := range c.news {
		w.Set(store.Cancels, []byte(m.id), encodeMark(m))
		m.changed = false
	}
	c.news, c.flown = c.flown[:0], c.news
	for _, id := range c.gone {
		w.Delete(store.Cancels, []byte(id))
	}
	c.gone = c.gone[:0]
}

// committed has what is older than the marks in the commit be looked through: all
// of it is rows now.
func (c *Cancels) committed() {
	for _, m := range c.flown {
		if !m.swept && !slices.Contains(c.waiting, m) {
			c.waiting = append(c.waiting, m)
		}
	}
	c.flown = c.flown[:0]
}

func encodeMark(m *mark) []byte {
	var e wire.Encoder
	e.String(1, m.reason)
	e.Int(2, uint64(m.until))
	if m.swept {
		e.Int(3, 1)
	}
	return e.Buf
}

func decodeMark(id wire.InvocationID, b []byte) (*mark, error) {
	m := &mark{id: id}
	d := wire.Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			m.reason = d.Text()
		case 2:
			m.until = wire.Time(d.Int())
		case 3:
			m.swept = d.Int() != 0
		}
	}
	return m, d.Err()
}
