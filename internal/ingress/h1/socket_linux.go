package h1

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// socket reads and writes the socket of a connection without telling Go's
// scheduler of the system calls. It never waits in one, because the socket
// does not block, so its processor need not be given to another goroutine;
// what the scheduler does for that costs more than a look at an empty socket,
// and it takes processors away from calls that the kernel merely lets rest.
// Who has the connection uses it, one call at a time.
type socket struct {
	raw         syscall.RawConn
	b           []byte // to fill, or what is left to write
	n           int    // bytes read
	errno       syscall.Errno
	read, write func(fd uintptr) bool // made once
}

// newSocket returns nc if it is not a socket and nothing else.
func newSocket(nc net.Conn) io.ReadWriter {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nc
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	s := &socket{raw: raw}
	s.read, s.write = s.readNow, s.writeNow
	return s
}

// readNow reads once. It returns false to be called again when there is
// something.
func (s *socket) readNow(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&s.b[0])), uintptr(len(s.b)))
		switch errno {
		case syscall.EINTR:
			continue
		case 0:
			s.n = int(n)
		}
		s.errno = errno
		return errno != syscall.EAGAIN
	}
}

// writeNow writes what there is room for. It returns false to be called again
// when there is more.
func (s *socket) writeNow(fd uintptr) bool {
	for len(s.b) > 0 {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&s.b[0])), uintptr(len(s.b)))
		switch errno {
		case 0:
			s.b = s.b[n:]
		case syscall.EINTR:
		default:
			s.errno = errno
			return errno != syscall.EAGAIN
		}
	}
	s.errno = 0
	return true
}

// Read is that of net.Conn; b is not empty.
func (s *socket) Read(b []byte) (int, error) {
	s.b, s.n = b, 0
	err := s.raw.Read(s.read)
	s.b = nil
	switch {
	case err != nil:
		return 0, err
	case s.errno != 0:
		return 0, s.errno
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// Write is that of net.Conn.
func (s *socket) Write(b []byte) (int, error) {
	s.b = b
	err := s.raw.Write(s.write)
	n := len(b) - len(s.b)
	s.b = nil
	if err == nil && s.errno != 0 {
		err = s.errno
	}
	return n, err
}
