package host

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Config says how a Runner runs turns. Its zero value works.
type Config struct {
	// Patience is how long a handler may run before the tasks behind it go on
	// without it, on another goroutine. Default 2 ms.
	Patience time.Duration
	// Slice is how long a frame may take before the rest of its tasks is given
	// back, so that what has run can be committed. Default 5 ms.
	Slice time.Duration
	// Timeout is how long a handler may run at all when its method does not
	// say: after it, its context is cancelled and the turn counts as failed.
	// Default 1 minute; negative is never (for a debugger).
	Timeout time.Duration
	// Grace is how long a handler may take to return after its context was
	// cancelled before its object is given up and loaded anew. Default 1 s.
	Grace time.Duration
	// MaxState bounds an object's state, in bytes. Default 16 MiB.
	MaxState int
	// Verify checks that read-only methods write nothing, at the price of
	// encoding the state twice. For tests and development.
	Verify bool
	// Log receives what handlers log. Default: discarded.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Patience == 0 {
		c.Patience = 2 * time.Millisecond
	}
	if c.Slice == 0 {
		c.Slice = 5 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Grace == 0 {
		c.Grace = time.Second
	}
	if c.MaxState == 0 {
		c.MaxState = 16 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// live is a resident object. All but away belong to the goroutine that holds
// the baton; while away is set, inst belongs to the detached turn.
type live struct {
	id     wire.ObjectID
	typ    *Type
	inst   Instance
	away   atomic.Bool
	frame  uint64 // the frame that dirty, failed and runs speak of
	dirty  bool
	failed bool // a task of this frame did not end well: skip the rest
	runs   int
}

// Runner runs the frames of one shard, one at a time and in order. Submit
// hands a frame over; reports come on Reports, the frame's own first and later
// those of tasks that were detached.
//
// One goroutine owns the objects and runs the tasks. When a handler does not
// return, a timer takes the ownership (the baton) away from that goroutine and
// gives it to a new one: law 9, a slow handler delays its own object only. A
// method that was slow once gets a goroutine of its own for its next runs.
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

	// Owned by the goroutine that holds the baton.
	objects []*live        // by slot
	slow    map[string]int // methods that were slow: runs to make apart
}

// progress is the state of a frame being run. It outlives the goroutine that
// began it.
type progress struct {
	frame *turn.Frame
	began time.Time
	next  int
	rep   *turn.Report
	dirty []turn.Slot
	apart *apart // the task being run, in case it is detached
	seen  uint64 // what the timer saw last

	// baton is the number of the task being run, shifted left; the lowest bit
	// is set while a handler runs. Whoever swaps that value away goes on with
	// the frame: the goroutine that ran the handler, or the timer.
	baton atomic.Uint64
}

// skip gives the rest of the frame back.
func (p *progress) skip() {
	for i := p.next; i < len(p.frame.Tasks); i++ {
		p.rep.Results[i] = turn.Result{Index: i, Outcome: turn.Skipped, Unloaded: p.frame.Tasks[i].Load != nil}
	}
}

// slowRuns is how many runs of a method are made apart after it was slow.
const slowRuns = 64

// NewRunner starts a runner for set. Close it.
func NewRunner(set *Set, cfg Config) *Runner {
	ctx, stop := context.WithCancel(context.Background())
	r := &Runner{set: set, cfg: cfg.withDefaults(), ctx: ctx, stop: stop,
		frames: make(chan *turn.Frame, 1), reports: make(chan *turn.Report, 64),
		objects: make([]*live, 1), slow: map[string]int{}}
	r.timer = time.AfterFunc(time.Hour, r.check)
	r.timer.Stop()
	r.owner.Add(1)
	go r.work(nil)
	return r
}

// Submit hands a frame over. The next one may be submitted after the report of
// this one. It does nothing after Close.
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
}

