package host

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// live is a resident object. All but away belong to the goroutine that holds
// the baton; while away is set, inst belongs to the detached turn.
type live struct {
	typ    *Type
	inst   Instance
	frame  uint64 // the frame that dirty, failed and runs speak of
	runs   int32
	away   atomic.Bool
	dirty  bool
	failed bool // a task of this frame did not end well: skip the rest
}

// Runner runs the frames of one shard, one at a time and in order. Submit
// hands a frame over; reports come on Reports, the frame's own first and later
// those of tasks that were detached.
//
// One goroutine owns the objects and runs the tasks. When a handler does not
// return, a timer takes the ownership (the baton) away from that goroutine and
// gives it to a new one: law 9, a slow handler delays its own object only. A
// method that was slow once gets a goroutine of its own for its next runs.
//
// Why this is without races. All that is marked as owned is touched only by
// who holds the baton. It changes hands in one way: check swaps the value that
// the owner stored before it called the handler for 0, while the handler runs;
// the owner then fails to swap it back and touches nothing of the frame again.
// Both are atomic operations on one word, so exactly one of them succeeds, and
// the winner sees all that the owner wrote before. A value occurs once in its
// frame's progress, so an old owner never mistakes a later task for its own.
//
// A detached task and the owner share its object, but not at the same time:
// while the frame runs, tasks of the object are skipped; the late report is
// made after the frame's own; and who submits frames sends no task of the
// object until it has that report.
type Runner struct {
	set     *Set
	cfg     Config
	frames  chan *turn.Frame
	reports chan *turn.Report
	ctx     context.Context
	stop    context.CancelFunc
	owner   sync.WaitGroup // the goroutine with the baton
	timer   *time.Timer
	active  atomic.Pointer[progress]
	steal   sync.Mutex // held from taking the baton until its task is detached
	told    told

	base time.Time // what the clock of the turns counts from

	// Owned by the goroutine that holds the baton.
	objects []*live           // by slot
	slow    map[operation]int // methods that were slow: runs to make apart
	turns   []*Turn           // not used yet
	dirty   []turn.Slot       // of the frame, with changes
	spare   *turn.Report      // of an earlier frame, to be used again
}

// operation names a method of a type, or a function.
type operation struct{ typ, method string }

// slowRuns is how many runs of a method are made apart after it was slow.
const slowRuns = 64

// lookEvery is after how many tasks the clock is looked at, whatever they did;
// and whether the runner is closed. What ran looks at the clock when it ends.
const lookEvery = 16

// longRun is from when on a run is so long that letting others go first costs
// little beside it. Else who wants a moment, such as the door to refuse a call,
// waits until a whole slice is over or Go's scheduler interrupts.
const longRun = 100 * time.Microsecond

// turnsAtOnce is how many turns are made at a time: one after another costs
// more than twice as much.
const turnsAtOnce = 16

// progress is the state of a frame being run. It outlives the goroutine that
// began it. All but baton belong to who holds the baton.
type progress struct {
	frame    *turn.Frame
	began    time.Duration // since the runner's base
	clock    time.Duration // when the task before ended
	next     int
	look     int // the task before which the clock is looked at
	rep      *turn.Report
	run      run           // the task being run
	reported chan struct{} // made when a task is detached; closed after the report

	// baton is the number of the task being run, shifted left; the lowest bit
	// is set while a handler runs. Whoever swaps that value away goes on with
	// the frame: the goroutine that ran the handler, or the timer.
	baton  atomic.Uint64
	seen   uint64 // what the timer saw last; its own, under steal
	seenAt time.Duration
}

// skip gives the rest of the frame back.
func (p *progress) skip() {
	for i := p.next; i < len(p.frame.Tasks); i++ {
		p.rep.Results[i] = turn.Result{Index: i, Outcome: turn.Skipped, Unloaded: p.frame.Tasks[i].Load != nil}
	}
}

