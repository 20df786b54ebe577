package shard

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Config says which shard this is and what bounds it keeps.
type Config = conf.Config

// Delivery is a segment of messages on its way to another shard, and Ack the
// word that one has been consumed durably.
type (
	Delivery = core.Delivery
	Ack      = core.Ack
)

// Trials lets one shard of a node at a time try a message that may have killed
// a worker.
type Trials = conf.Trials

// Stats counts what a shard did since it was opened.
type Stats = conf.Stats

// Main is the name of the program that has what no other is known to have.
const Main = conf.Main

// Host runs frames of a program: in this process (host.Runner), or in a worker.
// The next frame is submitted after the report of the one before. Reports closes
// when the host is gone. Cancel has a task know, if it runs for long, that nobody needs
// its answer; it does not block.
type Host interface {
	Submit(*turn.Frame)
	Reports() <-chan *turn.Report
	Cancel(frame uint64, task int)
}

// Peers are the other shards.
type Peers interface {
	// Segment brings messages to their shard. It does not block.
	Segment(Delivery)
	// Ack tells the sending shard. It does not block.
	Ack(Ack)
}

// Shard is the goroutine around a core.
type Shard struct {
	cfg   Config
	store *store.Shard
	peers Peers
	core  *core.Core

	mu     sync.Mutex
	inbox  []any // what was posted: request, Segment, Ack, op, hostChange
	closed bool
	wake   chan struct{}
	crowds atomic.Pointer[core.Crowds] // what takes no calls now
	aside  []any                       // of inbox: what waits for the report of a frame
	gates  atomic.Int32                // functions that are paused

	main    *seat
	seats   []*seat // of all programs, main first
	news    chan news
	over    chan struct{} // closed when the loop has ended
	carry   sync.WaitGroup
	commits chan *store.Batch
	synced  chan error
	alarm   alarm
	pulse   pulse
}

type request struct {
	r *wire.Request
	w *core.Waiter
}

// op is something to do on the core. If do returns no error, it has seen to the
// answer itself.
type op struct {
	do   func(*core.Core) error
	done func(error)
	on   wire.ObjectID // if set, it waits while a turn of that object is in a frame
}

// Open reads a shard's rows and makes it ready to Run.
func Open(cfg Config, st *store.Shard, peers Peers) (*Shard, error) {
	cfg = cfg.WithDefaults()
	var name [6]byte
	_, _ = rand.Read(name[:]) // never fails (crypto/rand)
	s := &Shard{cfg: cfg, store: st, peers: peers,
		core: core.New(cfg, st, hex.EncodeToString(name[:]), wire.Time(cfg.Now().UnixNano())),
		wake: make(chan struct{}, 1), news: make(chan news), over: make(chan struct{}), commits: make(chan *store.Batch), synced: make(chan error, 1)}
	s.main = s.seat(Main)
	if err := s.core.Open(); err != nil {
		return nil, err
	}
	s.gates.Store(int32(s.core.Control().Pauses.Functions()))
	return s, nil
}

// post hands something to the shard's goroutine. It reports false after Run
// has ended.
func (s *Shard) post(v any) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.inbox = append(s.inbox, v)
	if s.cfg.Lose == nil || !s.cfg.Lose(conf.Posted) {
		select {
		case s.wake <- struct{}{}: // under mu, so that who holds it knows whether it was
		default:
		}
	}
	s.mu.Unlock()
	return true
}

// Segment takes messages from another shard. It does not block.
func (s *Shard) Segment(seg rows.Segment) {
	if s.cfg.Lose == nil || !s.cfg.Lose(conf.Segment) {
		s.post(seg)
	}
}

// Ack takes an acknowledgement from another shard. It does not block.
func (s *Shard) Ack(a Ack) {
	if s.cfg.Lose == nil || !s.cfg.Lose(conf.Ack) {
		s.post(a)
	}
}

// do runs f on the core and returns when what it saw and did is durable. If
// there is an object named on, no turn of it is in a frame then.
func (s *Shard) do(ctx context.Context, on wire.ObjectID, f func(*core.Core) error) error {
	done := make(chan error, 1)
	o := op{on: on, do: func(c *core.Core) error {
		saw := f(c) // that something is not there may be news, too: law 1
		c.AnswerLater(&core.Waiter{Done: func(_ *wire.Response, err error) { done <- cmp.Or(err, saw) }})
		return nil
	}, done: func(err error) { done <- err }}
	if !s.post(o) {
		return stopped(s.cfg.ID.String())
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, "shard", s.cfg.ID.String(), context.Cause(ctx))
	}
}

// Run runs the shard until ctx is done, and then until the turns under way are
// finished and committed, or drain has passed. It returns the error that
// stopped the shard, if one did.
func (s *Shard) Run(ctx context.Context, drain time.Duration) error {
	var group sync.WaitGroup
	group.Go(func() {
		s.labelled(ctx, "commit", func() {
			for b := range s.commits {
				_, err := s.store.Commit(b)
				b.Close()
				s.synced <- err
			}
		})
	})
	var err error
	s.pulse.live.Store(true)
	s.labelled(ctx, "loop", func() { err = s.loop(ctx, drain) })
	s.pulse.live.Store(false)
	close(s.commits)
	close(s.over)
	group.Wait()
	s.carry.Wait()
	s.shut(err)
	return err
}

