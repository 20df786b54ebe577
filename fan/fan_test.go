package fan_test

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/fan"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

// worker is an object that squares numbers, and counts how often it was asked.
type worker struct {
	Runs   int
	Caller situ.Promise[int]
}

// asker is an object that asks many workers.
type asker struct {
	Sum, Failed, Missing int
	Err                  string
}

type ask struct{ N, Limit, Need int }

var (
	workerType = situ.NewType("worker")
	square     = situ.NewMethod[int, int](workerType, "square")
	silent     = situ.NewMethod[int, int](workerType, "silent")
	speak      = situ.NewMethod[int, situ.None](workerType, "speak")
	runs       = situ.NewMethod[situ.None, int](workerType, "runs", situ.ReadOnly)

	askerType = situ.NewType("asker")
	collect   = situ.NewMethod[ask, asker](askerType, "collect")
	collected = situ.NewMethod[situ.Reply[fan.Results[int], int], asker](askerType, "collected")
	seen      = situ.NewMethod[situ.None, asker](askerType, "seen", situ.ReadOnly)
	relay     = situ.NewFunc[ask, fan.Results[int]]("relay")

	jobType = situ.NewType("sums")
	sum     = fan.New[int, total](jobType, "sum")

	flowType = situ.NewType("flows")
	flowRun  = situ.NewMethod[int, int](flowType, "run")
)

type total struct{ Sum, Failed int }

func squares(n int) (calls []situ.Call[int]) {
	for i := range n {
		calls = append(calls, square.To(strconv.Itoa(i), i))
	}
	return calls
}

func components(plan fan.Plan[int, int, total, total]) []situ.Component {
	if plan.Calls == nil {
		plan.Calls = func(n, from int) iter.Seq[situ.Call[int]] {
			return func(yield func(situ.Call[int]) bool) {
				for i := from; i < n && yield(square.To(strconv.Itoa(i), i)); i++ {
				}
			}
		}
	}
	if plan.Fold == nil {
		plan.Fold = func(s *total, r fan.Result[int]) error {
			if r.Err != nil {
				s.Failed++
			}
			s.Sum += r.Value
			return nil
		}
	}
	if plan.Done == nil {
		plan.Done = func(s *total, _ fan.Progress) (total, error) { return *s, nil }
	}
	return []situ.Component{fan.Component(), fan.Host(sum, plan),
		situ.Object(workerType,
			situ.On(square, func(w *worker, _ *situ.Turn, n int) (int, error) {
				if n%10 == 7 {
					return 0, situ.Errorf("seven", "%d ends with a seven", n)
				}
				w.Runs++
				return n * n, nil
			}),
			situ.On(silent, func(w *worker, t *situ.Turn, _ int) (int, error) { return situ.Hold(t, &w.Caller) }),
			situ.On(speak, func(w *worker, t *situ.Turn, n int) (none situ.None, err error) {
				situ.Resolve(t, &w.Caller, n)
				return none, nil
			}),
			situ.On(runs, func(w *worker, _ *situ.Turn, _ situ.None) (int, error) { return w.Runs, nil })),
		situ.Object(askerType,
			situ.On(collect, func(_ *asker, t *situ.Turn, in ask) (asker, error) {
				opts := []fan.Option{fan.Limit(in.Limit)}
				if in.Need > 0 {
					opts = append(opts, fan.Need(in.Need))
				}
				return situ.Then(t, fan.Gather(squares(in.N), opts...), collected, in.N)
			}),
			situ.On(collected, func(a *asker, _ *situ.Turn, r situ.Reply[fan.Results[int], int]) (asker, error) {
				if err := r.Err(); err != nil {
					return asker{}, err
				}
				*a = asker{Failed: r.Value.Failed}
				for i, v := range r.Value.Good() {
					if v != i*i {
						a.Err = fmt.Sprintf("result %d is %d", i, v)
					}
					a.Sum += v
				}
				for _, it := range r.Value.Items {
					if it.Missing {
						a.Missing++
					}
				}
				return *a, nil
			}),
			situ.On(seen, func(a *asker, _ *situ.Turn, _ situ.None) (asker, error) { return *a, nil })),
		situ.Function(relay, func(t *situ.Turn, in ask) (fan.Results[int], error) {
			return situ.Tail(t, fan.Gather(squares(in.N)))
		}),
		flow.Workflow(flowType, flowRun, func(f *flow.Flow, n int) (int, error) {
			r, err := flow.Await(f, fan.Gather(squares(n), fan.As(f.Key()+"-squares")))
			if err != nil {
				return 0, err
			}
			sum := 0
			for _, v := range r.Good() {
				sum += v
			}
			return sum, flow.Sleep(f, time.Second)
		})}
}