// NewRunner starts a runner for set. Close it.
func NewRunner(set *Set, cfg Config) *Runner {
	ctx, stop := context.WithCancel(context.Background())
	r := &Runner{set: set, cfg: cfg.withDefaults(), ctx: ctx, stop: stop, base: time.Now(),
		frames: make(chan *turn.Frame, 1), reports: make(chan *turn.Report, 64),
		objects: make([]*live, 1), slow: map[operation]int{}}
	r.timer = time.AfterFunc(time.Hour, r.check)
	r.timer.Stop()
	r.owner.Add(1)
	go r.work(nil)
	return r
}

// Submit hands a frame over. The next one may be submitted after the report of
// this one, which is then not to be looked at any more. It does nothing after
// Close.
func (r *Runner) Submit(f *turn.Frame) {
	select {
	case r.frames <- f:
	case <-r.ctx.Done():
	}
}

// Reports returns the channel on which reports arrive.
func (r *Runner) Reports() <-chan *turn.Report { return r.reports }

// Close cancels the contexts of running handlers and waits for the runner's
// own goroutine, but not for handlers that do not return: those are given up.
func (r *Runner) Close() {
	r.stop()
	r.owner.Wait()
	r.timer.Stop()
	for _, f := range r.set.Closed {
		f()
	}
}

// work runs frames, beginning with the rest of p, until Close or until the
// baton is taken from it.
func (r *Runner) work(p *progress) {
	for {
		if p == nil {
			if p = r.begin(); p == nil {
				r.owner.Done()
				return
			}
		}
		for ; p.next < len(p.frame.Tasks); p.next++ {
			over := p.clock-p.began > r.cfg.Slice
			if p.next >= p.look && !over {
				over = r.ctx.Err() != nil || r.clock()-p.began > r.cfg.Slice
				p.look = p.next + lookEvery
			}
			if over {
				p.skip()
				break
			}
			if !r.task(p, p.next) {
				return
			}
		}
		r.active.Store(nil)
		r.timer.Stop()
		r.finish(p)
		r.told.reported(p.frame.Seq)
		if p.reported == nil {
			r.spare = p.rep
		}
		r.report(p.rep)
		if p.reported != nil {
			close(p.reported)
		}
		p = nil
	}
}

// clock returns the time since the runner was made. Reading it costs less than
// reading the time of day.
func (r *Runner) clock() time.Duration { return time.Since(r.base) }

// begin waits for a frame. It returns nil after Close.
func (r *Runner) begin() *progress {
	select {
	case f := <-r.frames:
		now := r.clock()
		p := &progress{frame: f, began: now, clock: now, look: lookEvery, rep: r.blank(f)}
		for _, s := range f.Drop {
			if int(s) < len(r.objects) {
				r.objects[s] = nil
			}
		}
		r.active.Store(p)
		r.timer.Reset(r.cfg.Patience)
		return p
	case <-r.ctx.Done():
		return nil
	}
}

// blank returns a report for f, of the memory of the one before if that is done
// with.
func (r *Runner) blank(f *turn.Frame) *turn.Report {
	rep := r.spare
	if r.spare = nil; rep == nil || cap(rep.Results) < len(f.Tasks) {
		rep = &turn.Report{Results: make([]turn.Result, 0, len(f.Tasks))}
	}
	clear(rep.Results)
	clear(rep.Changes)
	rep.Frame, rep.Results, rep.Changes = f.Seq, rep.Results[:len(f.Tasks)], rep.Changes[:0]
	return rep
}

func (r *Runner) report(rep *turn.Report) {
	select {
	case r.reports <- rep:
	case <-r.ctx.Done():
	}
}

// check runs on the timer while a frame runs: when the same handler has been
// running since a look at least Patience ago, it takes the baton and goes on
// without it. Frames follow each other faster than a timer stops, so two
// checks may run at once, and one may come early.
func (r *Runner) check() {
	r.steal.Lock()
	defer r.steal.Unlock()
	p := r.active.Load()
	if p == nil {
		return
	}
	now, clock := p.baton.Load(), r.clock()
	switch {
	case now != p.seen || now&1 == 0:
		p.seen, p.seenAt = now, clock
	case clock-p.seenAt >= r.cfg.Patience && p.baton.CompareAndSwap(now, 0):
		a := r.apart(p, p.next, p.run)
		r.slow[a.operation()] = slowRuns
		r.detach(p, a)
		p.next, p.look, p.clock = a.index+1, a.index+1, clock
		go r.work(p) // the goroutine in the handler is no longer the owner
	}
	r.timer.Reset(r.cfg.Patience) // in vain if the frame ended meanwhile
}

