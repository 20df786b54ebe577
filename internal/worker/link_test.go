package worker

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/situ-dev/situ/internal/turn"
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