// work runs frames, beginning with the rest of p, until Close or until the
// baton is taken from it.
func (r *Runner) work(p *progress) {
	for {
		if p == nil {
			select {
			case f := <-r.frames:
				p = &progress{frame: f, began: time.Now(), rep: &turn.Report{Frame: f.Seq, Results: make([]turn.Result, len(f.Tasks))}}
				r.drop(f.Drop)
				r.active.Store(p)
				r.timer.Reset(r.cfg.Patience)
			case <-r.ctx.Done():
				r.owner.Done()
				return
			}
		}
		for ; p.next < len(p.frame.Tasks); p.next++ {
			if p.next&15 == 15 && time.Since(p.began) > r.cfg.Slice {
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
		r.report(p.rep)
		p = nil
	}
}

func (r *Runner) drop(slots []turn.Slot) {
	for _, s := range slots {
		if int(s) < len(r.objects) {
			r.objects[s] = nil
		}
	}
}

func (r *Runner) report(rep *turn.Report) {
	select {
	case r.reports <- rep:
	case <-r.ctx.Done():
	}
}

// check runs on the timer while a frame runs: when the same handler has been
// running since the last look, it takes the baton and goes on without it.
func (r *Runner) check() {
	p := r.active.Load()
	if p == nil || r.ctx.Err() != nil && p.baton.Load()&1 == 0 {
		return
	}
	now := p.baton.Load()
	if now&1 == 1 && now == p.seen && p.baton.CompareAndSwap(now, 0) {
		i := int(now >> 1)
		r.slow[slowKey(p.frame.Tasks[i].Env.To)] = slowRuns
		r.detach(p, i, p.apart)
		p.next = i + 1
		go r.work(p) // the goroutine in the handler is no longer the owner
	}
	p.seen = p.baton.Load()
	if r.active.Load() == p {
		r.timer.Reset(r.cfg.Patience)
	}
}

func slowKey(a wire.Address) string { return a.Type + "." + a.Method }

// task runs task i. It returns false when the baton was taken meanwhile.
func (r *Runner) task(p *progress, i int) bool {
	task, res := &p.frame.Tasks[i], &p.rep.Results[i]
	res.Index = i
	obj, run, fail := r.prepare(task)
	if fail != nil {
		res.Outcome, res.Fail, res.Unloaded = turn.Done, fail, obj == nil
		return true
	}
	if run == nil {
		res.Outcome, res.Unloaded = turn.Skipped, true
		return true
	}
	if obj != nil && obj.frame != p.frame.Seq {
		obj.frame, obj.dirty, obj.failed, obj.runs = p.frame.Seq, false, false, 0
	}
	if obj != nil && (obj.away.Load() || obj.failed) {
		res.Outcome = turn.Skipped
		return true
	}
	a := &apart{r: r, frame: p.frame.Seq, task: task, obj: obj, began: time.Now()}
	a.away.Add(1)
	a.turn, a.timeout = r.turn(p.frame, task, a.began)
	if len(r.slow) > 0 {
		if key := slowKey(task.Env.To); r.slow[key] > 0 {
			r.slow[key]--
			r.detach(p, i, a)
			go func() { a.end(guard(run, a.turn)) }()
			return true
		}
	}
	p.apart = a
	p.baton.Store(uint64(i)<<1 | 1)
	out := guard(run, a.turn)
	if !p.baton.CompareAndSwap(uint64(i)<<1|1, uint64(i+1)<<1) {
		a.end(out)
		return false
	}
	fill(res, out, time.Since(a.began))
	r.settle(p, task, obj, out)
	return true
}

// prepare finds what a task needs: its object, made live if the task brings a
// state, and the code to run. A failure is the task's answer.
func (r *Runner) prepare(task *turn.Task) (*live, func(*Turn) Outcome, *wire.Failure) {
	to := task.Env.To
	if to.Function() {
		f := r.set.Functions[to.Method]
		if f == nil {
			return nil, nil, missing("function", to)
		}
		return nil, f.Run, nil
	}
	typ := r.set.Types[to.Type]
	if typ == nil {
		return nil, nil, missing("type", to)
	}
	var obj *live
	if int(task.Slot) < len(r.objects) && !task.Copy {
		obj = r.objects[task.Slot]
	}
	if task.Load != nil {
		obj = &live{id: to.Object(), typ: typ, inst: typ.New()}
		if err := obj.inst.Load(task.Load); err != nil {
			return nil, nil, wire.FailureOf(fault.Wrap(fault.Corrupt, "load state of", to.Object().String(), err))
		}
		if !task.Copy {
			r.keep(task.Slot, obj)
		}
	}
	if obj != nil && typ.Methods[to.Method] == nil {
		return obj, nil, missing("method", to)
	}
	if obj == nil {
		return nil, nil, nil // an earlier task of the frame could not load it
	}
	return obj, obj.inst.Run, nil
}

func (r *Runner) keep(s turn.Slot, obj *live) {
	if int(s) >= len(r.objects) {
		r.objects = append(r.objects, make([]*live, max(int(s)+1, 2*len(r.objects))-len(r.objects))...)
	}
	r.objects[s] = obj
}

func missing(what string, to wire.Address) *wire.Failure {
	return wire.FailureOf(fault.New(fault.NotFound, "run", to.String(), "the program has no such %s", what))
}

func (r *Runner) turn(f *turn.Frame, task *turn.Task, began time.Time) (*Turn, time.Duration) {
	timeout := r.cfg.Timeout
	to := task.Env.To
	d := time.Duration(0)
	if to.Function() {
		d = r.set.Functions[to.Method].Timeout
	} else {
		d = r.set.Types[to.Type].Methods[to.Method].Timeout
	}
	if d != 0 && timeout > 0 {
		timeout = d
	}
	t := &Turn{Env: task.Env, Now: f.Now, Seed: task.Seed, Log: r.cfg.Log, Verify: r.cfg.Verify}
	if timeout > 0 {
		t.deadline = began.Add(timeout)
	}
	return t, timeout
}

// guard runs user code and turns a panic into an outcome.
func guard(run func(*Turn) Outcome, t *Turn) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			out = Outcome{Panic: true, Lost: true, Fail: Panic(v)}
		}
	}()
	return run(t)
}