// want returns the sum of the squares below n, and how many fail.
func want(n int) (sum, failed int) {
	for i := range n {
		if i%10 == 7 {
			failed++
		} else {
			sum += i * i
		}
	}
	return sum, failed
}

// A gather has all results in the order of the calls, with an error in the place of
// each that failed; from an object, a function, a workflow and from outside.
func TestGather(t *testing.T) {
	for _, in := range []ask{{1, 1, 0}, {10, 1000, 0}, {100, 3, 0}, {2500, 1000, 0}, {2500, 2500, 0}} {
		sum, failed := want(in.N)
		situtest.Options{Shards: 4}.Run(t, components(fan.Plan[int, int, total, total]{}), func(t *testing.T, rt *situtest.Runtime) {
			if got := situtest.Do(rt, collect.To("k", in)); got != (asker{Sum: sum, Failed: failed}) {
				t.Errorf("%v: %+v, want %d and %d failed", in, got, sum, failed)
			}
			r := situtest.Do(rt, relay.With(in))
			if _, err := r.Values(); r.OK != in.N-failed || (err != nil) != (failed > 0) {
				t.Errorf("%v by a function: %d ok, %v", in, r.OK, err)
			}
			if failed > 0 && situ.CodeOf(r.Items[7].Err()) != "seven" {
				t.Errorf("%v: result 7 is %+v", in, r.Items[7])
			}
			if got := situtest.Do(rt, flowRun.To("f", in.N)); got != sum {
				t.Errorf("%v in a workflow: %d, want %d", in, got, sum)
			}
			if st := rt.State(situ.NewType("gather"), "f-squares"); st != "" {
				t.Errorf("%v: the object of the gather is still there: %s", in, st)
			}
		})
	}
}

// The first k results are an answer; those of the others are missing, and change
// nothing when they come.
func TestGatherFirst(t *testing.T) {
	situtest.Run(t, components(fan.Plan[int, int, total, total]{}), func(t *testing.T, rt *situtest.Runtime) {
		calls := []situ.Call[int]{silent.To("a", 0), square.To("b", 2), square.To("c", 7), silent.To("d", 0), square.To("e", 3)}
		r := situtest.Do(rt, fan.Gather(calls, fan.Need(2), fan.As("g")))
		if r.OK != 2 || r.Failed != 1 || !r.Items[0].Missing || r.Items[1].Value != 4 || r.Items[2].Fail == nil || r.Items[4].Value != 9 {
			t.Errorf("%+v", r)
		}
		situtest.Do(rt, speak.To("a", 5))
		rt.Pass(time.Second)
		if st := rt.State(situ.NewType("gather"), "g"); st != "" {
			t.Errorf("a late result made an object: %s", st)
		}
		// So many fail that there cannot be enough.
		r = situtest.Do(rt, fan.Gather([]situ.Call[int]{square.To("b", 7), silent.To("f", 0), square.To("c", 17)}, fan.Need(2)))
		if r.OK != 0 || r.Failed != 2 || !r.Items[1].Missing {
			t.Errorf("%+v", r)
		}
	})
}

