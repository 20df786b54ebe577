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

// The contract: orders that reserve, wait for a decision, and pay from an
// account.
var (
	orderType = situ.NewType("order")
	run       = situ.NewMethod[string, string](orderType, "run")
	approve   = flow.NewSignal[bool](orderType, "approve")
	stage     = flow.NewQuery[situ.None, string](orderType, "stage")
	discount  = flow.NewUpdate[int, int](orderType, "discount")

	accountType = situ.NewType("account")
	pay         = situ.NewMethod[int, int](accountType, "pay")
	refund      = situ.NewMethod[int, int](accountType, "refund")
)

type account struct{ Balance int }

func accounts() situ.Component {
	return situ.Object(accountType,
		situ.On(pay, func(a *account, _ *situ.Turn, n int) (int, error) {
			if n > 100 {
				return 0, situ.Errorf("too-much", "%d is too much", n)
			}
			a.Balance += n
			return a.Balance, nil
		}),
		situ.On(refund, func(a *account, _ *situ.Turn, n int) (int, error) { a.Balance -= n; return a.Balance, nil }))
}

// host hosts code as the workflow of orders.
func host(code func(*flow.Flow, string) (string, error), options ...flow.Option) []situ.Component {
	return []situ.Component{accounts(), flow.Workflow(orderType, run, code, options...)}
}

func info(rt *situtest.Runtime, key string) flow.Info {
	return situtest.Do(rt, flow.Of(orderType, key).Info())
}

// A workflow of every kind of wait has its result, also when the platform dies
// at any commit, and its steps are in order.
func TestWaits(t *testing.T) {
	var steps []string
	step := func(name string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			if n := len(steps); n == 0 || steps[n-1] != name {
				steps = append(steps, name)
			}
			return name, nil
		}
	}
	code := func(f *flow.Flow, in string) (string, error) {
		a, err := flow.Step(f, "one", step("one"))
		if err != nil {
			return "", err
		}
		b, err := flow.Step(f, "two", step("two"))
		if err != nil {
			return "", err
		}
		n, err := flow.Await(f, pay.To("ann", 7))
		if err != nil {
			return "", err
		}
		if err := flow.Sleep(f, time.Hour); err != nil {
			return "", err
		}
		ok, err := flow.Wait(f, approve)
		if err != nil {
			return "", err
		}
		c, err := flow.Step(f, "three", step("three"))
		return fmt.Sprint(in, a, b, n, ok, c), err
	}
	const want = "x onetwo7 truethree"
	for crash := range 14 {
		steps = nil
		situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
			if crash > 0 {
				rt.CrashAt(crash)
			}
			start := func() (string, error) { return situ.Start(t.Context(), rt, run.To("1", "x ").Idempotent("k")) }
			signal := func() error {
				_, err := situ.Do(t.Context(), rt, approve.To("1", true).Idempotent("s"))
				return err
			}
			again := func(err error) bool {
				if rt.Crashed() {
					rt.Restart()
					return true
				}
				if err != nil && strings.Contains(err.Error(), "is being worked on") {
					rt.Pass(time.Minute)
					return true
				}
				if err != nil {
					t.Fatal(err)
				}
				return false
			}
			for _, err := start(); again(err); _, err = start() {
			}
			rt.Pass(2 * time.Hour)
			again(nil)
			rt.Pass(2 * time.Hour)
			for err := signal(); again(err); err = signal() {
			}
			rt.Pass(time.Minute)
			again(nil)
			rt.Pass(time.Minute)
			again(nil)
			rt.CrashAt(0) // never more
			if got := situtest.Do(rt, run.To("1", "x ")); got != want {
				t.Errorf("crash at commit %d: result %q, want %q", crash, got, want)
			}
			if got := strings.Join(steps, " "); got != "one two three" {
				t.Errorf("crash at commit %d: steps %q", crash, got)
			}
			if in := info(rt, "1"); in.Status != flow.Completed {
				t.Errorf("crash at commit %d: %+v", crash, in)
			}
			if got := rt.State(accountType, "ann"); got != `{"Balance":7}` {
				t.Errorf("crash at commit %d: account %s", crash, got)
			}
		})
	}
}

