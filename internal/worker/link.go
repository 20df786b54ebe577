package worker

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker/alive"
	"github.com/situ-dev/situ/internal/worker/check"
	"github.com/situ-dev/situ/internal/workproto"
)

// link is the host of one shard: a connection to the worker. The shard calls
// Submit; one goroutine reads reports, another writes what the socket did not
// take at once.
type link struct {
	s       *session
	id      wire.ShardID
	conn    *workproto.Conn
	raw     syscall.RawConn
	check   check.Checker
	reports chan *turn.Report
	rest    chan []byte  // for writeRest
	unsaid  atomic.Int32 // messages in its hands
	buf     []byte       // of Submit
	drops   []turn.Slot  // of frames of which nothing went to the worker

	mu      sync.Mutex
	closed  bool // reports is
	open    map[uint64]*flight
	current uint64 // the frame that is not reported, 0 for none
	claimed uint64 // a frame of which the worker says that it was reported
	claims  int    // how often, in a row
}

const mostUnsaid = 34 // messages that may wait for a worker which does not read

var _ shard.Host = (*link)(nil)

// flight is a frame of which results are to come.
type flight struct {
	frame *turn.Frame
	at    time.Time
	sent  int  // tasks that went to the worker; the others are given back
	lost  bool // it found the worker dead
	apart int  // detached tasks without a result
	state []bool
}

// part returns the frame as it goes to the worker.
func (fl *flight) part() *turn.Frame {
	if fl.sent == len(fl.frame.Tasks) {
		return fl.frame
	}
	part := *fl.frame
	part.Tasks = part.Tasks[:fl.sent]
	return &part
}

func newLink(s *session, id wire.ShardID, c *workproto.Conn) (*link, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, fault.New(fault.Internal, "worker.link", id.String(), "not a socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "worker.link", id.String(), err)
	}
	c.Limit(s.pool.cfg.maxFrame())
	return &link{s: s, id: id, conn: c, raw: raw, check: check.Checker{Shards: s.pool.node.Shards(), MaxState: s.pool.cfg.Run.MaxState},
		reports: make(chan *turn.Report, 64), rest: make(chan []byte, mostUnsaid), open: map[uint64]*flight{}}, nil
}

// Reports implements shard.Host.
func (l *link) Reports() <-chan *turn.Report { return l.reports }

// Submit implements shard.Host. It never blocks: what the socket does not take
// at once is written by another goroutine.
func (l *link) Submit(f *turn.Frame) {
	fl := &flight{frame: f, at: time.Now(), sent: len(f.Tasks)}
	if len(l.drops) > 0 {
		f.Drop, l.drops = append(l.drops, f.Drop...), nil
	}
	if poison := l.s.poisoned(f); poison == 0 {
		l.drops = f.Drop
		l.isolate(f)
		return
	} else if poison > 0 {
		fl.sent = poison
	}
	buf, big := workproto.AppendTasks(l.buf[:0], fl.part(), l.s.pool.cfg.maxFrame())
	if big >= 0 {
		// What comes before the task that is too long goes; the rest is given
		// back, so that the task is at the front of a frame soon.
		fl.sent = big
		buf, _ = workproto.AppendTasks(l.buf[:0], fl.part(), l.s.pool.cfg.maxFrame())
		if big == 0 {
			l.drops = f.Drop
			l.refuse(fl)
			return
		}
	}
	l.send(fl, buf)
}

// Cancel implements shard.Host. A worker that does not read is not told.
func (l *link) Cancel(frame uint64, task int) {
	if l.unsaid.Load() < mostUnsaid-2 { // room for frames
		l.write((&workproto.Cancel{Frame: frame, Index: task}).Message())
	}
}

// send gives a frame, which buf has encoded, to the worker.
func (l *link) send(fl *flight, buf []byte) {
	l.mu.Lock()
	l.current, l.open[fl.frame.Seq] = fl.frame.Seq, fl
	l.mu.Unlock()
	if !l.write(buf) {
		l.mu.Lock()
		fl.lost = true
		l.mu.Unlock()
	}
}