// What cannot be gathered is an error of the verb, before anything is written.
func TestGatherWrong(t *testing.T) {
	none := situ.NewMethod[int, int](situ.NewType("none"), "none")
	situtest.Run(t, components(fan.Plan[int, int, total, total]{}), func(t *testing.T, rt *situtest.Runtime) {
		for name, c := range map[string]situ.Call[fan.Results[int]]{
			"invalid: gather: a limit of 0 calls: want 1 at least":                 fan.Gather(squares(3), fan.Limit(0)),
			"invalid: gather: 4 results of 3 calls are needed: want 1 to 3":        fan.Gather(squares(3), fan.Need(4)),
			"too-large: gather: 10001 calls, and 10000 are allowed: use a fan.Job": fan.Gather(squares(fan.MaxCalls + 1)),
			"invalid: gather: call 1: wire.key: the key is empty":                  fan.Gather([]situ.Call[int]{square.To("a", 1), square.To("", 1)}),
		} {
			err := situtest.DoErr(rt, c)
			var e *situ.Error
			if !errors.As(err, &e) {
				t.Errorf("%v, want %s", err, name)
			} else if got := e.Kind + ": " + e.Message; got != name {
				t.Errorf("%q\nwant %q", got, name)
			}
		}
		r := situtest.Do(rt, fan.Gather([]situ.Call[int]{none.To("a", 1), square.To("b", 3)}))
		if r.Failed != 1 || r.Items[0].Fail == nil || r.Items[0].Fail.Kind != "not-found" || r.Items[1].Value != 9 {
			t.Errorf("%+v", r)
		}
		if r := situtest.Do(rt, fan.Gather([]situ.Call[int](nil))); len(r.Items) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A job folds the result of each call once. It has no more of them under way than
// its limit, and goes on where it was after a crash at each commit.
func TestJob(t *testing.T) {
	const n = 3200
	plan := fan.Plan[int, int, total, total]{Limit: 1500}
	wantSum, wantFailed := want(n)
	commits := 0
	situtest.Options{Shards: 3}.Run(t, components(plan), func(t *testing.T, rt *situtest.Runtime) {
		if got := situtest.Do(rt, sum.To("k", n)); got != (total{wantSum, wantFailed}) {
			t.Errorf("%+v, want %d and %d", got, wantSum, wantFailed)
		}
		p := situtest.Do(rt, sum.Progress("k"))
		if p.Phase != "done" || p.OK != n-wantFailed || p.Failed != wantFailed || p.Open != 0 || p.Begun != n || p.Dropped != 0 {
			t.Errorf("%+v", p)
		}
		if got := situtest.Do(rt, sum.To("k", 10)); got.Sum != 285-49 {
			t.Errorf("run again: %+v", got)
		}
	})
	for at := 1; at < 200; at += 1 + at/8 {
		over := false
		situtest.Options{Shards: 3}.Run(t, components(plan), func(t *testing.T, rt *situtest.Runtime) {
			rt.CrashAt(at)
			err := situtest.DoErr(rt, sum.To("k", n).Idempotent("once"))
			over = !rt.Crashed()
			if over != (err == nil) {
				t.Errorf("crash at commit %d: %v", at, err)
			}
			rt.Restart()
			rt.Pass(10 * time.Second)
			if got := situtest.Do(rt, sum.To("k", n).Idempotent("once")); got != (total{wantSum, wantFailed}) {
				t.Errorf("crash at commit %d: %+v, want %d and %d", at, got, wantSum, wantFailed)
			}
			for i := range n {
				times := 1
				if i%10 == 7 {
					times = 0
				}
				if got := situtest.Do(rt, runs.To(strconv.Itoa(i), situ.None{})); got != times {
					t.Fatalf("crash at commit %d: call %d was carried out %d times", at, i, got)
				}
			}
		})
		if over {
			break
		}
		commits++
	}
	if commits < 5 {
		t.Errorf("there were %d crashes only", commits)
	}
}