// Who starts a workflow that runs waits for the same result; with another input
// it is told.
func TestStartAgain(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) { return in, flow.Sleep(f, time.Hour) }
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		a, b := situtest.Go(rt, run.To("1", "in")), situtest.Go(rt, run.To("1", "in"))
		rt.Settle()
		if err := situtest.DoErr(rt, run.To("1", "other")); situ.CodeOf(err) != "started" {
			t.Errorf("another input: %v", err)
		}
		if in := info(rt, "1"); in.Callers != 2 || len(in.Waits) != 1 {
			t.Errorf("while it waits: %+v", in)
		}
		if a() != "in" || b() != "in" {
			t.Error("the callers got something else")
		}
		rt.Pass(25 * time.Hour)
		if got := rt.State(orderType, "1"); got != "" {
			t.Errorf("a day after its end there is %s", got)
		}
	})
}

// A workflow that is cancelled undoes what it did, last first, and its callers
// are told.
func TestCancel(t *testing.T) {
	code := func(f *flow.Flow, _ string) (string, error) {
		for _, n := range []int{3, 4} {
			if _, err := flow.Await(f, pay.To("ann", n)); err != nil {
				return "", err
			}
			f.Undo(func(f *flow.Flow) error {
				_, err := flow.Await(f, refund.To("ann", n))
				return err
			})
		}
		_, err := flow.Wait(f, approve)
		return "", err
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		done := make(chan error, 1)
		go func() { done <- situtest.DoErr(rt, run.To("1", "in")) }()
		rt.Settle()
		rt.Trace()
		situtest.Do(rt, flow.Of(orderType, "1").Cancel())
		if err := <-done; situ.CodeOf(err) != "cancelled" {
			t.Errorf("the caller got %v", err)
		}
		if got := rt.Trace(); strings.Count(got, "refund") != 2 {
			t.Errorf("turns:\n%s", got)
		}
		if got := rt.State(accountType, "ann"); got != `{"Balance":0}` {
			t.Errorf("account %s", got)
		}
	})
}

// Queries and updates are answered by the code, whether it is in memory or not.
func TestQueriesAndUpdates(t *testing.T) {
	code := func(f *flow.Flow, _ string) (string, error) {
		at, off := "start", 0
		flow.OnQuery(f, stage, func(situ.None) (string, error) { return fmt.Sprint(at, off), nil })
		flow.OnUpdate(f, discount, func(n int) (int, error) {
			if n > 50 {
				return 0, situ.Errorf("too-much", "at most 50")
			}
			off += n
			return off, nil
		})
		if _, err := flow.Wait(f, approve); err != nil {
			return "", err
		}
		at = "approved"
		return fmt.Sprint(at, off), flow.Sleep(f, time.Hour)
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("1", "")); err != nil {
			t.Fatal(err)
		}
		for i, crash := range []bool{false, true, false} {
			if crash {
				rt.Crash()
			}
			if got := situtest.Do(rt, discount.To("1", 5)); got != 5*(i+1) {
				t.Errorf("update %d: %d", i, got)
			}
			if got, want := situtest.Do(rt, stage.To("1", situ.None{})), fmt.Sprint("start", 5*(i+1)); got != want {
				t.Errorf("query %d: %q, want %q", i, got, want)
			}
		}
		if err := situtest.DoErr(rt, discount.To("1", 51)); situ.CodeOf(err) != "too-much" {
			t.Errorf("a refused update: %v", err)
		}
		situtest.Do(rt, approve.To("1", true))
		rt.Crash()
		if got := situtest.Do(rt, stage.To("1", situ.None{})); got != "approved15" {
			t.Errorf("query: %q", got)
		}
		if got := situtest.Do(rt, run.To("1", "")); got != "approved15" {
			t.Errorf("result: %q", got)
		}
	})
}

