package h1

import (
	"bufio"
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// caller is the client's end of a connection.
type caller struct {
	net.Conn
	r *bufio.Reader
}

// queueing returns a server that is packed, whatever its connections do, and
// what connects to it. Nobody looks at them from time to time.
func queueing(t *testing.T, serve func(*Conn) bool) (*Server, func() caller) {
	twoProcessors(t)
	s := &Server{Handler: handling{serve: serve}}
	s.open()
	s.packed.Store(true)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = ln.Close() // nothing was written to it
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if s.queue.length != 0 || s.queue.walking != 0 || s.queue.ushered {
			t.Errorf("at the end: %+v", &s.queue)
		}
	})
	return s, func() caller {
		c, err := net.Dial("tcp4", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		there, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s.accept(there)
		t.Cleanup(func() { _ = c.Close() }) // nothing is under way
		return caller{c, bufio.NewReader(c)}
	}
}

// twoProcessors makes a test need as many connections on every machine.
func twoProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(2)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// Every connection of a queue is served, with its own answers, and no more
// goroutines walk than may.
func TestQueue(t *testing.T) {
	s, dial := queueing(t, echo)
	most := walkers * runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	var walked atomic.Int64
	for i := range most + 20 {
		c := dial()
		group.Go(func() {
			for n := range 20 {
				body := string(rune('a' + (i+n)%26))
				if status, got := ask(t, c.Conn, c.r, request(body)); status != 200 || got != body {
					t.Errorf("%d, %q: want %q", status, got, body)
				}
				s.queue.mu.Lock()
				walking := s.queue.walking
				s.queue.mu.Unlock()
				if walked.Add(int64(walking)); walking > most {
					t.Errorf("%d goroutines walk", walking)
				}
			}
			_ = c.Close() // in the queue, or about to be
		})
	}
	group.Wait()
	if walked.Load() == 0 {
		t.Error("nobody ever went on with another connection")
	}
}

// Many connections that come at once queue without a look at them.
func TestQueueOfNewConnections(t *testing.T) {
	s, dial := queueing(t, echo)
	s.packed.Store(false)
	for i := range packed * 2 {
		dial()
		if got, want := s.packed.Load(), i+1 >= packed*2; got != want {
			t.Fatalf("%d connections on two processors: packed is %v", i+1, got)
		}
	}
}

// Requests that came together are answered in their order, and one that comes
// in pieces waits for its rest alone.
func TestQueuedRequests(t *testing.T) {
	_, dial := queueing(t, echo)
	c, other := dial(), dial()
	for range 3 {
		ask(t, other.Conn, other.r, request("o"))
		if _, err := c.Write([]byte(request("1") + request("2") + request("3")[:20])); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"1", "2"} {
			if status, got := hear(t, c.r); status != 200 || got != want {
				t.Fatalf("%d, %q: want %q", status, got, want)
			}
		}
		ask(t, other.Conn, other.r, request("o"))
		if _, err := c.Write([]byte(request("3")[20:])); err != nil {
			t.Fatal(err)
		}
		if status, got := hear(t, c.r); status != 200 || got != "3" {
			t.Fatalf("%d, %q: want 3", status, got)
		}
	}
}

// Twice as many calls as may walk wait for something, and all of them begin,
// though each comes when its connection has just been answered.
func TestQueueBehindSlowCalls(t *testing.T) {
	began, free := make(chan struct{}), make(chan struct{})
	s, dial := queueing(t, func(c *Conn) bool {
		b, _ := c.Body(10)
		if string(b) == "s" {
			began <- struct{}{}
			<-free
		}
		c.Reply(200, nil, b)
		return true
	})
	slow := make([]caller, 2*walkers*runtime.GOMAXPROCS(0))
	for i := range slow {
		slow[i] = dial()
	}
	for range 3 {
		for _, c := range slow {
			if _, err := c.Write([]byte(request("q") + request("s"))); err != nil {
				t.Fatal(err)
			}
		}
		late := time.After(20 * time.Second)
		for i := range slow {
			select {
			case <-began:
			case <-late:
				t.Errorf("only %d of %d calls began", i, len(slow))
				close(free)
				return
			}
		}
		for range slow {
			free <- struct{}{}
		}
		for _, c := range slow {
			for _, want := range []string{"q", "s"} {
				if status, got := hear(t, c.r); status != 200 || got != want {
					t.Fatalf("%d, %q: want %q", status, got, want)
				}
			}
		}
	}
	// When there are few again, each has its goroutine, and nobody walks.
	s.packed.Store(false)
	for range 2 {
		for _, c := range slow {
			ask(t, c.Conn, c.r, request("x"))
		}
	}
}
