package h1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Session answers the requests of one connection, one after another.
type Session interface {
	// Serve answers the request that the connection has, with Reply. It
	// returns false if the exchange was taken from it (see Ticket): then it
	// touches the connection no more.
	Serve() bool
	// Resume answers, with Reply, a request whose exchange was taken from
	// Serve: with the answer that settled the ticket, or, if late, with none.
	Resume(late bool)
	// Refuse answers, with Reply, what was no request, or came too late.
	Refuse(status int, why string)
}

// Conn is a connection and, while its session serves it, the exchange of a
// request and its answer. It is the context of the exchange: done when the
// client has gone or the time for the answer is over.
type Conn struct {
	s       *Server
	nc      net.Conn
	rw      io.ReadWriter // of nc, for who has the connection; no watcher
	session Session

	buf    []byte // what was read: buf[r:w] is to be taken
	r, w   int
	out    []byte
	head   Head
	heard  string       // what head was read from, if it is short: the next may be the same
	unread int64        // of the body, as its length was announced; 0 when it was read
	last   bool         // no request after this one
	sent   bool         // the answer to this one
	used   bool         // there was a request before
	held   atomic.Int64 // bytes of a large body or answer

	mark   atomic.Uint64 // the step that the connection is at, and since when
	limit  atomic.Int64  // how long the answer may take, in milliseconds
	ticket atomic.Pointer[Ticket]

	peeker *peeker // nil if it cannot queue
	behind *Conn   // in the queue, which has it

	watched chan struct{} // closed when the watcher has ended
	mu      sync.Mutex
	done    chan struct{}
	err     error // why it is done
}

var _ context.Context = (*Conn)(nil)

// The steps. The server looks at a connection from time to time, and interrupts
// a step that takes too long.
const (
	idle = iota
	inHead
	inBody
	busy     // in the session
	awaiting // the same, and the request is read: who goes away now is noticed
	writing
	closing
	queued // it was answered, and has no goroutine
)

// A mark is a step, what the server does about it, and since when it lasts in
// milliseconds of the server's clock.
const (
	markWatched  = 1 << 60 // a watcher reads
	markCanceled = 1 << 61 // the context is being cancelled: the time is over
	markSince    = 1<<48 - 1
)

func newConn(s *Server, nc net.Conn) *Conn {
	c := &Conn{s: s, nc: nc, rw: newSocket(nc), buf: make([]byte, 4<<10), done: make(chan struct{}), peeker: newPeeker(nc)}
	c.enter(inHead)
	c.session = s.Handler.Session(c)
	return c
}

// enter begins a step, and ends what the server did about the one before.
func (c *Conn) enter(step uint64) {
	old := c.mark.Swap(step<<48 | uint64(c.s.clock.Load()))
	if old&(markWatched|markCanceled) == 0 {
		return
	}
	if old&markWatched != 0 {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // closed is as good
		<-c.watched
		_ = c.nc.SetReadDeadline(time.Time{})
	}
	if old&markCanceled != 0 {
		<-c.done
		c.mu.Lock()
		if errors.Is(c.err, context.DeadlineExceeded) {
			c.done, c.err = make(chan struct{}), nil
		}
		c.mu.Unlock()
	}
}

// Head returns the head of the request. It is valid during the exchange; its
// strings are for ever.
func (c *Conn) Head() *Head { return &c.head }

// Within says how long the answer may take from now. The body must have been
// read, because from now on it is noticed when the client goes away.
func (c *Conn) Within(d time.Duration) {
	c.limit.Store(d.Milliseconds())
	c.enter(awaiting)
}

// Hold says that the exchange may be taken from the goroutine of the session
// by t, until t.Wait returns.
func (c *Conn) Hold(t *Ticket) {
	t.Begin()
	c.ticket.Store(t)
}

// Release ends Hold.
func (c *Conn) Release() { c.ticket.Store(nil) }

// Deadline implements context.Context: it says nothing.
func (c *Conn) Deadline() (deadline time.Time, ok bool) { return deadline, false }

// Done implements context.Context.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err implements context.Context.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Value implements context.Context: there are none.
func (c *Conn) Value(any) any { return nil }

func (c *Conn) cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
}

// run serves the connection, and in a packed server others after it, until one
// ends or waits for its next request with a goroutine of its own, or until the
// exchange is taken from this goroutine.
func (c *Conn) run() {
	for walks := false; c != nil; {
		s := c.s
		err := c.next()
		if err == nil {
			if !c.serve() { // c is another's now
				if walks {
					s.queue.leave(s)
				}
				return
			}
			err = c.finish()
		}
		if err == nil && c.queues() {
			c = s.queue.swap(c, walks)
			walks = c != nil
			continue
		}
		if walks {
			walks = false
			s.queue.leave(s)
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// queues reports whether the connection is to let others go first before its
// next request is looked for.
func (c *Conn) queues() bool {
	return c.peeker != nil && c.s.packed.Load() && !c.s.stopping.Load()
}

// resume goes on with an exchange that was taken from its goroutine.
func (c *Conn) resume(late bool) {
	c.guard(func() { c.session.Resume(late) })
	if err := c.finish(); err != nil {
		c.end(err)
		return
	}
	c.run()
}

// serve has the session answer.
func (c *Conn) serve() (kept bool) {
	kept = true
	c.guard(func() { kept = c.session.Serve() })
	return kept
}

// guard runs f, and answers for it if it panics.
func (c *Conn) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.s.crashed(v)
			c.last = true
			if !c.sent {
				c.session.Refuse(http.StatusInternalServerError, "the platform made a mistake")
			}
		}
	}()
	f()
}