// Code that is not what it was is parked with a reason that names the place. It
// goes on when it is back, or when the workflow is reset.
func TestMismatch(t *testing.T) {
	who := "ann"
	code := func(f *flow.Flow, _ string) (string, error) {
		if _, err := flow.Await(f, pay.To(who, 1)); err != nil {
			return "", err
		}
		_, err := flow.Wait(f, approve)
		return who, err
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		parked := func(key string) {
			t.Helper()
			who = "bob"
			rt.Crash()
			situtest.Do(rt, approve.To(key, true))
			in := info(rt, key)
			if in.Status != flow.Parked || !strings.Contains(in.Reason, `command 0 was "call account/ann.pay", the code has "call account/bob.pay" instead`) {
				t.Errorf("%+v", in)
			}
		}
		for _, key := range []string{"back", "reset"} {
			who = "ann"
			if _, err := situ.Start(t.Context(), rt, run.To(key, "")); err != nil {
				t.Fatal(err)
			}
			rt.Settle()
			parked(key)
		}
		who = "ann"
		situtest.Do(rt, flow.Of(orderType, "back").Resume())
		if got := situtest.Do(rt, run.To("back", "")); got != "ann" {
			t.Errorf("resumed: %q", got)
		}
		if got := situtest.Do(rt, flow.Of(orderType, "reset").Journal()); len(got) != 3 || *got[0].Command != 0 || got[0].Name != "call account/ann.pay" ||
			*got[1].Of != 0 || string(got[1].Value) != "2" || got[2].Kind != "signal" || string(got[2].Value) != "true" {
			t.Errorf("journal: %+v", got)
		}
		who = "bob"
		situtest.Do(rt, flow.Of(orderType, "reset").Reset(0))
		situtest.Do(rt, approve.To("reset", true)) // the first came after the reset
		if got := situtest.Do(rt, run.To("reset", "")); got != "bob" {
			t.Errorf("reset: %q", got)
		}
		if err := situtest.DoErr(rt, flow.Of(orderType, "reset").Resume()); err == nil || !strings.Contains(err.Error(), "completed, not parked") {
			t.Errorf("resume of what is over: %v", err)
		}
		if err := situtest.DoErr(rt, flow.Of(orderType, "reset").Reset(7)); err == nil || !strings.Contains(err.Error(), "commands 0 to 0, and no 7") {
			t.Errorf("reset too far: %v", err)
		}
	})
}

// A change behind a Version does not disturb a workflow that has passed the
// place, and is made in a new one.
func TestVersion(t *testing.T) {
	changed := false
	code := func(f *flow.Flow, _ string) (string, error) {
		n := 1
		if changed && flow.Version(f, "two", 1) >= 1 {
			n = 2
		}
		if _, err := flow.Await(f, pay.To("ann", n)); err != nil {
			return "", err
		}
		_, err := flow.Wait(f, approve)
		return fmt.Sprint(n), err
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		for i, key := range []string{"old", "new"} {
			if _, err := situ.Start(t.Context(), rt, run.To(key, "")); err != nil {
				t.Fatal(err)
			}
			rt.Settle()
			changed = true
			rt.Crash()
			situtest.Do(rt, approve.To(key, true))
			if got := situtest.Do(rt, run.To(key, "")); got != fmt.Sprint(i+1) {
				t.Errorf("%s: %q", key, got)
			}
		}
	})
}

