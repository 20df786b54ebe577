package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// drain is how long answers are waited for at the end, and settle how long the
// connections of an open loop at the beginning.
const (
	drain  = 10 * time.Second
	settle = 5 * time.Second
)

// thread is connections, and the epoll that waits for them. One goroutine has
// it.
type thread struct {
	cfg      Config
	addr     syscall.SockaddrInet4
	prepared [][]byte
	rng      *rand.Rand
	epoll    int
	events   []syscall.EpollEvent
	conns    []*conn // by file descriptor
	all      []*conn
	free     []*conn // of an open loop: those that are connected and wait for nothing, longest first
	busy     int     // requests under way

	begin, from, until time.Time // the run; what is measured of it
	issued             float64   // requests of an open loop that were due

	status, others              [600]uint64 // others: of keys other than 0
	ok, beside, refused         histogram   // beside: of keys other than 0
	windows                     []window
	sent, missed, broken, wrong uint64
	turned                      uint64
	example                     string
	acked, unknown              []uint64
}

type window struct {
	ok      histogram
	refused uint64
}

func newThread(cfg Config, addr syscall.SockaddrInet4, prepared [][]byte, conns int, rng *rand.Rand) (*thread, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "load", "epoll", err)
	}
	t := &thread{cfg: cfg, addr: addr, prepared: prepared, rng: rng, epoll: epoll, events: make([]syscall.EpollEvent, 256),
		acked: make([]uint64, cfg.Keys), unknown: make([]uint64, cfg.Keys)}
	if cfg.Window > 0 {
		t.windows = make([]window, (cfg.Duration+cfg.Window-1)/cfg.Window)
	}
	for range conns {
		t.all = append(t.all, &conn{fd: -1})
	}
	return t, nil
}

// connect makes the connections of an open loop before it begins: what is due
// at once is not to be missed because of that.
func (t *thread) connect(ctx context.Context) error {
	t.until = time.Now().Add(settle)
	if err := t.dialAll(); err != nil {
		return err
	}
	for len(t.free) < len(t.all) && time.Now().Before(t.until) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := t.poll(20); err != nil {
			return err
		}
	}
	return nil
}

// dialAll begins to connect those that are not connected.
func (t *thread) dialAll() error {
	for _, c := range t.all {
		if c.state != gone {
			continue
		}
		if err := t.dial(c); err != nil {
			return fault.Wrap(fault.Unavailable, "load", t.cfg.Addr, err)
		}
	}
	return nil
}

// poll deals with what happens within so many milliseconds.
func (t *thread) poll(wait int) error {
	n, err := syscall.EpollWait(t.epoll, t.events, wait)
	if err != nil && err != syscall.EINTR {
		return fault.Wrap(fault.Internal, "load", "epoll", err)
	}
	for _, e := range t.events[:max(n, 0)] {
		if err := t.event(t.conns[e.Fd], e.Events); err != nil {
			return fault.Wrap(fault.Unavailable, "load", t.cfg.Addr, err)
		}
	}
	return nil
}

// run sends and receives until the time is over and the answers are there.
func (t *thread) run(ctx context.Context, begin time.Time) error {
	t.begin, t.from = begin, begin.Add(t.cfg.Warm)
	t.until = t.from.Add(t.cfg.Duration)
	if err := t.dialAll(); err != nil {
		return err
	}
	for now := time.Now(); now.Before(t.until) || t.busy > 0 && now.Before(t.until.Add(drain)); now = time.Now() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wait := 20 // milliseconds
		if t.cfg.Rate > 0 && now.Before(t.until) {
			t.issue(now)
			wait = 1
		}
		if err := t.poll(wait); err != nil {
			return err
		}
	}
	for _, c := range t.all {
		if c.state == waiting {
			t.unknown[c.key]++
		}
	}
	return nil
}

// issue sends the requests of an open loop that are due by now.
func (t *thread) issue(now time.Time) {
	rate := t.cfg.Rate / float64(t.cfg.Threads)
	due := rate * now.Sub(t.begin).Seconds()
	for ; t.issued+1 <= due; t.issued++ {
		if len(t.free) == 0 {
			all := due - t.issued
			t.missed += uint64(all)
			t.issued += float64(uint64(all))
			return
		}
		c := t.free[0] // each has its turn: none is idle for so long that it is closed
		t.free = t.free[1:]
		t.send(c, t.begin.Add(time.Duration((t.issued+1)/rate*float64(time.Second))))
	}
}

// idle is called for a connection that can take a request.
func (t *thread) idle(c *conn, now time.Time) {
	c.state = ready
	switch {
	case t.cfg.Rate > 0:
		t.free = append(t.free, c)
	case now.Before(t.until):
		t.send(c, now)
	}
}

// send sends the next request on c, which was due then.
func (t *thread) send(c *conn, due time.Time) {
	c.key = 0
	if t.cfg.Keys > 1 && (t.cfg.Hot == 0 || t.rng.Float64() >= t.cfg.Hot) {
		c.key = t.rng.IntN(t.cfg.Keys)
	}
	b := t.prepared[c.key]
	c.state, c.sent, c.have = waiting, due, 0
	t.busy++
	t.sent++
	// The buffer of a socket on which nothing is under way takes a request of
	// some hundred bytes whole. What does not is found as a broken connection.
	if n, err := syscall.Write(c.fd, b); n != len(b) || err != nil {
		t.lost(c)
	}
}

// answered is called for a whole answer on c, with its body.
func (t *thread) answered(c *conn, status int, body []byte, now time.Time) {
	t.busy--
	took := now.Sub(c.sent)
	measured := !now.Before(t.from) && now.Before(t.until)
	var w *window
	if measured {
		t.status[status]++
		if c.key != 0 {
			t.others[status]++
		}
		if t.windows != nil {
			w = &t.windows[now.Sub(t.from)/t.cfg.Window]
		}
	}
	switch status {
	case 200:
		t.acked[c.key]++
		if !t.wanted(body) {
			t.bad("the body %q", body)
		}
		if measured {
			t.ok.record(took)
			if c.key != 0 {
				t.beside.record(took)
			}
		}
		if w != nil {
			w.ok.record(took)
		}
	case 429, 503:
		if measured {
			t.refused.record(took)
		}
		if w != nil {
			w.refused++
		}
	default:
		t.unknown[c.key]++
		if status != 504 {
			t.bad("status %d with the body %q", status, body)
		}
	}
}

// wanted reports whether body is what was wanted.
func (t *thread) wanted(body []byte) bool {
	if t.cfg.Want != "" {
		return string(body) == t.cfg.Want
	}
	for _, d := range body {
		if (d < '0' || d > '9') && d != '\n' {
			return false
		}
	}
	return len(body) > 0
}

func (t *thread) bad(format string, args ...any) {
	t.wrong++
	if t.example == "" {
		t.example = fmt.Sprintf(format, args...)
		t.example = t.example[:min(len(t.example), 300)]
	}
}

func (t *thread) close() {
	for _, c := range t.all {
		if c.state != gone {
			_ = syscall.Close(c.fd) // nothing is under way
		}
	}
	_ = syscall.Close(t.epoll)
}