// skippable reports whether what is left of the body is short and will come.
func (c *Conn) skippable() bool {
	return c.unread == 0 || c.unread > 0 && c.unread <= smallBody && !c.head.expects
}

var errEnd = errors.New("the connection ends in peace")

// finish ends an exchange: what is left of its body is skipped if that is
// cheap.
func (c *Conn) finish() error {
	c.letGo()
	if c.last {
		return errEnd
	}
	if c.unread > int64(c.w-c.r) {
		c.enter(inBody)
	}
	for c.unread > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return err
			}
		}
		n := min(c.unread, int64(c.w-c.r))
		c.r += int(n)
		c.unread -= n
	}
	if cap(c.out) > 2*smallBody {
		c.out = nil
	}
	return nil
}

// next reads the head of the next request.
func (c *Conn) next() error {
	c.sent, c.last, c.unread = false, false, 0
	err := c.listen()
	if err != nil { // what it is answered is not for the request before
		c.head, c.heard = Head{}, ""
	}
	return err
}

// listen reads until there is a head.
func (c *Conn) listen() error {
	c.rewind()
	step := uint64(idle)
	if !c.used { // who connects has something to say
		c.used, step = true, inHead
	}
	for seen := 0; ; {
		if c.r < c.w {
			if n := bytes.Index(c.buf[c.r+seen:c.w], headEnd); n >= 0 {
				end := c.r + seen + n + len(headEnd)
				if end-c.r > c.s.limits.Head {
					return c.tooLong()
				}
				return c.begin(end)
			}
			if err := c.hopeless(seen); err != nil {
				return err
			}
		}
		if seen = max(c.w-c.r-3, 0); c.w > c.r {
			step = inHead
		}
		if c.mark.Load()>>48&0xf != step {
			c.enter(step)
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// rewind makes room for the next request. Nobody has the last one's bytes.
func (c *Conn) rewind() {
	if c.r == c.w {
		c.r, c.w = 0, 0
		if len(c.buf) > 8<<10 {
			c.buf = make([]byte, 4<<10)
		}
	}
}

// hopeless finds what cannot become a head any more, beginning after what was
// looked at before.
func (c *Conn) hopeless(seen int) error {
	head := c.buf[c.r:c.w]
	for i := seen; ; i++ {
		n := bytes.IndexByte(head[i:], '\n')
		if n < 0 {
			break
		}
		if i += n; i == 0 || head[i-1] != '\r' {
			return bad("a line does not end with CR LF")
		}
	}
	if len(head) > 0 && sorts[head[0]]&ofToken == 0 {
		return bad("that is not HTTP/1.1")
	}
	if len(head) >= c.s.limits.Head {
		return c.tooLong()
	}
	return nil
}

func (c *Conn) tooLong() error {
	return &Refusal{http.StatusRequestHeaderFieldsTooLarge, "the header has more than " + strconv.Itoa(c.s.limits.Head) + " bytes"}
}

// memorable is how long a head may be to be known again. Clients that make one
// call after another mostly send the same.
const memorable = 1 << 10

// begin takes the head that ends at end.
func (c *Conn) begin(end int) error {
	raw := c.buf[c.r:end]
	c.r = end
	if c.heard != "" && string(raw) == c.heard {
		c.head.Again = true
	} else {
		head := string(raw)
		c.heard = ""
		if err := parseHead(head, &c.head); err != nil {
			return err
		}
		if len(head) <= memorable {
			c.heard = head
		}
	}
	c.last, c.unread = c.head.last, c.head.Length
	c.limit.Store(c.s.limits.Answer.Milliseconds())
	c.enter(busy)
	return nil
}

// fill reads more, once.
func (c *Conn) fill() error {
	if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
	}
	for {
		n, err := c.rw.Read(c.buf[c.w:])
		if c.w += n; n > 0 {
			return nil
		}
		switch {
		case err == nil:
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return early(err)
		case c.expired():
			return errLate
		case c.s.stopping.Load() && c.mark.Load()>>48&0xf == idle:
			return errEnd
		default: // a late interruption, of the step before
			_ = c.nc.SetReadDeadline(time.Time{})
		}
	}
}

// expired reports whether the step has taken too long.
func (c *Conn) expired() bool {
	m := c.mark.Load()
	step, took := m>>48&0xf, time.Duration(uint64(c.s.clock.Load())-m&markSince)*time.Millisecond
	return c.s.expired(step, took) || c.presses(step, took)
}

// end answers what was no request, and closes the connection so that the
// client reads the answer.
func (c *Conn) end(why error) {
	defer c.s.forget(c)
	c.letGo()
	var r *Refusal
	if errors.As(why, &r) && !c.sent && (r != errLate || c.w > c.r) {
		c.last, c.unread = true, -1
		c.session.Refuse(r.Status, r.Why)
	}
	c.enter(closing)
	if tcp, ok := c.nc.(interface{ CloseWrite() error }); ok && (c.unread != 0 || c.r < c.w) && tcp.CloseWrite() == nil {
		// Closed with something unread, the client might lose the answer.
		_ = c.nc.SetReadDeadline(time.Now().Add(c.s.limits.Linger))
		_, _ = io.CopyN(io.Discard, c.nc, 1<<20)
	}
	_ = c.nc.Close() // all that matters was written
	c.cancel(context.Canceled)
}