// task runs task i. It returns false when the baton was taken meanwhile.
func (r *Runner) task(p *progress, i int) bool {
	task, res := &p.frame.Tasks[i], &p.rep.Results[i]
	res.Index = i
	run, ok := r.prepare(p, task, res)
	if !ok {
		return true
	}
	if len(r.slow) > 0 && r.isSlow(operation{task.Env.To.Type, task.Env.To.Method}) {
		a := r.apart(p, i, run)
		r.detach(p, a)
		go func() { a.end(a.run.run()) }()
		return true
	}
	p.run = run
	p.baton.Store(uint64(i)<<1 | 1)
	out := run.run()
	if !p.baton.CompareAndSwap(uint64(i)<<1|1, uint64(i+1)<<1) {
		r.detached()
		run.turn.apart.end(out)
		return false
	}
	p.clock = r.clock()
	took := p.clock - run.turn.began
	fill(res, &out, took)
	r.settle(p, task, run.obj, &out)
	if took > longRun {
		runtime.Gosched()
		p.clock = r.clock()
	}
	return true
}

// detached returns when the detachment that took the baton is through.
func (r *Runner) detached() {
	r.steal.Lock()
	defer r.steal.Unlock()
}

// isSlow counts a run of a method that was slow, and reports whether it is.
func (r *Runner) isSlow(op operation) bool {
	n := r.slow[op]
	if n > 1 {
		r.slow[op] = n - 1
	} else {
		delete(r.slow, op)
	}
	return n > 0
}

// prepare finds what a task needs: the code, and its object, made live if the
// task brings a state. If there is nothing to run, it fills in the result and
// returns false.
func (r *Runner) prepare(p *progress, task *turn.Task, res *turn.Result) (ready run, ok bool) {
	to := &task.Env.To
	if late := overdue(task.Env, p.frame.Now); late != nil {
		refuse(res, late, false)
		return ready, false
	}
	if to.Function() {
		f := r.set.Functions[to.Method]
		if f == nil {
			refuse(res, missing("function", to), false)
			return ready, false
		}
		return run{fn: f, turn: r.turn(p, task, &f.Method)}, true
	}
	obj, fail := r.object(task)
	if fail != nil {
		refuse(res, fail, true)
		return ready, false
	}
	if obj == nil { // an earlier task of the frame lost it, or could not load it
		res.Outcome, res.Unloaded = turn.Skipped, true
		return ready, false
	}
	if obj.frame != p.frame.Seq {
		obj.frame, obj.dirty, obj.failed, obj.runs = p.frame.Seq, false, false, 0
	}
	// Invariant: once a task of an object has no final result, no later task
	// of the object in the frame has one.
	if obj.away.Load() || obj.failed {
		res.Outcome = turn.Skipped
		return ready, false
	}
	m := obj.typ.Methods[to.Method]
	if m == nil {
		obj.runs++
		refuse(res, missing("method", to), false)
		return ready, false
	}
	return run{obj: obj, turn: r.turn(p, task, m)}, true
}

// object returns the object of a task, nil if there is none.
func (r *Runner) object(task *turn.Task) (obj *live, fail *wire.Failure) {
	if task.Load == nil && int(task.Slot) < len(r.objects) && !task.Copy {
		obj = r.objects[task.Slot]
	}
	if obj != nil {
		return obj, nil
	}
	typ := r.set.Types[task.Env.To.Type]
	if typ == nil {
		return nil, missing("type", &task.Env.To)
	}
	if task.Load == nil {
		return nil, nil
	}
	inst, err := load(typ, task.Load)
	if err != nil {
		fail = wire.FailureOf(fault.Wrap(fault.Corrupt, "load state of", task.Env.To.Object().String(), err))
	} else {
		obj = &live{typ: typ, inst: inst}
	}
	if !task.Copy {
		r.keep(task.Slot, obj)
	}
	return obj, fail
}