// refuse answers for a frame whose first task no message can hold.
func (l *link) refuse(fl *flight) {
	task := &fl.frame.Tasks[0]
	rep := &turn.Report{Frame: fl.frame.Seq, Results: []turn.Result{{Outcome: turn.Done, Unloaded: task.Load != nil,
		Fail: wire.FailureOf(fault.New(fault.TooLarge, "run", task.Env.To.String(),
			"its input and the state of its object do not fit a message of %d bytes to the worker", l.s.pool.cfg.maxFrame()))}}}
	fl.sent = 1
	fl.giveBack(rep)
	l.deliver(rep)
}

// deliver brings a report to the shard that the worker did not make. It does
// not block.
func (l *link) deliver(rep *turn.Report) {
	if !l.offer(rep) { // without the lock: the session takes it under its own
		l.s.fail(fault.New(fault.Internal, "worker.submit", l.id.String(), "reports are not read"))
	}
}

// offer returns false if there is no room for a report that somebody may read.
func (l *link) offer(rep *turn.Report) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return true
	}
	select {
	case l.reports <- rep:
		return true
	default:
		return false
	}
}

// giveBack adds the results of the tasks that were not sent.
func (fl *flight) giveBack(rep *turn.Report) {
	for i := fl.sent; i < len(fl.frame.Tasks); i++ {
		rep.Results = append(rep.Results, turn.Result{Index: i, Outcome: turn.Skipped, Unloaded: fl.frame.Tasks[i].Load != nil})
	}
}

// write hands a message to the socket. It returns false if the worker gets
// nothing of it.
func (l *link) write(buf []byte) bool {
	if isClosed(l.s.over) {
		return false // reports tell
	}
	n, dead := 0, false
	if l.unsaid.Load() == 0 {
		err := l.raw.Write(func(fd uintptr) bool {
			var err error
			n, err = syscall.Write(int(fd), buf) // an error is found again by writeRest
			dead = errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
			return true
		})
		if n = max(n, 0); err != nil {
			return false // closed: reports tell
		}
		if n == len(buf) {
			if l.buf = buf; cap(buf) > 4*workproto.PartSize {
				l.buf = nil
			}
			return true
		}
	}
	l.buf = nil
	l.unsaid.Add(1)
	select {
	case l.rest <- buf[n:]:
	default:
		l.s.fail(fault.New(fault.Corrupt, "worker", l.id.String(), "it reports frames that it has not read"))
	}
	return !dead
}

// writeRest writes what Submit left, until the session is over.
func (l *link) writeRest() {
	for {
		select {
		case b := <-l.rest:
			if _, err := l.conn.Write(b); err != nil {
				l.s.gone(err)
				return
			}
			l.unsaid.Add(-1)
		case <-l.s.over:
			return
		}
	}
}

// end tells the shard that nothing more will come, and why. What ran may be
// what ended the worker.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq, fl := range l.open {
		for i := range fl.sent {
			if env := fl.frame.Tasks[i].Env; env != nil && (seq == l.current && !fl.lost || fl.state != nil && fl.state[i]) {
				l.s.pool.quarantine.mark(env, false)
			}
		}
	}
	l.closed = true
	close(l.reports)
}

// Why returns what ended the worker, when Reports is closed.
func (l *link) Why() error { return l.s.reason() }

// Reached reports whether the worker may have got a frame that is not reported.
func (l *link) Reached(frame uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	fl := l.open[frame]
	return fl != nil && !fl.lost
}

// overdue returns an error if a report is due that did not come.
func (l *link) overdue(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq, fl := range l.open {
		bound := l.s.bounds.late
		if seq == l.current {
			bound = l.s.bounds.frame
		} else if l.s.pool.cfg.Run.Timeout < 0 {
			continue
		}
		if now.Sub(fl.at) > bound {
			return l.missing(fl, now)
		}
	}
	return nil
}

