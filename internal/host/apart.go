package host

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// run is one run of user code: of a method on its object, or of a function.
type run struct {
	turn *Turn
	obj  *live     // nil in a function
	fn   *Function // nil on an object
}

// run runs user code and turns a panic into an outcome. The turn's context is
// done afterwards. It touches nothing but its own turn and object: the baton
// may be another's when the handler returns.
func (x run) run() (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			out = Outcome{Panic: true, Lost: true, Fail: Panic(v)}
		}
		x.turn.cancel(context.Canceled)
	}()
	if x.obj != nil {
		return x.obj.inst.Run(x.turn)
	}
	return x.fn.Run(x.turn)
}

// apart is a run that was detached from its frame. It ends on its own
// goroutine and reports for itself.
type apart struct {
	run
	r        *Runner
	frame    uint64
	index    int // of the task in its frame
	slot     turn.Slot
	copy     bool          // it runs on a copy of the object
	earlier  []turn.Result // finished tasks of the object in the frame: their changes are in the instance
	dirty    bool          // there are such changes
	reported chan struct{} // closed after the frame's own report
	ended    atomic.Bool   // whoever sets it reports
	timer    *time.Timer
	warned   bool // the timer's own
	unhook   func() bool
}

// apart makes what a detached run of task i needs. Called with the baton.
func (r *Runner) apart(p *progress, i int, x run) *apart {
	task := &p.frame.Tasks[i]
	a := &apart{run: x, r: r, frame: p.frame.Seq, index: i, slot: task.Slot, copy: task.Copy}
	x.turn.apart = a
	return a
}

func (a *apart) operation() operation {
	return operation{a.turn.Env.To.Type, a.turn.Env.To.Method}
}

// own reports whether the task runs on the object itself, not on a copy.
func (a *apart) own() bool { return a.obj != nil && !a.copy }

// detach takes a task out of its frame, and with it the earlier tasks of its
// object: their changes cannot be told from its own. Called with the baton.
func (r *Runner) detach(p *progress, a *apart) {
	if p.reported == nil {
		p.reported = make(chan struct{})
	}
	a.reported = p.reported
	p.rep.Results[a.index] = turn.Result{Index: a.index, Outcome: turn.Detached}
	if a.own() {
		a.obj.away.Store(true)
		a.dirty, a.obj.dirty = a.obj.dirty, false
		for j := range p.frame.Tasks[:a.index] {
			if res := &p.rep.Results[j]; p.frame.Tasks[j].Slot == a.slot && res.Outcome == turn.Done {
				a.earlier = append(a.earlier, *res)
				*res = turn.Result{Index: j, Outcome: turn.Detached}
			}
		}
	}
	r.told.add(a)
	a.unhook = context.AfterFunc(r.ctx, func() {
		a.turn.cancel(fault.New(fault.Unavailable, "run", a.turn.Env.To.String(), "the worker is shutting down"))
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
	a.r.told.remove(a)
	rep := &turn.Report{Frame: a.frame, Late: true, Results: append(a.earlier, turn.Result{Index: a.index, Outcome: turn.Panicked,
		Unloaded: true, Fail: expired(a.turn.Env.To, a.turn.timeout), Took: wire.Time(a.r.clock() - a.turn.began)})}
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
	a.r.told.remove(a)
	if a.timer != nil {
		a.timer.Stop()
	}
	rep := &turn.Report{Frame: a.frame, Late: true, Results: append(a.earlier, turn.Result{Index: a.index})}
	fill(&rep.Results[len(rep.Results)-1], &out, a.r.clock()-a.turn.began)
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
		c := turn.Change{Slot: a.slot}
		fail := a.r.changes(a.obj, &c, a.turn.Env.To.Object)
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
