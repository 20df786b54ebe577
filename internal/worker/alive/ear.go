package alive

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// An Ear is a connection from a worker that knows whether something that was
// sent has not been taken up here: on a machine with too much to do, an answer
// may lie here for longer than a worker is waited for. Reading is for one
// goroutine.
type Ear struct {
	net.Conn
	raw   syscall.RawConn // nil if the kernel cannot be asked
	waits atomic.Bool     // the reader has dealt with all that it has read
}

// NewEar returns c as an Ear.
func NewEar(c net.Conn) *Ear {
	e := &Ear{Conn: c}
	e.raw, _ = e.SyscallConn() // of one that is none, nothing is asked
	return e
}

// SyscallConn is the connection's, for whoever writes past it.
func (e *Ear) SyscallConn() (syscall.RawConn, error) {
	if s, ok := e.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// Read reads as the connection does. Whoever reads again has dealt with what he
// read before.
func (e *Ear) Read(b []byte) (int, error) {
	e.waits.Store(true)
	n, err := e.Conn.Read(b)
	e.waits.Store(false)
	return n, err
}

// unread reports whether something lies here that was not dealt with.
func (e *Ear) unread() bool {
	if !e.waits.Load() {
		return true
	}
	n := 0
	if e.raw != nil {
		_ = e.raw.Control(func(fd uintptr) { // one that is closed has nothing
			n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) // how much can be read
		})
	}
	return n > 0
}

// Unread reports whether something lies at c that was sent and was not dealt
// with. Of connections that are no Ear nothing is known: false.
func Unread(c net.Conn) bool {
	e, ok := c.(*Ear)
	return ok && e.unread()
}
