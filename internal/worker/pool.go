package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// healthy is how long a program lives before its next death counts as the
// first.
const healthy = 10 * time.Second

// brief is the longest pause before a program that was ready is started again:
// most likely one message kills it, which is given up after some attempts, and
// all others wait meanwhile.
const brief = time.Second

// quickly is how many deaths in a row have no pause after them: a message that
// kills workers costs a few, and every pause costs all others.
const quickly = 12

// refreshing is how long a worker lives at least before it is replaced for the
// handlers in it that do not return.
const refreshing = time.Second

// Pool keeps one program running as the worker of a node. Run runs it; the
// goroutine of Run decides everything, the others bring it news.
type Pool struct {
	node   Node
	cfg    Config
	door   *door
	attach *door // nil: nobody can attach

	replaces  chan *launch
	launched  chan *launch
	announced chan *session
	tired     chan *session // workers in which handlers do not return
	hurry     chan struct{} // closed when there is no time left
	hurryOnce sync.Once
	closing   context.Context // done when no program may arrive any more
	close     context.CancelFunc
	retiring  sync.WaitGroup
	guestPID  atomic.Int64 // of the attached program, 0 for none

	mu       sync.Mutex
	sessions map[string]*session // by token
	waiting  map[string]*launch  // by token
	status   Status

	quarantine  *quarantine
	release     context.CancelFunc // ends it
	quarantined sync.WaitGroup

	// Owned by Run.
	path      string // the program to be started again
	managed   *session
	guest     *session
	launching *launch
	spare     *session  // ready to be managed, after a death
	since     time.Time // when managed became the worker
	deaths    int       // in a row
	calm      *time.Timer
	backoff   time.Duration
	retry     *time.Timer
	restarts  int
}

// New makes the sockets at which programs arrive. Run the pool, or Close it.
func New(node Node, cfg Config) (*Pool, error) {
	p := &Pool{node: node, cfg: cfg.withDefaults(), replaces: make(chan *launch), launched: make(chan *launch),
		announced: make(chan *session), tired: make(chan *session, 1), hurry: make(chan struct{}), sessions: map[string]*session{}, waiting: map[string]*launch{}}
	p.quarantine = newQuarantine(p)
	p.closing, p.close = context.WithCancel(context.Background())
	p.backoff = p.cfg.Backoff
	p.status.State = Stopped
	var err error
	if p.door, err = openDoor(p); err != nil {
		return nil, err
	}
	if p.cfg.Dir != "" {
		if p.attach, err = openAttach(p); err != nil {
			p.door.close()
			return nil, err
		}
	}
	return p, nil
}

// Close removes the sockets of a pool that was never Run.
func (p *Pool) Close() {
	p.close()
	p.door.close()
	if p.attach != nil {
		p.attach.close()
	}
}

// Hurry makes Run kill what it would otherwise wait for.
func (p *Pool) Hurry() { p.hurryOnce.Do(func() { close(p.hurry) }) }

// Run keeps the program running until ctx is done; then it asks it to end and
// returns when it is gone. The node must be running, so that it takes hosts.
func (p *Pool) Run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(p.door.serve)
	if p.attach != nil {
		group.Go(p.attach.serve)
	}
	alone, release := context.WithCancel(context.Background())
	defer release()
	p.release = release
	p.quarantined.Go(func() { p.quarantine.run(alone) })
	p.retry, p.calm = time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	p.retry.Stop()
	p.calm.Stop()
	for ctx.Err() == nil {
		p.publish()
		select {
		case <-ctx.Done():
		case l := <-p.replaces:
			p.replace(ctx, l)
		case l := <-p.launched:
			p.land(l)
		case s := <-p.announced:
			p.take(s)
		case <-ended(p.managed):
			p.died()
		case <-ended(p.guest):
			p.detached(ctx)
		case <-ended(p.spare):
			p.spare = nil
			p.deaths++
			p.again(brief)
		case s := <-p.tired:
			p.refresh(ctx, s)
		case <-p.retry.C:
			p.begin(ctx, &launch{path: p.path, spare: p.managed != nil})
		case <-p.calm.C:
			p.calmed()
		}
	}
	p.shut()
	group.Wait()
	p.publish()
}

