package host

import (
	"context"
	"sync"
	"sync/atomic"
)

// taskID names a task: of which frame, and where in it.
type taskID struct {
	frame uint64
	index int
}

// told is which tasks of a runner are to be told that nobody needs them any more.
// Only a run that takes long can be told: one that ends at once is over before.
type told struct {
	mu    sync.Mutex
	runs  map[taskID]*apart   // detached, and not over
	early map[taskID]struct{} // told of before they were detached, if they will be
	some  atomic.Bool         // early has any
}

// Cancel ends the context of a run of a task, if it lasts: it may go on, and what it
// leaves counts, but it knows that nobody waits for it. It does not block, and does nothing if
// the task was reported.
func (r *Runner) Cancel(frame uint64, index int) {
	id := taskID{frame, index}
	r.told.mu.Lock()
	defer r.told.mu.Unlock()
	if a := r.told.runs[id]; a != nil {
		a.turn.cancel(context.Canceled)
		return
	}
	if r.told.early == nil {
		r.told.early = map[taskID]struct{}{}
	}
	r.told.early[id] = struct{}{}
	r.told.some.Store(true)
}

// add takes a run that is detached.
func (d *told) add(a *apart) {
	id := taskID{a.frame, a.index}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.runs == nil {
		d.runs = map[taskID]*apart{}
	}
	d.runs[id] = a
	if _, early := d.early[id]; early {
		a.turn.cancel(context.Canceled)
	}
}

// remove forgets a run that is over.
func (d *told) remove(a *apart) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.runs, taskID{a.frame, a.index})
}

// reported forgets what was said of the tasks of a frame, and of frames before it:
// those that run on are detached.
func (d *told) reported(frame uint64) {
	if !d.some.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.early {
		if id.frame <= frame {
			delete(d.early, id)
		}
	}
	d.some.Store(len(d.early) > 0)
}
