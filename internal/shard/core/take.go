package core

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/due"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// TakeRequest takes a call from outside. The answer, or the refusal, goes to w.
func (c *Core) TakeRequest(r *wire.Request, w *Waiter) {
	if err := c.room(r.To); err != nil {
		c.AnswerNow(w, nil, err)
		return
	}
	env := &wire.Envelope{Kind: wire.Call, To: r.To, Body: r.Body, Due: r.Due, Policy: r.Policy, Trace: r.Trace, Made: c.now}
	if r.Key == "" && !r.Async {
		if r.Due > c.now {
			// It waits on disk. Its caller may wait here, too.
			id := c.name()
			c.wait[id] = w
			env.Back = &wire.Callback{Kind: wire.ToInvocation, ID: id, Shard: c.id, Format: r.Want}
		} else {
			env.Note |= wire.Volatile
			env.Local = w
			env.Back = &wire.Callback{Kind: wire.ToInvocation, ID: c.name(), Shard: c.id, Format: r.Want}
		}
		c.accept(env)
		return
	}
	id, digest := c.name(), []byte(nil)
	if r.Key != "" {
		id, digest = rows.KeyedID(c.id, r), rows.Digest(r.Body)
		if c.known(id, digest, r, w) {
			return
		}
	}
	v := &inv{rec: &wire.Invocation{ID: id, To: r.To, Created: c.now, Digest: digest}}
	c.invs[id] = v
	c.batch.touchInv(v)
	if r.Async {
		c.batch.answer(w, &wire.Response{ID: id}, nil)
	} else {
		v.waiters = append(v.waiters, w)
	}
	env.Back = &wire.Callback{Kind: wire.ToInvocation, ID: id, Shard: c.id, Format: r.Want}
	c.accept(env)
}

// room refuses what is over a bound, before anything is written.
func (c *Core) room(to wire.Address) error {
	if c.mail >= c.cfg.MaxQueued || c.held >= c.cfg.MaxQueuedBytes {
		return busyError("call", to.String(), "the queue of its shard")
	}
	if c.unacked > c.cfg.MaxOutbox {
		return busyError("call", to.String(), "the outbox of its shard")
	}
	if to.Function() || c.mail < c.cfg.MaxMailbox {
		return nil
	}
	if o := c.objects.get(to.Object()); !o.resting() && o.box.Len() >= c.cfg.MaxMailbox {
		return busyError("call", to.String(), "the mailbox of the object")
	}
	return nil
}

// known deals with a call whose idempotency key was seen before, and reports
// whether it was.
func (c *Core) known(id wire.InvocationID, digest []byte, r *wire.Request, w *Waiter) bool {
	var rec *wire.Invocation
	v := c.invs[id]
	if v != nil {
		rec = v.rec
	} else {
		rec = c.invocation(id)
	}
	if rec == nil || rec.Expires != 0 && rec.Expires <= c.now {
		return false
	}
	switch {
	case !bytes.Equal(rec.Digest, digest):
		c.AnswerNow(w, nil, fault.New(fault.Mismatch, "call", r.To.String(), "the idempotency key %q was used with another payload: use a new key for a new request", r.Key))
	case rec.Finished == 0 && r.Async:
		c.batch.answer(w, &wire.Response{ID: id}, nil)
	case rec.Finished == 0:
		e := fault.New(fault.Conflict, "call", r.To.String(), "a call with the idempotency key %q is being worked on: its answer will be at /v1/invocations/%s", r.Key, id)
		e.Retry = 1e9
		c.AnswerNow(w, nil, e)
	default:
		resp := &wire.Response{ID: id, Done: true, Body: rec.Body, Fail: rec.Fail, Again: true}
		if v != nil {
			c.batch.answer(w, resp, nil) // the record is not durable yet
		} else {
			c.AnswerNow(w, resp, nil)
		}
	}
	return true
}

// invocation reads a record, nil if there is none.
func (c *Core) invocation(id wire.InvocationID) *wire.Invocation {
	b, ok, err := c.rows.Get(store.Invocations, []byte(id))
	if err != nil || !ok {
		c.Fail(err)
		return nil
	}
	rec, err := rows.DecodeInvocation(id, b)
	if err != nil {
		c.Fail(err)
		return nil
	}
	return rec
}

// accept takes an envelope that arrived: as mail, or, if it is early, as a
// timer; or, if it answers a caller outside, to that caller.
func (c *Core) accept(env *wire.Envelope) {
	if env.Kind == wire.Reply && env.To == (wire.Address{}) {
		c.deliver(env.Back, env.Body, env.Fail)
		return
	}
	c.arrival++
	env.Seq = c.arrival
	env.Note &^= wire.InMail | wire.InTimers | wire.Stale
	if env.Due > c.now {
		c.newTimers[env] = struct{}{}
		c.timers.Add(due.Item[*wire.Envelope]{Due: env.Due, Seq: env.Seq, Value: env})
		return
	}
	c.put(env)
}

