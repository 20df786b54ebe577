package h1

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/heap"
)

// ErrClosed is what Serve returns after Shutdown or Close.
var ErrClosed = http.ErrServerClosed

// Handler makes the sessions.
type Handler interface {
	Session(*Conn) Session
}

// Limits bounds what connections may ask for. Zero fields get the defaults.
type Limits struct {
	Conns  int           // connections at once; default 16,384, or what half of the memory limit can hold; more are answered 503
	Head   int           // bytes of a request line and its header fields; default 32 KiB (431)
	Idle   time.Duration // between requests; default 1 minute
	Arrive time.Duration // of a head; default 5 s (408)
	Body   time.Duration // of a body; default 30 s (408)
	Answer time.Duration // of the session; default 1 minute
	Write  time.Duration // of an answer, until the client's side has taken it; default 30 s
	Held   int64         // bytes of large bodies and answers at once; default 256 MiB, or a quarter of the memory limit. Over it bodies get ErrFull, and who takes over a second to send or read one is cut off
	Linger time.Duration // for the client to read the last answer; default 500 ms
}

// connBytes is what a connection with a small call under way is reckoned to
// need: its goroutine, its buffers, the call.
const (
	maxConns  = 16 << 10
	connBytes = 24 << 10
)

func (l Limits) withDefaults() Limits {
	def(&l.Conns, int(heap.AtMost(maxConns*connBytes, 2)/connBytes))
	def(&l.Head, 32<<10)
	def(&l.Idle, time.Minute)
	def(&l.Arrive, 5*time.Second)
	def(&l.Body, 30*time.Second)
	def(&l.Answer, time.Minute)
	def(&l.Write, 30*time.Second)
	def(&l.Held, heap.AtMost(256<<20, 4))
	def(&l.Linger, 500*time.Millisecond)
	return l
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// tick is how often the server looks at its connections: they are interrupted
// up to two ticks late, and a client that goes away is noticed after as long.
// One look at all connections costs less than a timer for each request.
const tick = 50 * time.Millisecond

// watchesAtOnce bounds how many connections the server begins to watch at one
// look. A watcher costs as much as half a call: when thousands of calls wait,
// who goes away is noticed later, and not at the expense of those who stay.
const watchesAtOnce = 64

// Server serves HTTP/1.1. Handler is required.
type Server struct {
	Handler Handler
	Limits  Limits
	Log     *slog.Logger // failures of ours; default: discarded

	limits   Limits
	clock    atomic.Int64 // milliseconds since began, at the last look
	began    time.Time
	date     atomic.Pointer[string]
	stopping atomic.Bool
	packed   atomic.Bool // there are so many that they queue
	queue    queue
	held     atomic.Int64 // bytes of large bodies and answers
	once     sync.Once
	group    sync.WaitGroup // connections
	look     chan struct{}  // closed when looking is to end
	looking  sync.WaitGroup // for who looks, turns away, walks and ushers
	watches  int            // begun at this look; of the goroutine that looks
	turned   chan struct{}  // one for each connection that is being turned away

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*Conn]struct{}
}

func (s *Server) open() {
	s.once.Do(func() {
		s.limits = s.Limits.withDefaults()
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
		s.began = time.Now()
		s.setDate(s.began)
		s.look = make(chan struct{})
		s.turned = make(chan struct{}, turnedAtOnce)
		s.listeners, s.conns = map[net.Listener]struct{}{}, map[*Conn]struct{}{}
	})
}

// Serve takes connections from ln, which it closes, until Shutdown or Close.
// Then it returns ErrClosed.
func (s *Server) Serve(ln net.Listener) error {
	s.open()
	defer func() { _ = ln.Close() }() // nothing was written to it
	s.mu.Lock()
	if s.stopping.Load() {
		s.mu.Unlock()
		return ErrClosed
	}
	if len(s.listeners) == 0 {
		s.looking.Go(s.watch)
	}
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			s.accept(nc)
			continue
		}
		if s.stopping.Load() {
			return ErrClosed
		}
		var ne net.Error
		if !errors.As(err, &ne) || errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of files, most likely: some are given back soon.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.Log.Warn("a connection was not accepted", "err", err)
		s.rest(pause)
	}
}

// rest pauses, but not beyond the end.
func (s *Server) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.look:
	}
}

const overfull = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

func (s *Server) accept(nc net.Conn) {
	s.mu.Lock()
	if s.stopping.Load() {
		s.mu.Unlock()
		_ = nc.Close() // nothing was said
		return
	}
	if len(s.conns) >= s.limits.Conns {
		s.mu.Unlock()
		s.turnAway(nc)
		return
	}
	c := newConn(s, nc)
	s.conns[c] = struct{}{}
	s.group.Add(1)
	if len(s.conns) >= packed*runtime.GOMAXPROCS(0) {
		s.packed.Store(true) // until the next look: many may come at once
	}
	s.mu.Unlock()
	if c.queues() {
		s.queue.add(c)
		return
	}
	go c.run()
}

// Bounds of turning connections away: how many at once, and how long one takes.
// While there are more, nothing is accepted and they wait in the kernel: clients
// that connect again at once must not keep the platform from its work.
const (
	turnedAtOnce = 16
	turnedWithin = 50 * time.Millisecond
)

