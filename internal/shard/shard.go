package shard

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/shard/crowd"
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

// Host runs frames: in this process (host.Runner), or in a worker. The next
// frame is submitted after the report of the one before. Reports closes when
// the host is gone.
type Host interface {
	Submit(*turn.Frame)
	Reports() <-chan *turn.Report
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
	crowds atomic.Pointer[crowd.Crowds] // what takes no calls now
	gates  atomic.Int32                 // functions that are paused
	put    int                          // of inbox: what was put back and wakes nobody

	host    Host
	commits chan *store.Batch
	synced  chan error
	alarm   alarm
	pulse   pulse
}

type request struct {
	r *wire.Request
	w *core.Waiter
}

// op is something to do on the core between frames. If do returns no error,
// it has seen to the answer itself.
type op struct {
	do   func(*core.Core) error
	done func(error)
}

type hostChange struct {
	host     Host
	manifest *host.Manifest
	done     chan struct{}
}

// Open reads a shard's rows and makes it ready to Run.
func Open(cfg Config, st *store.Shard, peers Peers) (*Shard, error) {
	cfg = cfg.WithDefaults()
	var name [6]byte
	_, _ = rand.Read(name[:]) // never fails (crypto/rand)
	s := &Shard{cfg: cfg, store: st, peers: peers,
		core: core.New(cfg, st, hex.EncodeToString(name[:]), wire.Time(cfg.Now().UnixNano())),
		wake: make(chan struct{}, 1), commits: make(chan *store.Batch), synced: make(chan error, 1)}
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

// SetHost makes the shard run its turns on h, which can run what m says; nil
// takes the host away. What the old host had not reported runs again. It
// returns when the shard no longer uses the old host.
func (s *Shard) SetHost(h Host, m *host.Manifest) {
	done := make(chan struct{})
	if s.post(hostChange{h, m, done}) {
		<-done
	}
}

// do runs f on the core between frames and returns when what it saw and did is
// durable.
func (s *Shard) do(ctx context.Context, f func(*core.Core) error) error {
	done := make(chan error, 1)
	o := op{do: func(c *core.Core) error {
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
	group.Wait()
	s.shut(err)
	return err
}

// shut refuses what is still there and what comes after.
func (s *Shard) shut(err error) {
	s.mu.Lock()
	s.closed = true
	left := s.inbox
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
		case rep, ok := <-s.reports():
			if !ok {
				s.lost()
			} else {
				c.Apply(rep)
			}
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

func (s *Shard) reports() <-chan *turn.Report {
	if s.host == nil {
		return nil
	}
	return s.host.Reports()
}

// step does everything that can be done now.
func (s *Shard) step(woken, stopping bool) {
	c := s.core
	s.mu.Lock()
	in := s.inbox
	unannounced := len(in) - s.put
	if woken || len(s.wake) > 0 {
		unannounced = 0
	}
	s.inbox, s.put = nil, 0
	s.mu.Unlock()
	s.sweep(unannounced)
	// After that: a call has no time before it was made, and its timers none.
	c.TakeTime(wire.Time(s.cfg.Now().UnixNano()))
	for i, v := range in {
		if !s.take(v, stopping) {
			s.mu.Lock()
			s.inbox = append(in[i:len(in):len(in)], s.inbox...) // operations wait for the frame
			s.put = len(in) - i
			s.mu.Unlock()
			break
		}
	}
	s.seal(stopping)
	if !stopping && s.host != nil {
		if f := c.NextFrame(); f != nil {
			s.host.Submit(f)
		} else {
			s.seal(false) // what was taken and cannot run yet
		}
	}
	s.tellCrowds()
	s.flush()
	s.beat()
}

// take gives one posted thing to the core. It reports false if that must wait
// until the frame under way is reported.
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
		if c.Flying() {
			return false
		}
		if err := v.do(c); err != nil {
			v.done(err)
		}
	case hostChange:
		if !s.leave() {
			return false
		}
		s.host = v.host
		if v.host != nil {
			c.SetProgram(v.manifest)
		}
		close(v.done)
	}
	return true
}

// leave gives the host up, in peace if it lives: then a frame that is out
// comes back first.
func (s *Shard) leave() bool {
	c := s.core
	for s.host != nil {
		select {
		case rep, ok := <-s.host.Reports():
			if !ok {
				s.lost()
				return true
			}
			c.Apply(rep)
			continue
		default:
		}
		if c.Flying() {
			return false
		}
		s.host = nil
		c.LostHost(false)
	}
	return true
}

// seal commits the batch if there is one to commit and no commit under way.
// While a frame is out it waits: what that consumes need not be written.
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
}
