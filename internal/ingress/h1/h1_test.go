package h1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	end   chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), end: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return nil }

func (p *pipes) dial() (net.Conn, *bufio.Reader) {
	here, there := net.Pipe()
	p.conns <- there
	return here, bufio.NewReader(here)
}

// serving is a session as a test wants it.
type serving struct {
	*Conn
	serve  func(*Conn) bool
	resume func(*Conn, bool)
}

func (s *serving) Serve() bool               { return s.serve(s.Conn) }
func (s *serving) Resume(late bool)          { s.resume(s.Conn, late) }
func (s *serving) Refuse(st int, why string) { s.Reply(st, nil, []byte(why)) }

// handling makes all sessions of a server.
type handling struct {
	serve  func(*Conn) bool
	resume func(*Conn, bool)
}

func (h handling) Session(c *Conn) Session { return &serving{c, h.serve, h.resume} }

func echo(c *Conn) bool {
	b, err := c.Body(1 << 20)
	var r *Refusal
	switch {
	case errors.As(err, &r):
		c.Reply(r.Status, nil, []byte(r.Why))
	case err != nil:
		c.Reply(400, nil, []byte(err.Error()))
	default:
		c.Reply(200, nil, b)
	}
	return true
}

// bubble runs f with a server, in virtual time. At the end all connections
// are to be gone.
func bubble(t *testing.T, h handling, limits Limits, f func(t *testing.T, s *Server, p *pipes)) {
	synctest.Test(t, func(t *testing.T) {
		s, p := &Server{Handler: h, Limits: limits}, newPipes()
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(p) }()
		synctest.Wait()
		f(t, s, p)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		time.Sleep(2 * time.Second) // who drips notices
	})
}

func request(body string) string {
	return "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: " + string(rune('0'+len(body))) + "\r\n\r\n" + body
}

// ask sends a request and returns the status of the answer and its body.
func ask(t *testing.T, c net.Conn, r *bufio.Reader, req string) (int, string) {
	t.Helper()
	if _, err := io.WriteString(c, req); err != nil {
		t.Fatal(err)
	}
	return hear(t, r)
}