// What cannot go on is parked, with the reason: code that panics, after it was
// tried again, and a journal that is full. It can be terminated always.
func TestParked(t *testing.T) {
	runs := 0
	code := func(f *flow.Flow, in string) (string, error) {
		if in == "panic" {
			runs++
			panic("oh")
		}
		for {
			if _, err := flow.Wait(f, approve); err != nil {
				return "", err
			}
		}
	}
	situtest.Run(t, host(code, flow.Limit(20)), func(t *testing.T, rt *situtest.Runtime) {
		start := func(in string) {
			t.Helper()
			if _, err := situ.Start(t.Context(), rt, run.To(in, in)); err != nil {
				t.Fatal(err)
			}
			rt.Pass(time.Minute)
		}
		start("panic")
		if in := info(rt, "panic"); in.Status != flow.Parked || !strings.HasPrefix(in.Reason, "its code panicked: oh") || runs != 3 {
			t.Errorf("after %d runs: %+v", runs, in)
		}
		start("full")
		var err error
		warned := 0
		for range 30 {
			in := info(rt, "full")
			if in.Warning != "" && in.Status == flow.Running && warned == 0 {
				warned = in.Entries
			}
			if err = situtest.DoErr(rt, approve.To("full", true)); err != nil {
				break
			}
		}
		if in := info(rt, "full"); in.Status != flow.Parked || in.Entries != 20 || !strings.Contains(in.Reason, "flow.ContinueAsNew") || err == nil {
			t.Errorf("full: %+v, %v", in, err)
		}
		if warned != 10 {
			t.Errorf("the warning came with %d entries of 20", warned)
		}
		for _, key := range []string{"panic", "full"} {
			situtest.Do(rt, flow.Of(orderType, key).Terminate("enough"))
			if err := situtest.DoErr(rt, run.To(key, key)); situ.CodeOf(err) != "terminated" || !strings.Contains(err.Error(), "enough") {
				t.Errorf("%s, terminated: %v", key, err)
			}
			situtest.Do(rt, flow.Of(orderType, key).Purge())
			if got := rt.State(orderType, key); got != "" {
				t.Errorf("%s, purged: %s", key, got)
			}
		}
		if got := rt.DeadLetters(); got != "" {
			t.Errorf("dead letters: %s", got)
		}
	})
}

// A workflow that continues as new has a new journal, and keeps its callers and
// the signals it has not taken.
func TestContinueAsNew(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		if _, err := flow.Wait(f, approve); err != nil {
			return "", err
		}
		if f.Run() < 3 {
			return flow.ContinueAsNew[string](f, in+"+")
		}
		return in, nil
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		result := situtest.Go(rt, run.To("1", "in"))
		rt.Settle()
		for range 4 {
			situtest.Do(rt, approve.To("1", true))
		}
		if got := result(); got != "in+++" {
			t.Errorf("result %q", got)
		}
		if in := info(rt, "1"); in.Entries != 1 || in.Run != 3 {
			t.Errorf("%+v", in)
		}
	})
}

// Many calls are made at most so many at a time; one that fails does not hide
// the others; and the first of several waits is told.
func TestMany(t *testing.T) {
	code := func(f *flow.Flow, _ string) (string, error) {
		var calls []situ.Call[int]
		for n := range 40 {
			calls = append(calls, pay.To(fmt.Sprint("a", n), 1+100*(n/39)))
		}
		sum, failed := 0, 0
		for _, o := range flow.Each(f, 7, calls...) {
			sum += o.Value
			if situ.CodeOf(o.Err) == "too-much" {
				failed++
			}
		}
		slow, quick := flow.Timer(f, time.Hour), flow.Timer(f, time.Minute)
		i, err := flow.First(slow, quick)
		if err != nil {
			return "", err
		}
		all, err := flow.All(flow.Start(f, pay.To("b", 1)), flow.Start(f, pay.To("b", 101)), flow.Start(f, pay.To("", 1)))
		return fmt.Sprint(sum, failed, i, all, err), nil
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		want := "39 1 1 [1 0 0] 101 is too much\n"
		if got := situtest.Do(rt, run.To("1", "")); !strings.HasPrefix(got, want) || !strings.Contains(got, "key") {
			t.Errorf("result %q, want %q and an error of a key", got, want)
		}
	})
}

// More workflows than are kept in memory, each with steps, all come to their
// end.
func TestMoreThanMemory(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		for i := range 3 {
			if _, err := flow.Step(f, fmt.Sprint(i), func(context.Context) (int, error) { return i, nil }); err != nil {
				return "", err
			}
			if err := flow.Sleep(f, time.Second); err != nil {
				return "", err
			}
		}
		return in, nil
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		const n = 3000
		for i := range n {
			if _, err := situ.Start(t.Context(), rt, run.To(fmt.Sprint(i), "x")); err != nil {
				t.Fatal(err)
			}
		}
		rt.Pass(time.Minute)
		for i := range n {
			if in := info(rt, fmt.Sprint(i)); in.Status != flow.Completed || in.Entries != 9 {
				t.Fatalf("%d: %+v", i, in)
			}
		}
	})
}

