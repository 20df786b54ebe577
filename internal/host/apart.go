package host

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// apart is one run of a task. Should it be detached from its frame, it ends on
// its own goroutine and reports for itself.
type apart struct {
	r     *Runner
	frame uint64
	index int
	task  *turn.Task
	obj   *live     // nil in a function
	fn    *Function // nil on an object
	turn  Turn
	*parting
}

// parting is what a run has that is detached.
type parting struct {
	earlier  []turn.Result // finished tasks of the object in the frame: their changes are in the instance
	dirty    bool          // there are such changes
	reported chan struct{} // closed after the frame's own report
	ended    atomic.Bool   // whoever sets it reports
	timer    *time.Timer
	warned   bool // the timer's own
	unhook   func() bool
}

func (a *apart) operation() operation { return operation{a.task.Env.To.Type, a.task.Env.To.Method} }

// own reports whether the task runs on the object itself, not on a copy.
func (a *apart) own() bool { return a.obj != nil && !a.task.Copy }

// run runs user code and turns a panic into an outcome. The turn's context is
// done afterwards.
func (a *apart) run() (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			out = Outcome{Panic: true, Lost: true, Fail: Panic(v)}
		}
		a.turn.cancel(context.Canceled)
	}()
	if a.obj != nil {
		return a.obj.inst.Run(&a.turn)
	}
	return a.fn.Run(&a.turn)
}

// detach takes a task out of its frame, and with it the earlier tasks of its
// object: their changes cannot be told from its own. Called with the baton.
func (r *Runner) detach(p *progress, a *apart) {
	if p.reported == nil {
		p.reported = make(chan struct{})
	}
	a.parting = &parting{reported: p.reported}
	p.rep.Results[a.index] = turn.Result{Index: a.index, Outcome: turn.Detached}
	if a.own() {
		a.obj.away.Store(true)
		a.dirty, a.obj.dirty = a.obj.dirty, false
		for j := range p.frame.Tasks[:a.index] {
			if res := &p.rep.Results[j]; p.frame.Tasks[j].Slot == a.task.Slot && res.Outcome == turn.Done {
				a.earlier = append(a.earlier, *res)
				*res = turn.Result{Index: j, Outcome: turn.Detached}
			}
		}
	}
	a.unhook = context.AfterFunc(r.ctx, func() {
		a.turn.cancel(fault.New(fault.Unavailable, "run", a.task.Env.To.String(), "the worker is shutting down"))
	})
	if deadline, ok := a.turn.Deadline(); ok {
		a.timer = time.AfterFunc(time.Hour, a.expire)
		a.timer.Reset(time.Until(deadline)) // it may run at once, and reads a.timer
	}
}

// expire tells the handler that its time is up, and gives it up if it does not
// return within the grace time.
func (a *apart) expire() {
	if !a.warned {
		a.warned = true
		a.turn.cancel(context.DeadlineExceeded)
		a.timer.Reset(a.r.cfg.Grace)
		return
	}
	a.abandon()
}

// abandon reports for a handler that does not return. Its instance is left to
// it, with the changes of earlier tasks, and what it will answer is dropped.
// If there are earlier tasks, all are to be run again, each alone: then the
// slow one takes nothing with it.
func (a *apart) abandon() {
	if !a.ended.CompareAndSwap(false, true) {
		return
	}
	a.unhook()
	rep := &turn.Report{Frame: a.frame, Late: true, Results: append(a.earlier, turn.Result{Index: a.index, Outcome: turn.Panicked,
		Unloaded: true, Fail: expired(a.task.Env.To, a.turn.timeout), Took: wire.Time(time.Since(a.turn.began))})}
	if len(a.earlier) > 0 {
		redo(rep)
	}
	<-a.reported
	a.r.report(rep)
}

// end reports what a detached task's handler left behind.
func (a *apart) end(out Outcome) {
	if !a.ended.CompareAndSwap(false, true) {
		return
	}
	a.unhook()
	if a.timer != nil {
		a.timer.Stop()
	}
	rep := &turn.Report{Frame: a.frame, Late: true, Results: append(a.earlier, turn.Result{Index: a.index})}
	fill(&rep.Results[len(rep.Results)-1], out, time.Since(a.turn.began))
	if a.own() {
		a.gather(rep, out)
	}
	<-a.reported
	if a.own() {
		a.obj.away.Store(false)
	}
	a.r.report(rep)
}

// gather adds the changes of the object to rep. If they cannot be had, none of
// the tasks that made them counts.
func (a *apart) gather(rep *turn.Report, out Outcome) {
	switch {
	case out.Lost && a.dirty:
		redo(rep)
	case out.Lost || !out.Wrote && !a.dirty:
	default:
		c := turn.Change{Slot: a.task.Slot}
		fail := a.r.changes(a.obj, &c)
		switch {
		case fail == nil:
			rep.Changes = append(rep.Changes, c)
		case len(rep.Results) == 1:
			rep.Results[0] = turn.Result{Index: a.index, Outcome: turn.Done, Fail: fail, Unloaded: true, Took: rep.Results[0].Took}
		default:
			redo(rep)
		}
	}
}

// redo makes all tasks of rep count as not run.
func redo(rep *turn.Report) {
	for i := range rep.Results {
		rep.Results[i] = turn.Result{Index: rep.Results[i].Index, Outcome: turn.Redo, Unloaded: true}
	}
}
