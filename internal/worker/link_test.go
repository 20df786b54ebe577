package worker

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/workproto"
)

// onClose is a connection that tells when it is closed.
type onClose struct {
	net.Conn
	f func()
}

func (c onClose) Close() error { c.f(); return nil }

// A link that fails holds no lock of its own when it ends the session: the
// session takes the locks of its links while it holds its own.
func TestDeliverHoldsNothing(t *testing.T) {
	l := &link{reports: make(chan *turn.Report, 1)}
	closed := false
	conn := workproto.NewConn(onClose{f: func() {
		closed = true
		if !l.mu.TryLock() {
			t.Error("the link is locked")
			return
		}
		l.mu.Unlock()
	}})
	l.conn = conn
	l.s = &session{control: conn, links: []*link{l}, over: make(chan struct{})}
	l.deliver(&turn.Report{})
	if closed {
		t.Error("a report for which there is room ended the session")
	}
	l.deliver(&turn.Report{})
	if !closed {
		t.Error("a report for which there is no room did not end the session")
	}
}

// noNode is a node of one shard that does nothing.
type noNode struct{}

func (noNode) Shards() int                                                  { return 1 }
func (noNode) Admit(*host.Manifest) error                                   { return nil }
func (noNode) SetHosts(func(wire.ShardID) shard.Host, *host.Manifest) error { return nil }
func (noNode) SetFunctions(shard.Functions)                                 {}

// A frame that finds its worker dead has reached nobody: what is in it has not
// been tried, and is not marked for quarantine.
func TestReached(t *testing.T) {
	pool, err := New(noNode{}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, c := range []struct {
		name string
		die  func(s *session, worker net.Conn) error
		want bool
	}{
		{"alive", func(*session, net.Conn) error { return nil }, true},
		{"dead, and nobody knows", func(_ *session, worker net.Conn) error { return worker.Close() }, false},
		{"dead, and it is known", func(s *session, _ net.Conn) error { close(s.over); return nil }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "w"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			worker, err := net.Dial("unix", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = worker.Close() }()
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			s := &session{pool: pool, over: make(chan struct{})}
			l, err := newLink(s, 0, workproto.NewConn(conn))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.die(s, worker); err != nil {
				t.Fatal(err)
			}
			env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Method: "f"}}
			l.Submit(&turn.Frame{Seq: 1, Tasks: []turn.Task{{Env: env}}})
			if got := l.Reached(1); got != c.want {
				t.Errorf("it has reached somebody: %v, want %v", got, c.want)
			}
			if l.Reached(2) {
				t.Error("a frame that was not submitted has reached somebody")
			}
			q := newQuarantine(pool)
			pool.quarantine = q
			l.end()
			if got := len(q.marks) > 0; got != c.want {
				t.Errorf("its message is marked: %v, want %v", got, c.want)
			}
		})
	}
}

// moody is a listener that says at first that there are no files left.
type moody struct {
	net.Listener
	moods int
}

func (m *moody) Accept() (net.Conn, error) {
	if m.moods > 0 {
		m.moods--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return m.Listener.Accept()
}

// A door stays open when the process has no files left for a while: without
// it no program could ever arrive again.
func TestDoorStaysOpen(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "w"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	d := &door{pool: p, ln: &moody{ln, 2}}
	over := make(chan struct{})
	go func() { d.serve(); close(over) }()
	c, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// The pool is closed, so that whoever is let in is sent away at once.
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes were read, %v", n, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	d.close()
	<-over
}