func hear(t *testing.T, r *bufio.Reader) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// drip sends s, a byte a second, until it is not taken any more.
func drip(c net.Conn, s string) {
	for i := range len(s) {
		if _, err := io.WriteString(c, s[i:i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// ended reports that the connection ends after d, give or take two ticks, and
// what came before.
func ended(t *testing.T, r *bufio.Reader, d time.Duration) (before string) {
	t.Helper()
	began := time.Now()
	b, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if took := time.Since(began); took < d-tick || took > d+2*tick {
		t.Errorf("it ended after %v, want %v", took, d)
	}
	return string(b)
}

// Every step of a client that is too slow ends.
func TestSlow(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, c net.Conn, r *bufio.Reader)
	}{
		{"says nothing", func(t *testing.T, _ net.Conn, r *bufio.Reader) {
			if s := ended(t, r, 5*time.Second); s != "" {
				t.Errorf("it was told %q", s)
			}
		}},
		{"says nothing more", func(t *testing.T, c net.Conn, r *bufio.Reader) {
			ask(t, c, r, request("1"))
			if s := ended(t, r, time.Minute); s != "" {
				t.Errorf("it was told %q", s)
			}
		}},
		{"drips a head", func(t *testing.T, c net.Conn, r *bufio.Reader) {
			go drip(c, request("1"))
			if s := ended(t, r, 5*time.Second); !strings.HasPrefix(s, "HTTP/1.1 408 ") {
				t.Errorf("it was told %q", s)
			}
		}},
		{"drips a second head", func(t *testing.T, c net.Conn, r *bufio.Reader) {
			ask(t, c, r, request("1"))
			time.Sleep(30 * time.Second)
			go drip(c, request("1"))
			if s := ended(t, r, 5*time.Second); !strings.HasPrefix(s, "HTTP/1.1 408 ") {
				t.Errorf("it was told %q", s)
			}
		}},
		{"drips a body", func(t *testing.T, c net.Conn, r *bufio.Reader) {
			go drip2(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n", strings.Repeat("1", 50))
			if s := ended(t, r, 30*time.Second); !strings.HasPrefix(s, "HTTP/1.1 408 ") {
				t.Errorf("it was told %q", s)
			}
		}},
		{"drips chunks", func(t *testing.T, c net.Conn, r *bufio.Reader) {
			go drip2(c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\n1\r\n", 50))
			if s := ended(t, r, 30*time.Second); !strings.HasPrefix(s, "HTTP/1.1 408 ") {
				t.Errorf("it was told %q", s)
			}
		}},
		{"does not read", func(t *testing.T, c net.Conn, r *bufio.Reader) {
			if _, err := io.WriteString(c, request("1")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30*time.Second + 2*tick)
			if s := ended(t, r, 0); s != "" {
				t.Errorf("it was told %q", s)
			}
		}},
		{"is in time", func(t *testing.T, c net.Conn, r *bufio.Reader) {
			for range 10 {
				time.Sleep(55 * time.Second)
				go func() {
					for _, part := range strings.SplitAfter(request("1"), "\r\n") {
						time.Sleep(900 * time.Millisecond)
						_, _ = io.WriteString(c, part)
					}
				}()
				if status, _ := hear(t, r); status != 200 {
					t.Errorf("status %d", status)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, handling{serve: echo}, Limits{}, func(t *testing.T, _ *Server, p *pipes) {
				nc, r := p.dial()
				if c.name == "is in time" {
					ask(t, nc, r, request("1"))
				}
				c.do(t, nc, r)
				_ = nc.Close()
			})
		})
	}
}

func drip2(c net.Conn, at, once string) {
	if _, err := io.WriteString(c, at); err == nil {
		drip(c, once)
	}
}

// Connections that do nothing do not hinder others, and end; more than are
// allowed are turned away.
func TestManyIdle(t *testing.T) {
	const n = 2000
	bubble(t, handling{serve: echo}, Limits{Conns: n + 1}, func(t *testing.T, s *Server, p *pipes) {
		var all []net.Conn
		for range n {
			c, r := p.dial()
			all = append(all, c)
			if status, _ := ask(t, c, r, request("1")); status != 200 {
				t.Fatal(status)
			}
		}
		c, r := p.dial()
		began := time.Now()
		for range 100 {
			if status, body := ask(t, c, r, request("7")); status != 200 || body != "7" {
				t.Fatal(status, body)
			}
		}
		if time.Since(began) > time.Second {
			t.Errorf("100 requests took %v", time.Since(began))
		}
		_, late := p.dial()
		if status, _ := hear(t, late); status != 503 {
			t.Errorf("the connection too many was answered %d", status)
		}
		time.Sleep(time.Minute + 2*tick)
		synctest.Wait()
		s.mu.Lock()
		if len(s.conns) != 0 {
			t.Errorf("%d connections are left", len(s.conns))
		}
		s.mu.Unlock()
		for _, c := range append(all, c) {
			_ = c.Close()
		}
	})
}

// Many connections too many are each told so, whether they ask or not, some at
// a time; the one that there is goes on.
func TestTooManyConnections(t *testing.T) {
	bubble(t, handling{serve: echo}, Limits{Conns: 1}, func(t *testing.T, s *Server, p *pipes) {
		first, r := p.dial()
		if status, _ := ask(t, first, r, request("1")); status != 200 {
			t.Fatal(status)
		}
		var group sync.WaitGroup
		for i := range 5 * turnedAtOnce {
			group.Go(func() {
				c, r := p.dial()
				if i%2 == 0 {
					go func() { _, _ = io.WriteString(c, request("2")) }() // may fail: the answer is there before
				}
				if status, _ := hear(t, r); status != 503 {
					t.Errorf("a connection too many was answered %d", status)
				}
				_ = c.Close()
			})
		}
		group.Wait()
		if status, _ := ask(t, first, r, request("1")); status != 200 {
			t.Error(status)
		}
		_ = first.Close()
		synctest.Wait()
		c, r := p.dial()
		if status, _ := ask(t, c, r, request("3")); status != 200 {
			t.Errorf("%d with room again", status)
		}
		_ = c.Close()
	})
}

// When many wait, some watchers are begun at each look, and all who go away are
// noticed in the end.
func TestManyGone(t *testing.T) {
	const n = 4 * watchesAtOnce
	var left atomic.Int32
	gone := handling{serve: func(c *Conn) bool {
		c.Within(time.Minute)
		<-c.Done()
		left.Add(1)
		c.Reply(200, nil, nil)
		return true
	}}
	bubble(t, gone, Limits{}, func(t *testing.T, _ *Server, p *pipes) {
		var all []net.Conn
		for range n {
			c, _ := p.dial()
			if _, err := io.WriteString(c, request("")); err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		time.Sleep(2*tick + tick/2)
		for _, c := range all {
			_ = c.Close()
		}
		synctest.Wait()
		if got := left.Load(); got == 0 || got > 2*watchesAtOnce {
			t.Errorf("%d were noticed at once, with %d watchers at a look", got, watchesAtOnce)
		}
		time.Sleep(n / watchesAtOnce * tick)
		synctest.Wait()
		if got := left.Load(); got != n {
			t.Errorf("%d of %d were noticed", got, n)
		}
	})
}

// The default of connections is what half of the memory limit holds.
func TestConnsOfSmallMemory(t *testing.T) {
	limit := debug.SetMemoryLimit(256 << 20)
	defer debug.SetMemoryLimit(limit)
	if got := (Limits{}).withDefaults().Conns; got != 5461 {
		t.Errorf("%d connections with 256 MiB", got)
	}
	debug.SetMemoryLimit(4 << 30)
	if got := (Limits{}).withDefaults().Conns; got != maxConns {
		t.Errorf("%d connections with 4 GiB", got)
	}
}

// waiter is a session that waits for its answer as the door does.
type waiter struct {
	begin    func(*Ticket) (pending bool)
	verdicts chan Verdict
	resumed  chan bool
}

func (w *waiter) handling() handling {
	return handling{serve: func(c *Conn) bool {
		if _, err := c.Body(10); err != nil {
			return echo(c)
		}
		t := NewTicket()
		c.Within(time.Minute)
		c.Hold(t)
		done := c.Done()
		v := t.Wait(done, w.begin(t))
		w.verdicts <- v
		switch v {
		case Taken:
			return false
		case Left:
			c.Reply(504, nil, []byte(c.Err().Error()))
		default:
			c.Reply(200, nil, nil)
		}
		c.Release()
		return true
	}, resume: func(c *Conn, late bool) {
		c.Release()
		w.resumed <- late
		if late {
			c.Reply(504, nil, nil)
		} else {
			c.Reply(201, nil, nil)
		}
	}}
}

// later is the handling of a waiter that is made in the bubble, as its channels
// must be.
func later(w **waiter) handling {
	return handling{serve: func(c *Conn) bool { return (*w).handling().serve(c) },
		resume: func(c *Conn, late bool) { (*w).handling().resume(c, late) }}
}

func newWaiting(begin func(*Ticket) bool) *waiter {
	return &waiter{begin: begin, verdicts: make(chan Verdict, 10), resumed: make(chan bool, 10)}
}

// An answer comes at once, from elsewhere, or not in time.
func TestWait(t *testing.T) {
	for _, c := range []struct {
		name    string
		begin   func(*Ticket) bool
		verdict Verdict
		status  int
		after   time.Duration
	}{
		{"at once", func(*Ticket) bool { return false }, Answered, 200, 0},
		{"before begin returns", func(t *Ticket) bool { t.Settle(); return true }, Answered, 200, 0},
		{"from elsewhere", func(t *Ticket) bool { time.AfterFunc(3*time.Second, t.Settle); return true }, Answered, 200, 3 * time.Second},
		{"too late", func(t *Ticket) bool { time.AfterFunc(2*time.Minute, t.Settle); return true }, Left, 504, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w *waiter
			bubble(t, later(&w), Limits{}, func(t *testing.T, _ *Server, p *pipes) {
				w = newWaiting(c.begin)
				nc, r := p.dial()
				for range 3 { // the connection is as good as before
					began := time.Now()
					status, _ := ask(t, nc, r, request("1"))
					took := time.Since(began)
					if v := <-w.verdicts; v != c.verdict || status != c.status || took < c.after || took > c.after+2*tick {
						t.Errorf("verdict %d, status %d after %v; want %d, %d, %v", v, status, took, c.verdict, c.status, c.after)
					}
				}
				time.Sleep(3 * time.Minute) // what was late settles nothing
				_ = nc.Close()
			})
		})
	}
}

// A session that does not return loses its connection, which goes on.
func TestTaken(t *testing.T) {
	for _, c := range []struct {
		name   string
		settle time.Duration
		late   bool
		status int
		after  time.Duration
	}{
		{"with an answer", time.Second, false, 201, time.Second},
		{"without one", time.Hour, true, 504, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w *waiter
			bubble(t, later(&w), Limits{}, func(t *testing.T, _ *Server, p *pipes) {
				stuck, n := make(chan struct{}), new(atomic.Int32)
				w = newWaiting(func(t *Ticket) bool {
					if n.Add(1) == 2 {
						time.AfterFunc(c.settle, t.Settle)
						<-stuck
						return true
					}
					return false
				})
				nc, r := p.dial()
				ask(t, nc, r, request("1"))
				began := time.Now()
				status, _ := ask(t, nc, r, request("1")+request("1"))
				if took := time.Since(began); status != c.status || took < c.after || took > c.after+3*tick {
					t.Errorf("status %d after %v", status, took)
				}
				if late := <-w.resumed; late != c.late {
					t.Errorf("late is %t", late)
				}
				if status, _ := hear(t, r); status != 200 {
					t.Errorf("the request behind it: status %d", status)
				}
				close(stuck)
				for _, want := range []Verdict{Answered, Answered, Taken} {
					if v := <-w.verdicts; v != want {
						t.Errorf("verdict %d, want %d", v, want)
					}
				}
				if status, _ := ask(t, nc, r, request("1")); status != 200 {
					t.Errorf("afterwards: status %d", status)
				}
				time.Sleep(2 * time.Hour)
				_ = nc.Close()
			})
		})
	}
}

// A client that goes away while it is served is noticed.
func TestGone(t *testing.T) {
	var w *waiter
	bubble(t, later(&w), Limits{}, func(t *testing.T, _ *Server, p *pipes) {
		w = newWaiting(func(*Ticket) bool { return true })
		nc, _ := p.dial()
		if _, err := io.WriteString(nc, request("1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		began := time.Now()
		_ = nc.Close()
		if v := <-w.verdicts; v != Left || time.Since(began) > 2*tick {
			t.Errorf("verdict %d after %v", v, time.Since(began))
		}
	})
}

// Shutdown lets what is under way be answered, and no more.
func TestShutdown(t *testing.T) {
	var w *waiter
	bubble(t, later(&w), Limits{}, func(t *testing.T, s *Server, p *pipes) {
		w = newWaiting(func(t *Ticket) bool { time.AfterFunc(3*time.Second, t.Settle); return true })
		idleConn, idleR := p.dial()
		ask(t, idleConn, idleR, request("1"))
		busyConn, r := p.dial()
		if _, err := io.WriteString(busyConn, request("1")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(busyConn, request("1")); err != nil {
			t.Fatal(err) // while the first was served
		}
		began := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(short) }()
		if s := ended(t, idleR, 0); s != "" {
			t.Errorf("the idle one was told %q", s)
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
		go func() { done <- s.Shutdown(t.Context()) }()
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v %v", resp, err)
		}
		for range 2 {
			if resp.Close {
				break
			}
			if resp, err = http.ReadResponse(r, nil); err != nil {
				t.Fatal(err)
			}
		}
		_ = busyConn.Close()
		if err := <-done; err != nil || time.Since(began) > 7*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// A session that panics answers, and ends its connection only.
func TestPanic(t *testing.T) {
	h := handling{serve: func(c *Conn) bool {
		if c.Head().Query == "b" {
			panic("as the test wants it")
		}
		return echo(c)
	}}
	bubble(t, h, Limits{}, func(t *testing.T, _ *Server, p *pipes) {
		nc, r := p.dial()
		if status, _ := ask(t, nc, r, request("1")); status != 500 {
			t.Errorf("status %d", status)
		}
		ended(t, r, 0)
		_ = nc.Close()
		nc, r = p.dial()
		if status, _ := ask(t, nc, r, strings.Replace(request("1"), "?b", "", 1)); status != 200 {
			t.Errorf("status %d", status)
		}
		_ = nc.Close()
	})
}

// A large answer arrives whole, also when it is taken slowly.
func TestLargeAnswer(t *testing.T) {
	big := strings.Repeat("0123456789", 30_000)
	h := handling{serve: func(c *Conn) bool { c.Reply(200, []Field{{"A", "b"}}, []byte(big)); return true }}
	bubble(t, h, Limits{}, func(t *testing.T, _ *Server, p *pipes) {
		nc, _ := p.dial()
		r := bufio.NewReaderSize(slowly{nc}, 16)
		for range 2 {
			if status, body := ask(t, nc, r, request("")); status != 200 || body != big {
				t.Errorf("status %d, %d bytes", status, len(body))
			}
		}
		_ = nc.Close()
	})
}

type slowly struct{ net.Conn }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Conn.Read(b)
}

// Large bodies and answers have so much memory together. A body that finds no
// room is refused; and while there is none, who does not read its answer is cut
// off after a second, and not after half a minute. Small ones are not counted.
func TestSlowReadersHoldNoMemory(t *testing.T) {
	const size = 60_000
	bubble(t, handling{serve: echo}, Limits{Held: 100_000}, func(t *testing.T, s *Server, p *pipes) {
		big := func() string {
			return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n" + strings.Repeat("x", size)
		}
		slow, r := p.dial()
		go func() { _, _ = io.WriteString(slow, big()) }()
		synctest.Wait() // its answer waits to be read
		if n := s.held.Load(); n != 2*size {
			t.Errorf("%d bytes are held", n)
		}
		next, nr := p.dial()
		go func() { _, _ = io.WriteString(next, big()) }()
		if status, text := hear(t, nr); status != 400 || text != ErrFull.Error() {
			t.Errorf("no room: %d %s", status, text)
		}
		small, sr := p.dial()
		if status, text := ask(t, small, sr, request("small")); status != 200 || text != "small" {
			t.Errorf("a small one: %d %s", status, text)
		}
		time.Sleep(1500 * time.Millisecond)
		if _, err := io.Copy(io.Discard, r); s.held.Load() != 0 {
			t.Errorf("the slow one: %v, %d bytes are held", err, s.held.Load())
		}
		other, or := p.dial()
		go func() { _, _ = io.WriteString(other, big()) }()
		if status, text := hear(t, or); status != 200 || len(text) != size {
			t.Errorf("there is room again: %d and %d bytes", status, len(text))
		}
		synctest.Wait()
		if n := s.held.Load(); n != 0 {
			t.Errorf("%d bytes are held", n)
		}
	})
}
