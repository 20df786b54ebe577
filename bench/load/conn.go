package load

import (
	"bytes"
	"net/netip"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// conn is a connection with at most one request under way.
type conn struct {
	fd    int // -1 is none
	state state
	key   int       // of the request under way
	sent  time.Time // when it was, or was to be
	have  int       // bytes of its answer in buf
	buf   []byte
}

type state uint8

const (
	gone state = iota
	connecting
	ready
	waiting // for an answer
)

// maxAnswer is more than any answer that is expected.
const maxAnswer = 64 << 10

func parseAddr(s string) (a syscall.SockaddrInet4, err error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil || !ap.Addr().Is4() {
		return a, fault.New(fault.Invalid, "load", s, "want an IPv4 address and a port")
	}
	return syscall.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}, nil
}

// dial begins to connect c.
func (t *thread) dial(c *conn) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) // only for speed
	err = syscall.Connect(fd, &t.addr)
	if err != nil && err != syscall.EINPROGRESS {
		_ = syscall.Close(fd) // the first error is told
		return err
	}
	c.fd, c.state, c.have = fd, connecting, 0
	if c.buf == nil {
		c.buf = make([]byte, 2048)
	}
	for len(t.conns) <= fd {
		t.conns = append(t.conns, nil)
	}
	t.conns[fd] = c
	return syscall.EpollCtl(t.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT, Fd: int32(fd)})
}

// event deals with what epoll says of c. The error is that nobody listens.
func (t *thread) event(c *conn, what uint32) error {
	switch {
	case c == nil || c.state == gone:
		return nil
	case c.state == connecting:
		if code, err := syscall.GetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || code != 0 {
			return syscall.Errno(code)
		}
		err := syscall.EpollCtl(t.epoll, syscall.EPOLL_CTL_MOD, c.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.fd)})
		t.idle(c, time.Now())
		return err
	case what&(syscall.EPOLLIN|syscall.EPOLLHUP|syscall.EPOLLERR) != 0:
		return t.read(c)
	}
	return nil
}

// read reads what has arrived on c.
func (t *thread) read(c *conn) error {
	n, err := syscall.Read(c.fd, c.buf[c.have:])
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return nil
	}
	if n <= 0 {
		return t.ended(c)
	}
	c.have += n
	status, body, size := parse(c.buf[:c.have])
	if c.state != waiting {
		if status == 503 { // there are too many connections
			t.turned++
		} else {
			t.bad("bytes that nobody asked for: %q", c.buf[:c.have])
		}
		return t.ended(c)
	}
	switch {
	case status < 0 || size > maxAnswer || status > 0 && c.have > size:
		t.bad("the answer %q", c.buf[:c.have])
		return t.ended(c)
	case size > len(c.buf), c.have == len(c.buf):
		c.buf = append(make([]byte, 0, 2*max(size, len(c.buf))), c.buf[:c.have]...)
		c.buf = c.buf[:cap(c.buf)]
	}
	if status > 0 && c.have == size {
		now := time.Now()
		t.answered(c, status, body, now)
		last := bytes.Contains(c.buf[:size-len(body)], lastAnswer)
		c.have = 0
		if last {
			c.state = ready // nothing is under way
			return t.ended(c)
		}
		t.idle(c, now)
	}
	return nil
}

// ended deals with a connection that the other end has closed, and makes
// another in its place while there is time.
func (t *thread) ended(c *conn) error {
	if c.state == waiting {
		t.lost(c)
	}
	for i, f := range t.free {
		if f == c {
			t.free = append(t.free[:i], t.free[i+1:]...)
			break
		}
	}
	t.conns[c.fd] = nil
	_ = syscall.Close(c.fd) // it is over
	c.fd, c.state = -1, gone
	if time.Now().After(t.until) {
		return nil
	}
	return t.dial(c)
}

// lost counts the request under way on c as one whose outcome is not known.
// That the connection has ended is found by reading.
func (t *thread) lost(c *conn) {
	t.busy--
	t.broken++
	t.unknown[c.key]++
	c.state = ready
}

// parse reads the answer in b. Status is 0 if more is needed, and -1 if b is
// no answer; size is the length of the whole answer if its head is there.
func parse(b []byte) (status int, body []byte, size int) {
	const least = len("HTTP/1.1 200")
	if len(b) < least {
		return 0, nil, 0
	}
	if string(b[:9]) != "HTTP/1.1 " {
		return -1, nil, 0
	}
	for _, d := range b[9:least] {
		if d < '0' || d > '9' {
			return -1, nil, 0
		}
		status = status*10 + int(d-'0')
	}
	end := bytes.Index(b, crlf2)
	switch {
	case end < 0 && len(b) > maxAnswer, status < 200 || status > 599:
		return -1, nil, 0
	case end < 0:
		return 0, nil, 0
	}
	length := contentLength(b[:end+2])
	if length < 0 {
		return -1, nil, 0
	}
	size = end + len(crlf2) + length
	if len(b) < size {
		return 0, nil, size
	}
	return status, b[end+len(crlf2) : size], size
}

var (
	crlf2      = []byte("\r\n\r\n")
	lastAnswer = []byte("\r\nConnection: close\r\n") // as net/http and the door write it
)

// contentLength returns what a head says that the length of the body is, -1 if
// it does not.
func contentLength(head []byte) (n int) {
	const name = "content-length: "
	for {
		i := bytes.IndexByte(head, '\n')
		if i < 0 {
			return -1
		}
		head = head[i+1:]
		if len(head) > len(name) && head[0]|0x20 == 'c' && bytes.EqualFold(head[:len(name)], []byte(name)) {
			break
		}
	}
	for _, d := range head[len(name):] {
		if d < '0' || d > '9' {
			return n
		}
		if n = n*10 + int(d-'0'); n > maxAnswer {
			return -1
		}
	}
	return n
}