// busy reports whether the worker has something of this link to do.
func (l *link) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) > 0
}

// apart reports whether tasks run on that are detached.
func (l *link) apart() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fl := range l.open {
		if fl.apart > 0 {
			return true
		}
	}
	return false
}

// read delivers reports until the connection ends, and returns why.
func (l *link) read() error {
	for rep := (*turn.Report)(nil); ; {
		t, body, err := l.conn.Next()
		if err != nil {
			return err
		}
		if t != workproto.TypeReport {
			return fault.New(fault.Corrupt, "worker", l.id.String(), "a message of %v where reports are due", t)
		}
		if rep == nil {
			rep = &turn.Report{}
		}
		last, err := workproto.DecodeReport(rep, body)
		if err != nil {
			return err
		}
		if err := l.accept(rep, last); err != nil {
			return err
		}
		if rep.Late {
			l.s.tire()
		}
		if last {
			select {
			case l.reports <- rep:
			case <-l.s.retired:
			case <-l.s.over:
			}
			rep = nil
		}
	}
}

// accept checks a report, and, when it is complete, settles its flight.
func (l *link) accept(rep *turn.Report, last bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fl := l.open[rep.Frame]
	if fl == nil || !rep.Late && l.current != rep.Frame || rep.Late && l.current == rep.Frame {
		return fault.New(fault.Corrupt, "worker", l.id.String(), "a report on frame %d, which is not expected", rep.Frame)
	}
	if len(rep.Results) > fl.sent || len(rep.Changes) > fl.sent {
		return fault.New(fault.Corrupt, "worker", l.id.String(), "a report on frame %d with more than it has tasks", rep.Frame)
	}
	if !last {
		return nil
	}
	if err := l.check.Report(check.Given{Tasks: fl.frame.Tasks[:fl.sent], Detached: fl.state}, rep); err != nil {
		return fault.Wrap(fault.Corrupt, "worker", l.id.String(), err)
	}
	if rep.Late {
		fl.apart -= len(rep.Results)
		for i := range rep.Results {
			fl.state[rep.Results[i].Index] = false
			if givenUp(&rep.Results[i]) {
				l.s.stuck.Add(1)
				if env := fl.frame.Tasks[rep.Results[i].Index].Env; env != nil {
					l.s.pool.quarantine.mark(env, true)
				}
			}
		}
	} else {
		l.current = 0
		for i := range rep.Results {
			if rep.Results[i].Outcome == turn.Detached {
				if fl.state == nil {
					fl.state = make([]bool, fl.sent)
				}
				fl.state[i] = true
				fl.apart++
			}
		}
		fl.giveBack(rep)
	}
	if fl.apart == 0 {
		delete(l.open, rep.Frame)
	}
	return nil
}

// givenUp reports whether a result is that of a handler which did not return:
// it may run on for ever.
func givenUp(r *turn.Result) bool {
	return r.Outcome == turn.Panicked && r.Unloaded && r.Fail != nil && r.Fail.Kind == fault.Timeout.String()
}

// sentBefore counts the pongs in a row that say that the report on the frame
// under way was sent, and returns an error when there are too many.
func (l *link) sentBefore(pong *workproto.Pong, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == 0 || int(l.id) >= len(pong.Reported) || pong.Reported[l.id] != l.current || len(l.reports) == cap(l.reports) || alive.Unread(l.conn.Conn) {
		l.claims = 0
		return nil
	}
	if l.claimed != l.current {
		l.claimed, l.claims = l.current, 0
	}
	if l.claims++; l.claims > alive.Looks {
		return l.missing(l.open[l.current], now)
	}
	return nil
}

func (l *link) missing(fl *flight, now time.Time) error {
	return fault.New(fault.Timeout, "worker", l.id.String(), "it did not report on what it was given %v ago", now.Sub(fl.at).Round(time.Millisecond))
}