// turnAway answers a connection too many, and closes it when the client has
// read the answer. Closed with its request unread, the client might lose it.
func (s *Server) turnAway(nc net.Conn) {
	select {
	case s.turned <- struct{}{}:
	case <-s.look:
		_ = nc.Close() // the server ends
		return
	}
	s.looking.Go(func() {
		defer func() { <-s.turned }()
		_ = nc.SetDeadline(time.Now().Add(turnedWithin)) // closed is as good
		if _, err := nc.Write([]byte(overfull)); err == nil {
			if tcp, ok := nc.(interface{ CloseWrite() error }); ok && tcp.CloseWrite() == nil {
				_, _ = io.CopyN(io.Discard, nc, 64<<10) // until the client closes, or time is over
			}
		}
		_ = nc.Close() // all that matters was written
	})
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.group.Done()
}

// Shutdown stops taking connections and requests, and returns when all that
// are under way have been answered, or with ctx's error when that is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.open()
	s.stop()
	gone := make(chan struct{})
	go func() { // ends with the last connection, at the latest after Close
		s.group.Wait()
		close(gone)
	}()
	s.each(func(c *Conn) {
		if c.mark.Load()>>48&0xf == idle {
			c.interrupt()
		}
	})
	select {
	case <-gone:
		s.looking.Wait()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends Serve.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Swap(true) {
		return
	}
	for ln := range s.listeners {
		_ = ln.Close() // nothing was written to it
	}
	if len(s.conns) == 0 {
		close(s.look)
		return
	}
	go func() {
		s.group.Wait()
		close(s.look)
	}()
}

// Close stops taking connections and closes those that there are.
func (s *Server) Close() error {
	s.open()
	s.stop()
	s.each(func(c *Conn) {
		_ = c.nc.Close() // what was under way is lost: that is asked for
		c.cancel(context.Canceled)
	})
	return nil
}

func (s *Server) each(f func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}

func (s *Server) crashed(v any) {
	s.Log.Error("a request made the door panic", "panic", v, "stack", string(debug.Stack()))
}

func (s *Server) setDate(now time.Time) {
	d := now.UTC().Format(http.TimeFormat)
	s.date.Store(&d)
}

// watch looks at the connections from time to time.
func (s *Server) watch() {
	t := time.NewTicker(tick)
	defer t.Stop()
	second := s.began.Unix()
	for {
		select {
		case now := <-t.C:
			s.clock.Store(now.Sub(s.began).Milliseconds())
			if now.Unix() != second {
				second = now.Unix()
				s.setDate(now)
			}
			s.watches = 0
			active := 0
			s.each(func(c *Conn) {
				if s.inspect(c) < 2*tick {
					active++
				}
			})
			bound := packed * runtime.GOMAXPROCS(0)
			if s.packed.Load() {
				bound /= 4 // on a slow machine many are busy and not seen to be
			}
			s.packed.Store(active >= bound)
		case <-s.look:
			return
		}
	}
}

// expired reports whether a step that has taken d takes too long.
func (s *Server) expired(step uint64, d time.Duration) bool {
	switch step {
	case idle:
		return d > s.limits.Idle
	case inHead:
		return d > s.limits.Arrive
	case inBody:
		return d > s.limits.Body
	case writing:
		return d > s.limits.Write
	}
	return false
}

// inspect sees to a connection whose step takes long, and returns how long.
func (s *Server) inspect(c *Conn) (took time.Duration) {
	m := c.mark.Load()
	step, took := m>>48&0xf, time.Duration(uint64(s.clock.Load())-m&markSince)*time.Millisecond
	switch {
	case s.expired(step, took), c.presses(step, took):
		c.interrupt()
	case step == idle && s.stopping.Load():
		c.interrupt()
	case step == busy || step == awaiting:
		c.attend(m, step, took)
	case step == queued:
		return 0 // it would not be there if it were not busy
	}
	return took
}

// interrupt makes what the connection reads or writes return. If it has gone
// on to another step, it finds out that it was not meant.
func (c *Conn) interrupt() { _ = c.nc.SetDeadline(time.Unix(1, 0)) } // closed is as good

// attend sees to a session that takes long.
func (c *Conn) attend(m, step uint64, took time.Duration) {
	late := took > time.Duration(c.limit.Load())*time.Millisecond
	if t := c.ticket.Load(); step == awaiting && t != nil {
		n := t.state.Load()
		take := n&over == asking && late || n&over == settled && n == t.seen
		t.seen = n
		// With the mark as it was, the state is that of the same request.
		if take && c.mark.Load() == m && t.state.CompareAndSwap(n, n|over) {
			go c.resume(n&over == asking)
			return
		}
	}
	if late && m&markCanceled == 0 && c.mark.CompareAndSwap(m, m|markCanceled) {
		c.cancel(context.DeadlineExceeded)
		m |= markCanceled
	}
	if step == awaiting && m&markWatched == 0 && took >= tick && c.s.watches < watchesAtOnce {
		c.s.watches++
		watched := make(chan struct{})
		c.watched = watched
		if c.mark.CompareAndSwap(m, m|markWatched) {
			go c.watch(watched)
		}
	}
}

// watch reads what comes while the session works, to notice when the client
// goes away. It has the buffer until it is interrupted.
func (c *Conn) watch(done chan struct{}) {
	defer close(done)
	for c.w < len(c.buf) {
		n, err := c.nc.Read(c.buf[c.w:])
		c.w += n
		if err == nil {
			continue
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			c.cancel(context.Canceled)
		}
		return
	}
}