// deliver brings an answer to a caller outside: to its record, and to those
// who wait here.
func (c *Core) deliver(back *wire.Callback, body wire.Payload, fail *wire.Failure) {
	if back == nil {
		return
	}
	if w := c.wait[back.ID]; w != nil {
		delete(c.wait, back.ID)
		c.batch.answer(w, &wire.Response{Done: true, Body: body, Fail: fail}, nil)
		return
	}
	v := c.invs[back.ID]
	if v == nil {
		if rec := c.invocation(back.ID); rec != nil && rec.Finished == 0 {
			v = &inv{rec: rec}
			c.invs[back.ID] = v
		}
	}
	if v == nil || v.rec.Finished != 0 {
		return // a caller that is gone, or a second answer
	}
	v.rec.Finished, v.rec.Body, v.rec.Fail = c.now, body, fail
	v.rec.Expires = c.now + wire.Time(c.cfg.KeepAnswers)
	for _, w := range v.waiters {
		c.batch.answer(w, &wire.Response{ID: v.rec.ID, Done: true, Body: body, Fail: fail}, nil)
	}
	v.waiters = nil
	c.batch.touchInv(v)
}

// TakeSegment takes messages from another shard. They are queued, and accepted
// only as fast as they can be run.
func (c *Core) TakeSegment(s rows.Segment) {
	src := c.source(s.From)
	src.queue = append(src.queue, s)
}

func (c *Core) source(id wire.ShardID) *source {
	src := c.in[id]
	if src == nil {
		src = &source{}
		c.in[id] = src
		c.sources = append(c.sources, id)
	}
	return src
}

// takeChannels accepts queued messages while there is room for their work.
// Each source comes first in its turn: fair, and the same in every replay.
func (c *Core) takeChannels(room int) {
	c.first++
	for i := range c.sources {
		from := c.sources[(c.first+i)%len(c.sources)]
		src := c.in[from]
		for len(src.queue) > 0 && room > 0 && c.mail < c.cfg.MaxQueued && c.held < c.cfg.MaxQueuedBytes {
			s := &src.queue[0]
			if s.First > src.cursor+1 {
				c.Fail(fault.New(fault.Internal, "shard.take", c.id.String(), "messages %d to %d from %v are missing", src.cursor+1, s.First-1, from))
				return
			}
			if skip := src.cursor + 1 - s.First; skip > 0 { // seen before: a resent segment
				n := min(int(skip), len(s.Envs))
				s.Envs, s.First = s.Envs[n:], s.First+wire.Seq(n)
			}
			n := min(room, len(s.Envs))
			for _, env := range s.Envs[:n] {
				c.accept(env)
			}
			room -= n
			s.Envs, s.First = s.Envs[n:], s.First+wire.Seq(n)
			src.cursor = max(src.cursor, s.First-1)
			c.batch.cursors[from] = src.cursor
			if len(s.Envs) == 0 {
				src.queue = src.queue[1:]
			}
		}
	}
}

// TakeAck forgets messages that their receiver has consumed durably, and sends
// what waited for room in the channel.
func (c *Core) TakeAck(a Ack) {
	ch := c.channel(a.From)
	n := 0
	for n < len(ch.rows) && ch.rows[n].last <= a.Last {
		ch.bytes -= ch.rows[n].bytes
		c.unacked -= ch.rows[n].bytes
		n++
	}
	if n == 0 {
		return
	}
	// The last row stays until there is another: it holds the channel's number.
	del := n
	if n == len(ch.rows) {
		del = n - 1
	}
	for _, r := range ch.rows[:del] {
		c.batch.later(store.Outbox, rows.OutboxKey(a.From, r.first))
	}
	if del < n {
		ch.rows[del].bytes = 0
	}
	ch.rows = ch.rows[del:]
	ch.sent = max(ch.sent-del, 0)
	c.pump(a.From, ch)
}

func (c *Core) channel(to wire.ShardID) *channel {
	ch := c.out[to]
	if ch == nil {
		ch = &channel{next: 1}
		c.out[to] = ch
	}
	return ch
}

// pump sends rows of the outbox that had no room before.
func (c *Core) pump(to wire.ShardID, ch *channel) {
	for ch.sent < len(ch.rows) && ch.bytes < c.cfg.ChannelWindow {
		r := ch.rows[ch.sent]
		b, ok, err := c.rows.Get(store.Outbox, rows.OutboxKey(to, r.first))
		if err != nil || !ok {
			c.Fail(err)
			return // in the commit under way: committed calls again
		}
		envs, err := rows.DecodeSegment(b)
		if err != nil {
			c.Fail(err)
			return
		}
		ch.sent++
		ch.bytes += r.bytes
		c.events.Segments = append(c.events.Segments, Delivery{to, rows.Segment{From: c.id, First: r.first, Envs: envs}})
	}
}

