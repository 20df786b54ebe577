package host

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// apart is a task that may be, or was, detached from its frame: it ends on its
// own goroutine and reports for itself.
type apart struct {
	r       *Runner
	frame   uint64
	task    *turn.Task
	obj     *live
	turn    *Turn
	timeout time.Duration
	began   time.Time

	away    sync.WaitGroup // done when detach is through
	index   int
	earlier []turn.Result // finished tasks of the object in the frame: their changes are in the instance
	dirty   bool
	timer   atomic.Pointer[time.Timer]
	ended   atomic.Bool // whoever sets it reports
	unhook  func() bool
}

// detach takes task i out of its frame. Called with the baton.
func (r *Runner) detach(p *progress, i int, a *apart) {
	defer a.away.Done()
	a.index = i
	p.rep.Results[i] = turn.Result{Index: i, Outcome: turn.Detached}
	if a.obj != nil && !a.task.Copy {
		a.obj.away.Store(true)
		a.dirty = a.obj.dirty
		a.obj.dirty = false
		for j := range p.frame.Tasks[:i] {
			if res := &p.rep.Results[j]; p.frame.Tasks[j].Slot == a.task.Slot && res.Outcome == turn.Done {
				a.earlier = append(a.earlier, *res)
				*res = turn.Result{Index: j, Outcome: turn.Detached}
			}
		}
	}
	a.unhook = context.AfterFunc(r.ctx, func() {
		a.turn.cancel(fault.New(fault.Unavailable, "run", a.task.Env.To.String(), "the worker is shutting down"))
	})
	if a.timeout > 0 {
		a.timer.Store(time.AfterFunc(max(time.Until(a.began.Add(a.timeout)), 0), a.expire))
	}
}

// expire tells the handler that its time is up, and gives it up if it does not
// return within the grace time.
func (a *apart) expire() {
	a.turn.cancel(context.DeadlineExceeded)
	a.timer.Store(time.AfterFunc(a.r.cfg.Grace, func() { a.abandon() }))
}

// abandon reports for a handler that does not return. Its instance is left to
// it, and what it will answer is dropped.
func (a *apart) abandon() {
	if !a.ended.CompareAndSwap(false, true) {
		return
	}
	rep := &turn.Report{Frame: a.frame, Late: true}
	for _, res := range a.earlier {
		rep.Results = append(rep.Results, turn.Result{Index: res.Index, Outcome: turn.Skipped})
	}
	rep.Results = append(rep.Results, turn.Result{Index: a.index, Outcome: turn.Panicked, Unloaded: true,
		Fail: expired(a.task.Env.To, a.timeout), Took: wire.Time(time.Since(a.began))})
	a.unhook()
	a.r.report(rep)
}

// end reports what a detached task's handler left behind.
func (a *apart) end(out Outcome) {
	a.away.Wait()
	if !a.ended.CompareAndSwap(false, true) {
		return
	}
	a.unhook()
	if t := a.timer.Load(); t != nil {
		t.Stop()
	}
	rep := &turn.Report{Frame: a.frame, Late: true, Results: a.earlier}
	res := turn.Result{Index: a.index}
	fill(&res, out, time.Since(a.began))
	rep.Results = append(rep.Results, res)
	if a.obj != nil && !a.task.Copy {
		a.close(rep, out)
	}
	a.r.report(rep)
}

// close gathers the changes of the object and gives it back to the runner.
func (a *apart) close(rep *turn.Report, out Outcome) {
	var fail = out.Fail
	lost := out.Lost
	if (out.Wrote || a.dirty) && !out.Lost {
		c := turn.Change{Slot: a.task.Slot}
		if fail = a.r.changes(a.obj, &c); fail == nil {
			rep.Changes = append(rep.Changes, c)
		}
		lost = fail != nil
	}
	if lost && (a.dirty || !out.Lost) {
		for i := range rep.Results {
			rep.Results[i] = turn.Result{Index: rep.Results[i].Index, Outcome: turn.Redo, Unloaded: true}
		}
		if len(rep.Results) == 1 {
			rep.Results[0] = turn.Result{Index: a.index, Outcome: turn.Done, Fail: fail, Unloaded: true}
		}
	}
	a.obj.away.Store(false)
}
