package simtest

import (
	"fmt"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// simHost runs the simulated program for one shard, by the rules of
// host.Runner, and with its bad days: handlers that panic, that lose their
// object, that take long, frames that are cut short.
type simHost struct {
	w       *world
	of      *shard
	objects map[turn.Slot]*live
	late    []*lateTask
}

// live is a resident object.
type live struct {
	id     wire.ObjectID
	s      *state
	frame  uint64
	dirty  bool
	failed bool
	away   bool // a detached turn has it
}

// lateTask is a turn that was detached, with the earlier ones of its object in
// the frame.
type lateTask struct {
	frame   uint64
	now     wire.Time
	index   int
	task    *turn.Task
	obj     *live
	earlier []turn.Result
	dirty   bool
}

func newHost(w *world, of *shard) *simHost {
	return &simHost{w: w, of: of, objects: map[turn.Slot]*live{}}
}

// outcome is what one run of a handler left behind.
type outcome struct {
	res   turn.Result
	wrote bool
}

// call runs the handler of a task.
func (h *simHost) call(index int, env *wire.Envelope, now wire.Time, obj *live, ro bool) (out outcome) {
	out.res = turn.Result{Index: index, Outcome: turn.Done}
	a := &act{env: env, now: now, seen: h.w.latest}
	if obj != nil {
		a.s = obj.s
	}
	answer, fail := a.run()
	if fail == nil && h.w.chance(h.w.faults.panics) {
		fail = crash("by chance")
		h.w.seen("turn panicked by chance")
	}
	if fail != nil {
		if obj != nil {
			obj.s.drop()
		}
		out.res.Fail = fail
		if fail.Kind == crash("").Kind {
			out.res.Outcome = turn.Panicked
			out.res.Unloaded = obj != nil && !ro && h.w.chance(30)
		}
		return out
	}
	if obj != nil {
		answer += "@" + obj.s.version()
		out.wrote = obj.s.keep()
	}
	out.res.Sends, out.res.Moved = a.sends, a.moved
	if !a.moved && env.Back != nil {
		out.res.Answer = text(answer)
	}
	return out
}

// run runs a frame and returns its report.
func (h *simHost) run(f *turn.Frame) *turn.Report {
	w := h.w
	rep := &turn.Report{Frame: f.Seq, Results: make([]turn.Result, len(f.Tasks))}
	for _, s := range f.Drop {
		delete(h.objects, s)
	}
	var dirty []turn.Slot
	for i := range f.Tasks {
		t, res := &f.Tasks[i], &rep.Results[i]
		if i > 0 && w.chance(w.faults.slices) { // its time is up
			w.seen("frame was cut short")
			for j := i; j < len(f.Tasks); j++ {
				rep.Results[j] = turn.Result{Index: j, Outcome: turn.Skipped, Unloaded: f.Tasks[j].Load != nil}
			}
			break
		}
		*res = turn.Result{Index: i, Outcome: turn.Skipped}
		obj := h.object(t, f.Seq)
		if !t.Env.To.Function() {
			if obj == nil {
				res.Unloaded = true
				continue
			}
			if obj.away || obj.failed {
				continue
			}
		}
		if w.chance(w.faults.detach) {
			h.detach(f, rep, i, obj)
			continue
		}
		out := h.call(i, t.Env, f.Now, obj, t.Copy)
		*res = out.res
		if obj == nil || t.Copy {
			continue
		}
		if out.wrote && !obj.dirty {
			obj.dirty = true
			dirty = append(dirty, t.Slot)
		}
		obj.failed = out.res.Outcome == turn.Panicked
		if out.res.Unloaded && obj.dirty {
			h.undo(f, rep, t.Slot)
		}
	}
	for _, slot := range dirty {
		if obj := h.objects[slot]; obj != nil && obj.dirty {
			if w.chance(w.faults.redo) { // its state cannot be had
				h.undo(f, rep, slot)
				continue
			}
			c := turn.Change{Slot: slot}
			obj.s.changes(&c)
			rep.Changes = append(rep.Changes, c)
		}
	}
	return rep
}

// object returns the object of a task, made live if the task brings a state.
func (h *simHost) object(t *turn.Task, frame uint64) *live {
	if t.Env.To.Function() {
		return nil
	}
	obj := h.objects[t.Slot]
	if t.Load != nil {
		s, err := loadState(t.Load)
		if err != nil {
			h.w.fail("%s was loaded torn: %v", t.Env.To.Object(), err)
			s = &state{kv: map[string]string{}, undo: map[string]*string{}, changed: map[string]bool{}}
		}
		obj = &live{id: t.Env.To.Object(), s: s}
		if !t.Copy {
			if t.Slot == 0 {
				h.w.fail("%s has no slot", t.Env.To)
			}
			h.objects[t.Slot] = obj
		}
	}
	if obj == nil {
		return nil
	}
	if obj.id != t.Env.To.Object() {
		h.w.fail("slot %d is %s, the task is for %s", t.Slot, obj.id, t.Env.To)
	}
	if obj.frame != frame {
		obj.frame, obj.dirty, obj.failed = frame, false, false
	}
	return obj
}

// undo makes the tasks of slot that ran in this frame count as not run: the
// instance with their changes is lost.
func (h *simHost) undo(f *turn.Frame, rep *turn.Report, slot turn.Slot) {
	h.w.seen("turns undone")
	h.objects[slot].dirty, h.objects[slot].failed = false, true
	delete(h.objects, slot)
	for i := range f.Tasks {
		if res := &rep.Results[i]; f.Tasks[i].Slot == slot && (res.Outcome == turn.Done || res.Outcome == turn.Panicked) {
			*res = turn.Result{Index: i, Outcome: turn.Redo, Unloaded: true}
		}
	}
}

// detach takes task i out of its frame, and with it the earlier tasks of its
// object.
func (h *simHost) detach(f *turn.Frame, rep *turn.Report, i int, obj *live) {
	h.w.seen("turn detached")
	t := &f.Tasks[i]
	l := &lateTask{frame: f.Seq, now: f.Now, index: i, task: t, obj: obj}
	rep.Results[i] = turn.Result{Index: i, Outcome: turn.Detached}
	if obj != nil && !t.Copy {
		obj.away = true
		l.dirty, obj.dirty = obj.dirty, false
		for j := range f.Tasks[:i] {
			if res := &rep.Results[j]; f.Tasks[j].Slot == t.Slot && res.Outcome == turn.Done {
				l.earlier = append(l.earlier, *res)
				*res = turn.Result{Index: j, Outcome: turn.Detached}
			}
		}
	}
	h.late = append(h.late, l)
}

// end ends a detached turn and returns its report. It may be given up.
func (h *simHost) end(i int) *turn.Report {
	l := h.late[i]
	h.late = append(h.late[:i], h.late[i+1:]...)
	own := l.obj != nil && !l.task.Copy
	rep := &turn.Report{Frame: l.frame, Late: true, Results: l.earlier}
	if h.w.chance(h.w.faults.abandon) {
		h.w.seen("detached turn given up")
		rep.Results = append(rep.Results, turn.Result{Index: l.index, Outcome: turn.Panicked, Unloaded: true, Fail: crash("it did not return")})
		if len(l.earlier) > 0 {
			redo(rep)
		}
		return rep
	}
	out := h.call(l.index, l.task.Env, l.now, l.obj, l.task.Copy)
	rep.Results = append(rep.Results, out.res)
	if !own {
		return rep
	}
	l.obj.away = false
	lost := out.res.Unloaded
	switch {
	case lost && l.dirty:
		redo(rep)
	case lost || !out.wrote && !l.dirty:
	default:
		c := turn.Change{Slot: l.task.Slot}
		l.obj.s.changes(&c)
		rep.Changes = append(rep.Changes, c)
	}
	return rep
}

// redo makes all tasks of rep count as not run.
func redo(rep *turn.Report) {
	for i := range rep.Results {
		rep.Results[i] = turn.Result{Index: rep.Results[i].Index, Outcome: turn.Redo, Unloaded: true}
	}
}

func (l *lateTask) String() string { return fmt.Sprintf("%s of frame %d", l.task.Env.To, l.frame) }