// TakeTime moves what is due by now into mailboxes.
func (c *Core) TakeTime(now wire.Time) {
	c.now = max(c.now, now)
	for {
		it, ok := c.pauses.Pop(c.now)
		if !ok {
			break
		}
		if o := it.Value; !o.resting() { // it may have come to rest otherwise
			o.paused = 0
			c.wake(o)
		}
	}
	for {
		it, ok := c.retries.Pop(c.now)
		if !ok {
			break
		}
		delete(c.paused, it.Value)
		c.funcs = append(c.funcs, it.Value)
	}
	for n := 0; n < c.cfg.FrameTasks && c.mail < c.cfg.MaxQueued; n++ {
		if c.timers.NeedRefill() {
			c.refill()
		}
		it, ok := c.timers.Pop(c.now)
		if !ok {
			break
		}
		c.stats.Fired++
		delete(c.newTimers, it.Value)
		c.put(it.Value)
	}
	if c.expire == 0 || c.now >= c.expire {
		c.expireRecords()
	}
	c.evict()
}

// refill reads the next timers from their rows, and from those that are not
// rows yet.
func (c *Core) refill() {
	when, seq, ok := c.timers.Horizon()
	if !ok {
		return
	}
	var items []due.Item[*wire.Envelope]
	room, more := c.timers.Room(), false
	c.Fail(c.rows.Scan(store.Timers, rows.TimerKey(when, seq), nil, func(k, v []byte) (bool, error) {
		if len(items) == room {
			more = true
			return false, nil
		}
		env, err := wire.DecodeEnvelope(bytes.Clone(v))
		if err != nil {
			return false, err
		}
		env.Due, env.Seq = rows.SplitTimer(k)
		env.Note = wire.InTimers
		items = append(items, due.Item[*wire.Envelope]{Due: env.Due, Seq: env.Seq, Value: env})
		return true, nil
	}))
	add := func(env *wire.Envelope) {
		if env.Due > when || env.Due == when && env.Seq >= seq {
			items = append(items, due.Item[*wire.Envelope]{Due: env.Due, Seq: env.Seq, Value: env})
		}
	}
	for env := range c.newTimers {
		add(env)
	}
	if c.flown != nil {
		for _, env := range c.flown.timers {
			add(env)
		}
	}
	order := func(a, b due.Item[*wire.Envelope]) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.Seq, b.Seq))
	}
	slices.SortFunc(items, order)
	items = slices.CompactFunc(items, func(a, b due.Item[*wire.Envelope]) bool { return order(a, b) == 0 })
	if len(items) > room {
		items, more = items[:room], true
	}
	c.timers.Refill(items, more)
}

// forgetWaiters drops callers who have left and whose answer may never come.
func (c *Core) forgetWaiters() {
	left := func(w *Waiter) bool { return w.gone.Load() }
	maps.DeleteFunc(c.wait, func(_ wire.InvocationID, w *Waiter) bool { return left(w) })
	for _, v := range c.invs {
		v.waiters = slices.DeleteFunc(v.waiters, left)
	}
}

// expireRecords removes records of invocations whose time is over.
func (c *Core) expireRecords() {
	n := 0
	c.forgetWaiters()
	c.expire = c.now + 60e9
	c.Fail(c.rows.Scan(store.Expiry, nil, rows.ExpiryKey(c.now+1, ""), func(k, _ []byte) (bool, error) {
		c.batch.drop(store.Expiry, slices.Clone(k))
		when, id := rows.SplitExpiry(k)
		// The key may have been used again since: then its record is another.
		if rec := c.invocation(id); c.invs[id] == nil && rec != nil && rec.Expires == when {
			c.batch.drop(store.Invocations, []byte(id))
		}
		n++
		return n < 1000, nil
	}))
	if n == 1000 {
		c.expire = c.now + 100e6
	}
}

// NextTime returns when takeTime has something to do, 0 for never.
func (c *Core) NextTime() wire.Time {
	next := c.expire
	if t, ok := c.timers.Next(); ok && t < next {
		next = t
	}
	if c.trialAt != 0 && len(c.ready)+len(c.funcs) > 0 {
		next = min(next, c.trialAt)
	}
	if t, ok := c.pauses.Next(); ok && t < next {
		next = t
	}
	if t, ok := c.retries.Next(); ok && t < next {
		next = t
	}
	if c.cfg.IdleAfter > 0 && c.idle.next != &c.idle {
		next = min(next, c.idle.next.used+wire.Time(c.cfg.IdleAfter))
	}
	return next
}

// AnswerNow answers a caller without waiting for a commit.
func (c *Core) AnswerNow(w *Waiter, resp *wire.Response, err error) {
	c.events.Answers = append(c.events.Answers, Answer{w, resp, err})
}