// shut refuses what is still there and what comes after.
func (s *Shard) shut(err error) {
	s.mu.Lock()
	s.closed = true
	left := append(s.aside, s.inbox...)
	s.inbox = nil
	s.mu.Unlock()
	why := stopped(s.cfg.ID.String())
	if err != nil {
		why = err
	}
	for _, v := range left {
		switch v := v.(type) {
		case request:
			v.w.Done(nil, why)
		case finished:
			v.w.Done(nil, why)
		case op:
			v.done(why)
		case hostChange:
			close(v.done)
		case weights:
			close(v.done)
		}
	}
	unknown := fault.New(fault.Unavailable, "call", "", "the platform stopped before the answer was there: the call may have been carried out; ask again with the same idempotency key")
	s.core.Abandon(unknown)
}

func (s *Shard) loop(ctx context.Context, drain time.Duration) error {
	c := s.core
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	stopping, done := false, ctx.Done()
	var deadline <-chan time.Time
	c.Resend()
	for woken := false; ; {
		s.step(woken, stopping)
		if c.Err() != nil {
			return c.Err()
		}
		if stopping && !c.Running() && !c.Committing() && !c.Wanted() {
			return nil
		}
		timer.Reset(s.pause())
		woken, s.alarm.rang = false, false
		select {
		case <-s.wake:
			woken = true
			// Whoever else is about to post comes first: one commit for many
			// costs little more than one for one. Nobody else, no wait.
			runtime.Gosched()
		case rep := <-s.main.reports():
			s.heard(s.main, rep)
		case n := <-s.news:
			s.told(n)
		case err := <-s.synced:
			if err != nil {
				return err
			}
			s.pulse.commit.Store(0)
			c.Committed()
		case <-timer.C:
			s.alarm.rang = true
		case <-done:
			stopping, done = true, nil
			c.Hurry()
			t := time.NewTimer(drain)
			defer t.Stop()
			deadline = t.C
		case <-deadline:
			if !c.Committing() {
				return nil
			}
			err := <-s.synced
			if err == nil { // who waits for it is told
				c.Committed()
				s.flush()
			}
			return err
		}
	}
}

// step does everything that can be done now.
func (s *Shard) step(woken, stopping bool) {
	c := s.core
	s.mu.Lock()
	in := s.inbox
	unannounced := len(in)
	if woken || len(s.wake) > 0 {
		unannounced = 0
	}
	s.inbox = nil
	s.mu.Unlock()
	s.sweep(unannounced)
	// After that: a call has no time before it was made, and its timers none.
	c.TakeTime(wire.Time(s.cfg.Now().UnixNano()))
	s.aside = slices.DeleteFunc(s.aside, func(v any) bool { return s.take(v, stopping) })
	for _, v := range in {
		if !s.take(v, stopping) {
			s.aside = append(s.aside, v)
		}
	}
	s.seal(stopping)
	if !stopping && !s.submit() {
		s.seal(false) // what was taken and cannot run yet
	}
	s.tellCrowds()
	s.flush()
	s.beat()
}

// take gives one posted thing to the core. It reports false if that must wait
// for the report of a frame; nothing else does.
func (s *Shard) take(v any, stopping bool) bool {
	c := s.core
	switch v := v.(type) {
	case request:
		if stopping {
			c.AnswerNow(v.w, nil, stopped(v.r.To.String()))
			return true
		}
		c.TakeRequest(v.r, v.w)
	case finished:
		s.takeFinished(v, stopping)
	case rows.Segment:
		c.TakeSegment(v)
	case Ack:
		c.TakeAck(v)
	case op:
		if c.InFrame(v.on) {
			return false
		}
		if err := v.do(c); err != nil {
			v.done(err)
		}
	case hostChange:
		return s.change(v)
	case weights:
		c.SetWeights(v.of)
		close(v.done)
	}
	return true
}

// seal commits the batch if there is one to commit and no commit under way.
func (s *Shard) seal(hurry bool) {
	c := s.core
	if !c.SealNow(hurry) {
		return
	}
	if hook := s.cfg.BeforeCommit; hook != nil {
		if err := hook(s.store.Last() + 1); err != nil {
			c.Fail(err)
			return
		}
	}
	b := s.store.NewBatch(c.BatchSize())
	if !c.Seal(b) {
		b.Close()
		c.Committed()
		return
	}
	s.pulse.commit.Store(uint64(s.store.Last() + 1))
	s.commits <- b
}

// flush carries out what the core wants done.
func (s *Shard) flush() {
	c := s.core
	ev := c.Effects()
	for _, a := range ev.Answers {
		a.To.Done(a.Resp, a.Err)
	}
	for _, d := range ev.Segments {
		s.peers.Segment(d)
	}
	for _, a := range ev.Acks {
		s.peers.Ack(a)
	}
	for _, e := range ev.Ends {
		s.end(e)
	}
}