// Panic describes the value of a recovered panic. Call it in the deferred
// function: the stack it records is the panic's.
func Panic(v any) *wire.Failure {
	return &wire.Failure{Kind: fault.Crashed.String(), Message: fmt.Sprintf("panic: %v", v), Detail: string(debug.Stack())}
}

func fill(res *turn.Result, out Outcome, took time.Duration) {
	res.Outcome = turn.Done
	if out.Panic {
		res.Outcome = turn.Panicked
	}
	res.Sends, res.Moved, res.Answer, res.Fail = out.Sends, out.Moved, out.Answer, out.Fail
	res.Unloaded, res.Took = out.Lost, wire.Time(took)
}

// settle notes what a finished task did to its object. Called with the baton.
func (r *Runner) settle(p *progress, task *turn.Task, obj *live, out Outcome) {
	if obj == nil || task.Copy {
		return
	}
	obj.runs++
	if out.Wrote && !obj.dirty {
		obj.dirty = true
		p.dirty = append(p.dirty, task.Slot)
	}
	obj.failed = out.Panic || out.Lost
	if out.Lost && obj.dirty {
		r.undo(p, task.Slot, nil)
	}
}

// undo makes the finished tasks of slot in this frame count as not run,
// because the instance that holds their changes is lost. Why, if set, is the
// answer of the only one.
func (r *Runner) undo(p *progress, slot turn.Slot, why *wire.Failure) {
	obj := r.objects[slot]
	obj.dirty, obj.failed = false, true
	r.objects[slot] = nil
	for i := range p.frame.Tasks {
		res := &p.rep.Results[i]
		if p.frame.Tasks[i].Slot != slot || res.Outcome != turn.Done {
			continue
		}
		*res = turn.Result{Index: i, Outcome: turn.Redo, Unloaded: true}
		if why != nil && obj.runs == 1 {
			*res = turn.Result{Index: i, Outcome: turn.Done, Fail: why, Unloaded: true}
		}
	}
}

// finish gathers the net changes of the frame.
func (r *Runner) finish(p *progress) {
	for _, slot := range p.dirty {
		obj := r.objects[slot]
		if obj == nil || obj.frame != p.frame.Seq || !obj.dirty {
			continue // undone, or gone with a detached turn
		}
		c := turn.Change{Slot: slot}
		if fail := r.changes(obj, &c); fail != nil {
			r.undo(p, slot, fail)
			continue
		}
		p.rep.Changes = append(p.rep.Changes, c)
	}
}

func (r *Runner) changes(obj *live, c *turn.Change) (fail *wire.Failure) {
	defer func() {
		if v := recover(); v != nil {
			fail = Panic(v)
		}
	}()
	if err := obj.inst.Changes(c); err != nil {
		return wire.FailureOf(fault.Wrap(fault.Invalid, "encode state of", obj.id.String(), err))
	}
	if c.Size > r.cfg.MaxState {
		return wire.FailureOf(fault.New(fault.TooLarge, "commit state of", obj.id.String(),
			"the turn would make it %d bytes; at most %d are allowed: move what grows into objects of its own", c.Size, r.cfg.MaxState))
	}
	return nil
}
