package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker/alive"
	"github.com/situ-dev/situ/internal/worker/lane"
	"github.com/situ-dev/situ/internal/worker/process"
	"github.com/situ-dev/situ/internal/workproto"
)

// lanes is how many links a session has for functions.
const lanes = 1

// session is a program that said hello: its control connection, and a link for
// each shard. It ends when any of its connections breaks, when it says
// something that it must not, or when it is asked to.
type session struct {
	pool     *Pool
	hello    *workproto.Hello
	manifest *host.Manifest
	control  *workproto.Conn
	token    string
	proc     *process.Process // nil if it was started by hand

	ready   chan struct{} // closed when all links are there
	retired chan struct{} // closed when the shards do not use it any more
	leaving chan struct{} // closed when it was asked to end
	over    chan struct{} // closed when it has failed or ended: all connections are closed
	settled chan struct{} // closed when it is known why: its process is gone, too
	ended   chan struct{} // closed when the shards know it, too

	readers sync.WaitGroup
	retire  sync.Once
	leave   sync.Once

	mu      sync.Mutex
	links   []*link    // of the shards, and of the lane
	lane    *lane.Lane // set when all links are there
	missing int
	err     error
	alive   alive.Watch

	bounds bounds
	stuck  atomic.Int32 // handlers that were given up
}

func newSession(p *Pool, hello *workproto.Hello, control *workproto.Conn, proc *process.Process) (*session, error) {
	m := &host.Manifest{}
	if err := json.Unmarshal(hello.Manifest, m); err != nil {
		return nil, fault.New(fault.Invalid, "worker.hello", "", "its manifest cannot be read: %v", err)
	}
	if err := p.node.Admit(m); err != nil {
		return nil, err
	}
	n := p.node.Shards() + lanes
	every := max(min(p.cfg.Silence/8, alive.Pinging), time.Millisecond)
	return &session{bounds: p.cfg.bounds(m), pool: p, hello: hello, manifest: m, control: control, proc: proc, token: newToken(),
		ready: make(chan struct{}), retired: make(chan struct{}), leaving: make(chan struct{}),
		over: make(chan struct{}), settled: make(chan struct{}), ended: make(chan struct{}), links: make([]*link, n), missing: n, alive: alive.Watch{Every: every}}, nil
}

// welcome is what the session's program is told.
func (s *session) welcome() *workproto.Welcome {
	run := s.pool.cfg.Run
	w := &workproto.Welcome{Version: workproto.Version, Token: s.token, Shards: len(s.links) - lanes, Lanes: lanes, MaxFrame: s.pool.cfg.maxFrame(),
		Patience: run.Patience, Slice: run.Slice, Timeout: run.Timeout, Grace: run.Grace, MaxState: run.MaxState, Verify: run.Verify}
	if s.proc == nil {
		w.Timeout = -1 // a breakpoint is not a hang
	}
	return w
}

// host returns the host of a shard.
func (s *session) host(id wire.ShardID) shard.Host { return s.links[id] }

// run serves the control connection, and returns when the session has ended
// and its process is gone.
func (s *session) run() {
	var group sync.WaitGroup
	group.Go(s.watch)
	err := s.listen()
	s.gone(err)
	<-s.over
	group.Wait()
	if s.proc != nil {
		s.end()
	}
	close(s.settled)
	s.readers.Wait()
	close(s.ended)
}

// end waits for the process to end, or ends it, when its connections are
// closed.
func (s *session) end() {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	switch {
	case isClosed(s.leaving):
		s.proc.End(s.pool.cfg.Drain, s.pool.hurry)
	case fault.Is(err, fault.Unavailable): // it is most likely ending by itself
		s.proc.EndDying(500*time.Millisecond, s.pool.hurry)
	default:
		s.proc.End(0, s.pool.hurry)
	}
}

