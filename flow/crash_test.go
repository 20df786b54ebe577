package flow_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

// mortal is a platform that dies at a commit, once.
type mortal struct {
	*situtest.Runtime
	died bool
}

// revive starts it again if it has died, and reports whether it had.
func (m *mortal) revive() bool {
	if !m.Crashed() {
		return false
	}
	m.died = true
	m.Restart()
	return true
}

// persist makes a call, which has an idempotency key, until it is answered, over a crash.
func persist[O any](t *testing.T, rt *mortal, c situ.Call[O]) (O, error) {
	t.Helper()
	for {
		out, err := situ.Do(t.Context(), rt, c)
		switch {
		case rt.revive():
		case err != nil && strings.Contains(err.Error(), "is being worked on"):
			rt.Pass(time.Second)
		default:
			return out, err
		}
	}
}

// must is persist of what is to succeed.
func must[O any](t *testing.T, rt *mortal, c situ.Call[O]) O {
	t.Helper()
	out, err := persist(t, rt, c)
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	return out
}

// everyCommit runs f with a crash at its first commit, at its second, and so on, until it
// is over before that.
func everyCommit(t *testing.T, code func(*flow.Flow, string) (string, error), least int, f func(*testing.T, *mortal)) {
	t.Helper()
	for crash := 1; ; crash++ {
		died := false
		situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
			m := &mortal{Runtime: rt}
			rt.CrashAt(crash)
			f(t, m)
			rt.Pass(time.Minute)
			m.revive()
			died = m.died
		})
		if t.Failed() {
			t.Fatalf("with a crash at commit %d", crash)
		}
		if !died {
			if t.Logf("%d commits", crash-1); crash <= least {
				t.Errorf("there are %d commits only", crash-1)
			}
			return
		}
		if crash > 200 {
			t.Fatal("it has no end")
		}
	}
}