// shut ends everything.
func (p *Pool) shut() {
	p.Close()
	if l := p.launching; l != nil {
		l.cancel()
		p.finish(<-p.launched, fault.New(fault.Canceled, "start", l.path, "the platform is shutting down"))
	}
	p.release()
	p.quarantined.Wait()
	for _, s := range []*session{p.managed, p.guest, p.spare} {
		p.dismiss(s, "the platform is shutting down")
	}
	p.managed, p.guest, p.spare, p.launching = nil, nil, nil, nil
	p.retiring.Wait()
	p.mu.Lock()
	left := make([]*session, 0, len(p.sessions))
	for _, s := range p.sessions {
		left = append(left, s)
	}
	p.mu.Unlock()
	for _, s := range left { // programs that have only just arrived
		s.fail(fault.New(fault.Unavailable, "worker", "", "the platform is shutting down"))
	}
}

// Replace makes the program at path the worker: it is started, and when it is
// ready it takes over, and the old one ends when what it runs has ended. If it
// does not get ready, the old one stays and the error says why. While a
// program is attached, path is only remembered.
func (p *Pool) Replace(ctx context.Context, path string) error {
	reply := make(chan error, 1)
	select {
	case p.replaces <- &launch{path: path, reply: reply}:
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, "replace", path, context.Cause(ctx))
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, "replace", path, context.Cause(ctx))
	}
}

// Status tells how the worker is doing.
func (p *Pool) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

func (p *Pool) replace(ctx context.Context, l *launch) {
	if p.guest != nil {
		p.path = l.path
		p.cfg.Log.Info("a program is attached: the new one is started when that ends", "program", l.path)
		l.reply <- nil
		return
	}
	p.begin(ctx, l)
}

// begin starts a program, in place of one that is being started.
func (p *Pool) begin(ctx context.Context, l *launch) {
	if l.path == "" {
		return
	}
	if old := p.launching; old != nil {
		old.cancel()
		p.finish(<-p.launched, fault.New(fault.Canceled, "start", old.path, "another program is started instead"))
	}
	p.retry.Stop()
	ctx, l.cancel = context.WithCancel(ctx)
	l.token, l.started, l.arrived = newToken(), make(chan struct{}), make(chan *session, 1)
	p.launching = l
	go func() {
		l.run(ctx, p)
		p.launched <- l
	}()
}

// finish drops a launch that is not wanted any more.
func (p *Pool) finish(l *launch, why error) {
	l.cancel()
	p.launching = nil
	p.dismiss(l.s, "another program is started instead")
	if l.reply != nil {
		l.reply <- why
	}
}

// land makes a program that is ready the worker.
func (p *Pool) land(l *launch) {
	p.launching = nil
	l.cancel()
	if l.err != nil {
		if l.reply != nil {
			l.reply <- l.err
		} else {
			p.cfg.Log.Error("the program cannot be started", "error", l.err)
		}
		if p.path == "" {
			p.path = l.path
		}
		if p.managed == nil {
			p.again(p.cfg.MaxBackoff)
		}
		return
	}
	p.path = l.path
	if l.spare && p.managed != nil {
		p.spare = l.s
		return
	}
	p.drop("another program has taken over")
	p.install(l.s)
	if l.reply != nil {
		p.quarantine.old.Store(true)
		l.reply <- nil
	}
	if p.deaths > 0 {
		p.again(brief) // a spare
	}
}

// install makes a session that is ready the worker.
func (p *Pool) install(s *session) {
	old := p.managed
	p.managed, p.since = s, time.Now()
	p.publish() // before a call can be answered by it
	p.use(s)
	p.dismiss(old, "another program has taken over")
	p.cfg.Log.Debug("the program runs", "program", p.path, "pid", s.proc.PID(), "build", s.hello.Build)
}

// drop ends the spare.
func (p *Pool) drop(why string) {
	p.dismiss(p.spare, why)
	p.spare = nil
}

// calmed ends the spare when the worker has lived for a while.
func (p *Pool) calmed() {
	p.deaths, p.backoff = 0, p.cfg.Backoff
	p.drop("it is not needed any more")
	if l := p.launching; l != nil && l.spare && p.managed != nil {
		l.cancel()
		p.finish(<-p.launched, nil)
	}
	if p.managed != nil {
		p.retry.Stop()
	}
}

// refresh replaces a worker by another process of the same program.
func (p *Pool) refresh(ctx context.Context, s *session) {
	if s != p.managed || p.launching != nil || time.Since(p.since) < refreshing {
		return // too soon: it says so again
	}
	p.cfg.Log.Warn("handlers that were given up run on; the program is replaced by itself", "pid", s.hello.PID, "handlers", s.stuck.Load())
	p.begin(ctx, &launch{path: p.path})
}