// listen reads the control connection until it ends.
func (s *session) listen() error {
	for {
		m, err := s.control.Receive()
		if err != nil {
			return err
		}
		pong, ok := m.(*workproto.Pong)
		if !ok {
			return fault.New(fault.Corrupt, "worker", "", "a message of %v on the control connection", m.Type())
		}
		if err := s.heard(pong, time.Now()); err != nil {
			s.fail(err)
		}
	}
}

// heard takes a pong, and returns what is wrong with what it says.
func (s *session) heard(pong *workproto.Pong, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.alive.Answered(pong) || s.proc == nil {
		return nil
	}
	for _, l := range s.links {
		if l == nil {
			continue
		}
		if err := l.sentBefore(pong, now); err != nil {
			return err
		}
	}
	return nil
}

// ask sends a ping, unless the worker is known to be dead. One that has nothing
// to do is not asked: nobody waits for it. It reports false for such a one.
func (s *session) ask() (bool, error) {
	if !s.busy() {
		return false, nil
	}
	return true, s.ping()
}

// busy reports whether the worker has something to do.
func (s *session) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l != nil && l.busy() {
			return true
		}
	}
	return false
}

func (s *session) ping() error {
	s.mu.Lock()
	ping, err := s.alive.Ping(s.proc.PID(), s.pool.cfg.Silence, alive.Unread(s.control.Conn))
	s.mu.Unlock()
	if err != nil {
		return err
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(s.pool.cfg.Silence)) // fails only when closed
	if s.control.Send(ping) != nil {
		return fault.New(fault.Unavailable, "worker", "", "it closed a connection")
	}
	return s.overdue(time.Now())
}

// watch asks whether the worker is alive, and notices when its process ends.
func (s *session) watch() {
	t := time.NewTicker(s.alive.Every)
	defer t.Stop()
	var exited <-chan struct{}
	var weigh <-chan time.Time
	idle := 0 // ticks in a row at which there was nothing to do
	if s.proc != nil {
		exited = s.proc.Exited
		if s.pool.cfg.Memory > 0 {
			t := time.NewTicker(weighing)
			defer t.Stop()
			weigh = t.C
		}
	}
	for {
		select {
		case <-t.C:
			if s.proc == nil {
				continue // in a debugger, it may be silent for long
			}
			busy, err := s.ask()
			if err != nil {
				s.fail(err)
				return
			}
			s.tire()
			if busy && idle >= alive.Rest {
				t.Reset(s.alive.Every)
			}
			if idle++; busy {
				idle = 0
			} else if idle == alive.Rest {
				t.Reset(max(s.alive.Every, alive.Resting))
			}
		case <-weigh:
			if n := proc.Resident(s.proc.PID()); n > s.pool.cfg.Memory {
				s.fail(fault.New(fault.TooLarge, "worker", "", "it occupied more than %d MiB of memory", s.pool.cfg.Memory>>20))
				return
			}
		case <-exited:
			s.fail(fault.New(fault.Unavailable, "worker", "", "it ended: %s", s.proc.Ended()))
			return
		case <-s.over:
			return
		}
	}
}

// weighing is how often the memory of a worker is looked at. One that takes
// all it can gets about 2 GB a second.
const weighing = 20 * time.Millisecond

// overdue returns an error if results are due that did not come: a runner
// reports on a frame within its slice, and later on each task whose handler
// did not return.
func (s *session) overdue(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l == nil {
			continue
		}
		if err := l.overdue(now); err != nil {
			return err
		}
	}
	return nil
}

// tire tells the pool of a worker in which handlers run on that were given
// up, at a moment when nothing runs that would be lost with it.
func (s *session) tire() {
	if s.stuck.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l != nil && l.apart() {
			return
		}
	}
	select {
	case s.pool.tired <- s:
	default:
	}
}

// poisoned returns the number of the first task that is not for this worker
// but for quarantine, -1 if there is none. A program that was attached by hand
// runs everything: it may be there for the very message that does harm.
func (s *session) poisoned(f *turn.Frame) int {
	if s.proc == nil {
		return -1
	}
	return s.pool.quarantine.first(f)
}

