package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/workproto"
)

// quarantine runs messages that are known to harm a worker in a process of
// their own, one at a time, with a low priority: so each further attempt costs
// the others nothing. To their shards they are turns that take long.
//
// Known is one that ran when a worker died and was found guilty, or whose
// handler did not return. What is not known to it runs as all others do.
type quarantine struct {
	pool *Pool
	jobs chan *job
	old  atomic.Bool // its program is not the worker's any more
	s    *session    // owned by run, nil if there is no process

	count atomic.Int32 // len(marks): most often 0, and then nothing is looked up
	mu    sync.Mutex
	// marks are messages that were running when a worker died or that did not
	// return; true if they are known to do harm. Nothing is kept alive by that.
	marks  map[weak.Pointer[wire.Envelope]]bool
	marked time.Time // the last
}

const (
	maxMarks = 1 << 14 // beyond that, all are forgotten
	maxJobs  = 16      // that wait; others run in the worker

	// lowPriority is how many steps of nice the process is behind: a loop in it
	// gets a tenth of what others do, and it still starts within a second.
	lowPriority = 10
)

// job is a message that is to run in quarantine.
type job struct {
	link   *link // of the worker, to which the shard gave it
	seq    uint64
	to     string
	key    weak.Pointer[wire.Envelope]
	tasks  []turn.Task // the one, without its message
	msg    []byte      // the frame that has it alone
	object bool
}

func newQuarantine(p *Pool) *quarantine {
	return &quarantine{pool: p, jobs: make(chan *job, maxJobs), marks: map[weak.Pointer[wire.Envelope]]bool{}}
}

// mark notes a message that may have done harm, or that is known to have.
func (q *quarantine) mark(env *wire.Envelope, known bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.marks) >= maxMarks {
		clear(q.marks)
	}
	key := weak.Make(env)
	q.marks[key] = q.marks[key] || known
	q.marked = time.Now()
	q.count.Store(int32(len(q.marks)))
}

// clear forgets messages that are gone, and, when no worker died for a while,
// those that are not known to do harm.
func (q *quarantine) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, known := range q.marks {
		if !known && time.Since(q.marked) > healthy || key.Value() == nil {
			delete(q.marks, key)
		}
	}
	q.count.Store(int32(len(q.marks)))
}

func (q *quarantine) forget(key weak.Pointer[wire.Envelope]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.marks, key)
	q.count.Store(int32(len(q.marks)))
}

// first returns the number of the first task that is for quarantine, -1 if
// there is none. It is called by the shard, whose envelopes they are.
func (q *quarantine) first(f *turn.Frame) int {
	if q.count.Load() == 0 {
		return -1
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range f.Tasks {
		t := &f.Tasks[i]
		if t.Env.Attempt == 0 || t.Copy || t.Slot != 0 && t.Load == nil {
			continue // not found guilty, or the object is in the worker
		}
		key := weak.Make(t.Env)
		if _, marked := q.marks[key]; marked && len(q.jobs) < maxJobs {
			q.marks[key] = true
			return i
		}
	}
	return -1
}

// run serves jobs until ctx is done. A process that is not needed for a while
// is ended.
func (q *quarantine) run(ctx context.Context) {
	tick := time.NewTicker(healthy)
	defer tick.Stop()
	for used := false; ; {
		select {
		case <-ctx.Done():
			q.end("the platform is shutting down")
			return
		case j := <-q.jobs:
			q.serve(ctx, j)
			used = true
		case <-ended(q.s):
			q.s = nil
		case <-tick.C:
			q.clear()
			if !used {
				q.end("there is nothing in quarantine")
			}
			used = false
		}
	}
}

// end asks the process to end.
func (q *quarantine) end(why string) {
	q.pool.dismiss(q.s, why)
	q.s = nil
}

// kill ends the process at once.
func (q *quarantine) kill(why string) {
	q.s.fail(fault.New(fault.Canceled, "worker", "", "%s", why))
	<-q.s.ended
	q.s = nil
}

// serve runs a job and tells its shard what became of it.
func (q *quarantine) serve(ctx context.Context, j *job) {
	if isClosed(j.link.s.over) || isClosed(j.link.s.retired) {
		return // its shard has taken it back
	}
	if err := q.start(ctx, j.link.s.proc.Path()); err != nil {
		q.pool.cfg.Log.Error("there is no worker for quarantine; its messages run with the others", "error", err)
		q.forget(j.key)
		j.done(&turn.Report{Results: []turn.Result{{Outcome: turn.Skipped}}})
		return
	}
	l := q.s.links[j.link.id]
	l.send(&flight{frame: &turn.Frame{Seq: j.seq, Tasks: j.tasks}, at: time.Now(), sent: 1}, j.msg)
	for {
		select {
		case rep, alive := <-l.reports:
			if !alive {
				why := q.s.reason()
				q.pool.cfg.Log.Warn("a message ended its worker again, in quarantine", "to", j.to, "reason", why)
				q.s = nil
				j.done(&turn.Report{Results: []turn.Result{{Outcome: turn.Panicked, Fail: &wire.Failure{Kind: fault.Crashed.String(),
					Message: "the worker process died while it ran " + j.to + ": " + why.Error()}}}})
				_ = q.start(ctx, j.link.s.proc.Path()) // for the next attempt, which tries again if it fails
				return
			}
			res := &rep.Results[0]
			if res.Outcome == turn.Detached {
				continue
			}
			stuck := givenUp(res)
			if res.Outcome == turn.Done {
				q.forget(j.key)
			}
			j.done(rep)
			if stuck {
				q.kill("a handler in quarantine did not return")
			}
			return
		case <-j.link.s.over:
		case <-j.link.s.retired:
		case <-ctx.Done():
		}
		q.kill("what it ran was taken back")
		return
	}
}

// start makes sure that there is a process.
func (q *quarantine) start(ctx context.Context, path string) error {
	if q.s != nil && (isClosed(q.s.over) || q.old.Load()) {
		q.end("another program has taken over")
	}
	if q.s != nil {
		return nil
	}
	q.old.Store(false)
	l := &launch{path: path, low: true, token: newToken(), started: make(chan struct{}), arrived: make(chan *session, 1)}
	l.run(ctx, q.pool)
	q.s = l.s
	return l.err
}

// done brings the report of quarantine to the job's shard, as a late one. The
// worker does not have the object.
func (j *job) done(rep *turn.Report) {
	rep.Frame, rep.Late = j.seq, true
	rep.Results[0].Unloaded = j.object
	j.link.deliver(rep)
}

// isolate gives a frame whose first task is for quarantine to it: the shard
// is told that the task takes long, and gets the others back.
func (l *link) isolate(f *turn.Frame) {
	task := f.Tasks[0]
	alone := turn.Frame{Seq: f.Seq, Now: f.Now, Tasks: f.Tasks[:1]}
	msg, big := workproto.AppendTasks(nil, &alone, l.s.pool.cfg.maxFrame())
	fl := &flight{frame: f, sent: 1}
	if big >= 0 {
		l.refuse(fl)
		return
	}
	rep := &turn.Report{Frame: f.Seq, Results: []turn.Result{{Outcome: turn.Detached}}}
	fl.giveBack(rep)
	l.deliver(rep)
	j := &job{link: l, seq: f.Seq, to: task.Env.To.String(), key: weak.Make(task.Env),
		tasks: []turn.Task{{Slot: task.Slot}}, msg: msg, object: task.Slot != 0}
	select {
	case l.s.pool.quarantine.jobs <- j:
	default: // other shards have just filled it: again
		j.done(&turn.Report{Results: []turn.Result{{Outcome: turn.Skipped}}})
	}
}