// Time and random numbers are the same in every run of the code.
func TestSame(t *testing.T) {
	var seen []string
	code := func(f *flow.Flow, _ string) (string, error) {
		at := fmt.Sprint(f.Now().UnixNano(), f.Rand().Uint64())
		if _, err := flow.Wait(f, approve); err != nil {
			return "", err
		}
		at += fmt.Sprint(f.Now().UnixNano(), f.Rand().Uint64())
		_, err := flow.Step(f, "s", func(context.Context) (int, error) { return 1, nil })
		at += fmt.Sprint(f.Now().UnixNano(), f.Rand().Uint64())
		seen = append(seen, at)
		if err != nil {
			return "", err
		}
		return at, flow.Sleep(f, time.Hour)
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("1", "")); err != nil {
			t.Fatal(err)
		}
		rt.Pass(time.Minute)
		situtest.Do(rt, approve.To("1", true))
		rt.Pass(time.Minute)
		rt.Crash()
		rt.Pass(2 * time.Hour)
		if got := situtest.Do(rt, run.To("1", "")); len(seen) != 2 || seen[0] != seen[1] || got != seen[0] {
			t.Errorf("seen %q, result %q", seen, got)
		}
	})
}

// What is too large for a journal is an error, and a journal that is full of
// bytes parks the workflow: no turn is lost because its state would be too large.
func TestLarge(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		if in == "answer" {
			return flow.Await(f, decide.To("large", ""))
		}
		size := 900_000
		if in == "one" {
			size = 2 << 20
		}
		for range 30 {
			if _, err := flow.Step(f, "large", func(context.Context) ([]byte, error) { return make([]byte, size), nil }); err != nil {
				return "", err
			}
		}
		return "all", nil
	}
	situtest.Run(t, append(host(code), desks()), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("3", "answer")); err != nil {
			t.Fatal(err)
		}
		rt.Settle()
		situtest.Do(rt, open.To("large", "large"))
		if err := situtest.DoErr(rt, run.To("3", "answer")); err == nil || !strings.Contains(err.Error(), "the result has 10485") {
			t.Errorf("one large answer: %v", err)
		}
		if err := situtest.DoErr(rt, run.To("1", "one")); err == nil || !strings.Contains(err.Error(), "the result has 20971") {
			t.Errorf("one large result: %v", err)
		}
		if _, err := situ.Start(t.Context(), rt, run.To("2", "many")); err != nil {
			t.Fatal(err)
		}
		rt.Pass(time.Minute)
		if in := info(rt, "2"); in.Status != flow.Parked || in.Entries != 10 || !strings.Contains(in.Reason, "bytes") {
			t.Errorf("many: %+v", in)
		}
		situtest.Do(rt, flow.Of(orderType, "2").Terminate(""))
	})
}

// A step that never ends parks the workflow, after it was tried again.
func TestStepTakesTooLong(t *testing.T) {
	tries := 0
	code := func(f *flow.Flow, _ string) (string, error) {
		return flow.Step(f, "slow", func(ctx context.Context) (string, error) {
			tries++
			<-ctx.Done()
			return "", nil
		})
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("1", "")); err != nil {
			t.Fatal(err)
		}
		rt.Pass(2 * time.Hour)
		if in := info(rt, "1"); in.Status != flow.Parked || tries != 3 || !strings.Contains(in.Reason, "took too long") {
			t.Errorf("after %d tries: %+v", tries, in)
		}
	})
}

// A wish that the workflow ends is not lost when it continues as new.
func TestCancelBeforeContinueAsNew(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		if f.Run() > 0 {
			return in, flow.Sleep(f, time.Hour)
		}
		if _, err := flow.Wait(f, approve); err == nil {
			return "", situ.Errorf("approved", "it should have been cancelled")
		}
		return flow.ContinueAsNew[string](f, in)
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, run.To("1", "in")); err != nil {
			t.Fatal(err)
		}
		situtest.Do(rt, flow.Of(orderType, "1").Cancel())
		if err := situtest.DoErr(rt, run.To("1", "in")); situ.CodeOf(err) != "cancelled" {
			t.Errorf("%v", err)
		}
	})
}