// start begins workflow 1, without waiting for its end.
func start(t *testing.T, rt *mortal, in string) {
	t.Helper()
	for {
		_, err := situ.Start(t.Context(), rt, run.To("1", in).Idempotent("start"))
		if rt.revive() {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

// A saga that continues as new, is updated, and is cancelled, comes to the same end
// wherever it dies: what its last run did is undone, last first, once.
func TestSagaCrashes(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		off := 0
		flow.OnUpdate(f, discount, func(n int) (int, error) { off += n; return off, nil })
		for _, n := range []int{3, 5} {
			if _, err := flow.Await(f, pay.To("ann", n)); err != nil {
				return "", err
			}
			f.Undo(func(f *flow.Flow) error {
				_, err := flow.Await(f, refund.To("ann", n))
				return err
			})
		}
		if _, err := flow.Wait(f, approve); err != nil {
			return "", err
		}
		if f.Run() == 0 {
			return flow.ContinueAsNew[string](f, in+"+")
		}
		return "", situ.Errorf("late", "it was to be cancelled")
	}
	everyCommit(t, code, 8, func(t *testing.T, rt *mortal) {
		start(t, rt, "in")
		must(t, rt, approve.To("1", true).Idempotent("a"))
		for in := (flow.Info{}); in.Run != 1; { // the update is for the second run
			in = must(t, rt, flow.Of(orderType, "1").Info())
			rt.Pass(time.Second)
		}
		if got := must(t, rt, discount.To("1", 7).Idempotent("u")); got != 7 {
			t.Errorf("the update says %d", got)
		}
		must(t, rt, flow.Of(orderType, "1").Cancel().Idempotent("c"))
		if _, err := persist(t, rt, run.To("1", "in")); situ.CodeOf(err) != "cancelled" {
			t.Errorf("the caller got %v", err)
		}
		rt.revive()
		rt.CrashAt(0)                                                    // never more
		if got := rt.State(accountType, "ann"); got != `{"Balance":8}` { // of the first run
			t.Errorf("account %s", got)
		}
	})
}

// A reset has what came after it done again, once, and a terminated workflow stays so.
func TestResetCrashes(t *testing.T) {
	code := func(f *flow.Flow, _ string) (string, error) {
		for _, n := range []int{1, 10} {
			if _, err := flow.Await(f, pay.To("ann", n)); err != nil {
				return "", err
			}
		}
		_, err := flow.Step(f, "s", func(context.Context) (int, error) { return 1, nil })
		if err != nil {
			return "", err
		}
		_, err = flow.Wait(f, approve)
		return "", err
	}
	everyCommit(t, code, 8, func(t *testing.T, rt *mortal) {
		start(t, rt, "in")
		for in := (flow.Info{}); in.Entries != 5; rt.Pass(time.Second) { // two calls with their answers, and the step
			in = must(t, rt, flow.Of(orderType, "1").Info())
		}
		must(t, rt, flow.Of(orderType, "1").Reset(1).Idempotent("r"))
		for in := (flow.Info{}); in.Entries != 5; rt.Pass(time.Second) {
			in = must(t, rt, flow.Of(orderType, "1").Info())
		}
		must(t, rt, flow.Of(orderType, "1").Terminate("enough").Idempotent("t"))
		if _, err := persist(t, rt, run.To("1", "in")); situ.CodeOf(err) != "terminated" {
			t.Errorf("the caller got %v", err)
		}
		must(t, rt, flow.Of(orderType, "1").Purge().Idempotent("p"))
		rt.revive()
		rt.CrashAt(0) // never more
		if got := rt.State(accountType, "ann"); got != `{"Balance":21}` {
			t.Errorf("account %s", got)
		}
		if got := rt.State(orderType, "1"); got != "" {
			t.Errorf("purged: %s", got)
		}
	})
}

// Code that never gives way is parked after it was tried, and who terminates it meanwhile
// is answered then.
func TestTerminateWhatLoops(t *testing.T) {
	var stop chan struct{}
	code := func(f *flow.Flow, in string) (string, error) {
		if in == "block" {
			<-stop
			return "", nil
		}
		for {
			if _, err := flow.Step(f, "again", func(context.Context) (int, error) { return 1, nil }); err != nil {
				return "", err
			}
		}
	}
	for _, in := range []string{"block", "steps"} {
		situtest.Run(t, host(code, flow.Limit(300)), func(t *testing.T, rt *situtest.Runtime) {
			stop = make(chan struct{})
			defer close(stop)
			if _, err := situ.Start(t.Context(), rt, run.To("1", in)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			situtest.Do(rt, flow.Of(orderType, "1").Terminate("enough"))
			if took := time.Since(began); took > 10*time.Minute {
				t.Errorf("%s: to terminate it took %v", in, took)
			}
			if in := info(rt, "1"); in.Status != flow.Terminated {
				t.Errorf("%+v", in)
			}
		})
	}
}

// What a run asked for before it continued as new, or was reset, does not answer what was
// asked for since (C12).
func TestLateAnswers(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		got := flow.Start(f, decide.To(in+fmt.Sprint(f.Run()), ""))
		if f.Run() == 0 && in == "new" {
			return flow.ContinueAsNew[string](f, in)
		}
		v, err := got.Get()
		return v, err
	}
	situtest.Run(t, append(host(code), desks()), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("1", "new")); err != nil {
			t.Fatal(err)
		}
		rt.Settle()
		situtest.Do(rt, open.To("new0", "early"))
		rt.Crash()
		situtest.Do(rt, open.To("new1", "late"))
		if got := situtest.Do(rt, run.To("1", "new")); got != "late" {
			t.Errorf("continued as new: %q", got)
		}
	})
	situtest.Run(t, append(host(code), desks()), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("1", "reset")); err != nil {
			t.Fatal(err)
		}
		rt.Settle()
		situtest.Do(rt, flow.Of(orderType, "1").Reset(0)) // asks once more
		rt.Settle()
		if in := info(rt, "1"); in.Entries != 1 || in.Status != flow.Running {
			t.Errorf("%+v", in)
		}
		situtest.Do(rt, open.To("reset0", "both")) // answers both
		if got := situtest.Do(rt, run.To("1", "reset")); got != "both" {
			t.Errorf("reset: %q", got)
		}
		if in := info(rt, "1"); in.Entries != 2 {
			t.Errorf("two answers were taken: %+v", in)
		}
	})
}