// load makes a live object. Decoding runs user code, which may panic.
func load(typ *Type, st *turn.State) (inst Instance, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	inst = typ.New()
	return inst, inst.Load(st)
}

func refuse(res *turn.Result, why *wire.Failure, unloaded bool) {
	res.Outcome, res.Fail, res.Unloaded = turn.Done, why, unloaded
}

func (r *Runner) keep(s turn.Slot, obj *live) {
	if int(s) >= len(r.objects) {
		r.objects = append(r.objects, make([]*live, int(s)+1-len(r.objects))...)
	}
	r.objects[s] = obj
}

func missing(what string, to *wire.Address) *wire.Failure {
	return wire.FailureOf(fault.New(fault.NotFound, "run", to.String(), "the program has no such %s", what))
}

// turn makes the turn of a task.
func (r *Runner) turn(p *progress, task *turn.Task, m *Method) *Turn {
	if len(r.turns) == 0 {
		r.turns = r.set.turns(turnsAtOnce)
	}
	last := len(r.turns) - 1
	t := r.turns[last]
	r.turns = r.turns[:last]
	t.Env, t.Method, t.Now, t.Seed, t.Log, t.Verify = task.Env, m, p.frame.Now, task.Seed, r.cfg.Log, r.cfg.Verify
	t.Attempt = task.Env.Attempt
	t.base, t.began = &r.base, p.clock
	if t.Shard = p.frame.Shard; t.Shard == wire.NoShard && t.Env.Back != nil {
		t.Shard = t.Env.Back.Shard // it is finished there
	}
	timeout := m.Timeout
	if timeout == 0 || r.cfg.Timeout < 0 {
		timeout = r.cfg.Timeout
	}
	t.limit(timeout)
	return t
}

// Panic describes the value of a recovered panic. Call it in the deferred
// function: the stack it records is the panic's.
func Panic(v any) *wire.Failure {
	return &wire.Failure{Kind: fault.Crashed.String(), Message: fmt.Sprintf("panic: %v", v), Detail: string(debug.Stack())}
}

func fill(res *turn.Result, out *Outcome, took time.Duration) {
	res.Outcome = turn.Done
	if out.Panic {
		res.Outcome = turn.Panicked
	}
	res.Sends, res.Moved, res.Answer, res.Fail = out.Sends, out.Moved, out.Answer, out.Fail
	res.Unloaded, res.Took = out.Lost, wire.Time(took)
}

// settle notes what a finished task did to its object. Called with the baton.
func (r *Runner) settle(p *progress, task *turn.Task, obj *live, out *Outcome) {
	if obj == nil || task.Copy {
		return
	}
	obj.runs++
	if out.Wrote && !obj.dirty {
		obj.dirty = true
		r.dirty = append(r.dirty, task.Slot)
	}
	obj.failed = out.Panic || out.Lost
	if out.Lost && obj.dirty {
		r.undo(p, task.Slot, nil)
	}
}

// undo makes the tasks of slot that ran in this frame count as not run,
// because the instance that holds their changes is lost: each is to be run
// again alone. Why, if set, is the answer of the only one.
func (r *Runner) undo(p *progress, slot turn.Slot, why *wire.Failure) {
	obj := r.objects[slot]
	obj.dirty, obj.failed = false, true
	r.objects[slot] = nil
	for i := range p.frame.Tasks {
		res := &p.rep.Results[i]
		if p.frame.Tasks[i].Slot != slot || res.Outcome != turn.Done && res.Outcome != turn.Panicked {
			continue
		}
		if why != nil && obj.runs == 1 {
			*res = turn.Result{Index: i, Outcome: turn.Done, Fail: why, Unloaded: true, Took: res.Took}
			continue
		}
		*res = turn.Result{Index: i, Outcome: turn.Redo, Unloaded: true}
	}
}