// use makes a session's program the one that runs the node's turns.
func (p *Pool) use(s *session) {
	if err := p.node.SetHosts(s.host, s.manifest); err != nil { // it was admitted, but another came first
		s.fail(err)
		return
	}
	p.node.SetFunctions(s.lane)
}

// dismiss drains a session in the background.
func (p *Pool) dismiss(s *session, why string) {
	if s != nil {
		p.retiring.Go(func() { s.drain(why) })
	}
}

// again starts the program after a pause of at most limit.
func (p *Pool) again(limit time.Duration) {
	if p.deaths <= quickly && limit == brief {
		p.retry.Reset(0)
		return
	}
	p.retry.Reset(min(p.backoff, limit))
	p.backoff = min(2*p.backoff, p.cfg.MaxBackoff)
}

// died deals with the end of the worker: a spare takes its place, if there is
// one, and if there is none, what is started now does.
func (p *Pool) died() {
	p.cfg.Log.Error("the program ended; it is started again", "program", p.path, "pid", p.managed.hello.PID,
		"reason", p.managed.reason(), "in a row", p.deaths)
	p.managed = nil
	p.node.SetFunctions(nil) // until there is another, the shards keep them
	p.restarts++
	p.deaths++
	p.calm.Reset(healthy)
	if s := p.spare; s != nil {
		p.spare = nil
		p.install(s)
	}
	if p.launching == nil {
		p.again(brief)
	}
}

// take makes a program that was started by hand the worker.
func (p *Pool) take(s *session) {
	if p.guest != nil {
		s.fail(fault.New(fault.Invalid, "attach", "", "another program is attached"))
		return
	}
	if l := p.launching; l != nil {
		l.cancel()
		p.path = l.path
		p.finish(<-p.launched, nil)
	}
	p.retry.Stop()
	p.drop("a program was attached")
	p.guest = s
	p.guestPID.Store(int64(s.hello.PID))
	p.use(s)
	p.dismiss(p.managed, "a program was attached")
	p.managed = nil
	p.cfg.Log.Info("a program was attached and runs the turns now", "pid", s.hello.PID, "build", s.hello.Build)
}

// detached deals with the end of a program that was started by hand.
func (p *Pool) detached(ctx context.Context) {
	p.cfg.Log.Info("the attached program has ended", "pid", p.guest.hello.PID, "reason", p.guest.reason())
	p.guest = nil
	p.node.SetFunctions(nil)
	p.guestPID.Store(0)
	p.begin(ctx, &launch{path: p.path})
}

// publish sets what Status tells.
func (p *Pool) publish() {
	st := Status{State: Starting, Restarts: p.restarts, Path: p.path}
	switch s := p.managed; {
	case p.guest != nil:
		st.State, st.PID, st.Build = Attached, p.guest.hello.PID, p.guest.hello.Build
	case s != nil:
		st.State, st.PID, st.Build = Running, s.proc.PID(), s.hello.Build
	case p.restarts > 0:
		st.State = Restarting
	case p.path == "" && p.launching == nil:
		st.State = Stopped
	}
	p.mu.Lock()
	p.status = st
	p.mu.Unlock()
}

func ended(s *session) <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.ended
}

// enter makes a session known to its connections, and to who started it.
func (p *Pool) enter(s *session) {
	p.mu.Lock()
	p.sessions[s.token] = s
	l := p.waiting[s.hello.Token]
	p.mu.Unlock()
	if p.closing.Err() != nil {
		s.fail(fault.New(fault.Unavailable, "worker", "", "the platform is shutting down"))
	}
	if s.proc != nil && l != nil {
		select {
		case l.arrived <- s:
		default:
			s.fail(errors.New("it said hello twice"))
		}
	}
}

func (p *Pool) leave(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s.token)
}

func (p *Pool) session(token string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[token]
}

func (p *Pool) expect(l *launch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[l.token] = l
}

func (p *Pool) forget(l *launch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, l.token)
}

func (p *Pool) expected(token string) *launch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting[token]
}

// announce tells Run of a program that was started by hand, when it is ready.
func (p *Pool) announce(s *session) {
	select {
	case <-s.ready:
	case <-s.ended:
		return
	}
	select {
	case p.announced <- s:
	case <-s.ended:
	}
}

// String describes the status in a few words.
func (s Status) String() string {
	return fmt.Sprintf("%s, pid %d, %d restarts", s.State, s.PID, s.Restarts)
}