// gone notes that a connection has ended. When the worker was asked to end,
// that is what it does: then its control connection ends the session.
func (s *session) gone(err error) {
	if err == nil || errors.Is(err, io.EOF) || !fault.Is(err, fault.Corrupt) {
		err = fault.New(fault.Unavailable, "worker", "", "it closed a connection")
	}
	s.fail(err)
}

// fail ends the session: all connections are closed, so that the shards take
// back what runs, and the process is killed if it does not end.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.over) {
		return
	}
	s.err = err
	close(s.over)
	_ = s.control.Close() // nothing was written that matters
	for _, l := range s.links {
		if l != nil {
			_ = l.conn.Close()
		}
	}
}

// add serves the connection of a shard until it ends.
func (s *session) add(id wire.ShardID, c *workproto.Conn) error {
	l, err := s.join(id, c)
	if err != nil {
		return err
	}
	defer s.readers.Done()
	var group sync.WaitGroup
	group.Go(l.writeRest)
	if err := l.read(); !isClosed(s.leaving) || fault.Is(err, fault.Corrupt) {
		s.gone(err)
	}
	<-s.over
	group.Wait()
	<-s.settled
	l.end()
	return nil
}

func (s *session) join(id wire.ShardID, c *workproto.Conn) (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(id) >= len(s.links) || s.links[id] != nil || isClosed(s.over) {
		return nil, fault.New(fault.Corrupt, "worker.attach", id.String(), "there is no such shard to attach to")
	}
	l, err := newLink(s, id, c)
	if err != nil {
		return nil, err
	}
	s.links[id] = l
	if int(id) == len(s.links)-lanes {
		s.lane = lane.New(l)
		s.readers.Go(s.lane.Serve)
	}
	s.readers.Add(1)
	if s.missing--; s.missing == 0 {
		close(s.ready)
	}
	return l, nil
}

// drain asks the worker to end when what it runs has ended, and returns when
// it is gone. It is called when no shard uses it.
func (s *session) drain(why string) {
	s.drainLane()
	s.retire.Do(func() { close(s.retired) })
	s.leave.Do(func() { close(s.leaving) })
	if err := s.control.Send(&workproto.Shutdown{Why: why}); err != nil {
		s.gone(err)
	}
	t := time.NewTimer(s.pool.cfg.Drain / 2)
	defer t.Stop()
	for step := 0; ; step++ {
		select {
		case <-s.ended:
			return
		case <-s.pool.hurry:
			s.fail(fault.New(fault.Timeout, "worker", "", "there was no time to end"))
			<-s.ended
			return
		case <-t.C:
		}
		if step == 0 && s.proc != nil {
			s.proc.Signal(syscall.SIGTERM)
			t.Reset(s.pool.cfg.Drain / 2)
			continue
		}
		if s.proc != nil {
			s.proc.Signal(syscall.SIGKILL)
		}
		s.fail(fault.New(fault.Timeout, "worker", "", "it did not end in time"))
		<-s.ended
		return
	}
}

// drainLane lets functions finish: they are not the shards', which have taken
// theirs back.
func (s *session) drainLane() {
	if s.lane == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.pool.cfg.Drain/2)
	var group sync.WaitGroup
	group.Go(func() {
		select {
		case <-s.pool.hurry:
			cancel()
		case <-ctx.Done():
		}
	})
	s.lane.Drain(ctx)
	cancel()
	group.Wait()
}

// reason returns why the session ended. That its own end of a connection was
// closed is what a worker ends with, too, and then says no more.
func (s *session) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil && isClosed(s.proc.Exited) && !s.proc.Killed() && fault.Is(s.err, fault.Unavailable) &&
		s.proc.Code() != fault.Unavailable.Exit() {
		return fault.New(fault.Unavailable, "worker", "", "it ended: %s", s.proc.Ended())
	}
	return s.err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
