package situtest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

// A desk asks a clerk, who answers when it is told to.
var (
	clerkType  = situ.NewType("clerk")
	clerkAsk   = situ.NewMethod[string, string](clerkType, "ask")
	clerkTell  = situ.NewMethod[string, situ.None](clerkType, "tell")
	clerkSlow  = situ.NewMethod[time.Duration, string](clerkType, "slow")
	clerkBreak = situ.NewMethod[situ.None, situ.None](clerkType, "break")

	deskType  = situ.NewType("desk")
	deskVisit = situ.NewMethod[time.Duration, string](deskType, "visit")
	deskHeard = situ.NewMethod[situ.Reply[string, string], string](deskType, "heard")
	deskLog   = situ.NewMethod[situ.None, []string](deskType, "log", situ.ReadOnly)
	deskClean = situ.NewMethod[string, situ.None](deskType, "clean")
)

type clerk struct {
	Waiting situ.Promise[string]
	Asked   int
}

type desk struct{ Log []string }

func office() []situ.Component {
	return []situ.Component{
		situ.Object(clerkType,
			situ.On(clerkAsk, func(c *clerk, t *situ.Turn, _ string) (string, error) {
				c.Asked++
				return situ.Hold(t, &c.Waiting)
			}),
			situ.On(clerkTell, func(c *clerk, t *situ.Turn, s string) (situ.None, error) {
				situ.Resolve(t, &c.Waiting, s)
				return situ.None{}, nil
			}),
			situ.On(clerkSlow, func(_ *clerk, t *situ.Turn, d time.Duration) (string, error) {
				select {
				case <-t.Done():
					return "cut short", nil
				case <-time.After(d):
					return "done", nil
				}
			}),
			situ.On(clerkBreak, func(*clerk, *situ.Turn, situ.None) (situ.None, error) { panic("the pencil broke") })),
		situ.Object(deskType,
			situ.On(deskVisit, func(d *desk, t *situ.Turn, within time.Duration) (string, error) {
				d.Log = append(d.Log, "asked")
				c := clerkAsk.To("bob", t.Key())
				if within > 0 {
					c = c.Within(within)
				}
				return situ.Then(t, c, deskHeard, "carried")
			}),
			situ.On(deskHeard, func(d *desk, t *situ.Turn, r situ.Reply[string, string]) (string, error) {
				if err := r.Err(); err != nil {
					d.Log = append(d.Log, kind(err))
					situ.Send(t, deskClean.To(t.Key(), "up"))
					return "heard " + kind(err), nil
				}
				d.Log = append(d.Log, r.Value)
				return r.Value, nil
			}),
			situ.On(deskClean, func(d *desk, _ *situ.Turn, s string) (situ.None, error) {
				d.Log = append(d.Log, "clean "+s)
				return situ.None{}, nil
			}),
			situ.On(deskLog, func(d *desk, _ *situ.Turn, _ situ.None) ([]string, error) { return d.Log, nil })),
	}
}

func kind(err error) string {
	if e, ok := errors.AsType[*situ.Error](err); ok {
		return e.Kind
	}
	return ""
}

func log(rt *situtest.Runtime) string {
	return strings.Join(situtest.Do(rt, deskLog.To("d", situ.None{})), ", ")
}

// Who calls with a deadline has an answer then, once, whatever the callee does,
// and whatever happens to the platform meanwhile.
func TestWithin(t *testing.T) {
	for _, crash := range []bool{false, true} {
		situtest.Run(t, office(), func(t *testing.T, rt *situtest.Runtime) {
			began := time.Now()
			if err := situtest.DoErr(rt, clerkAsk.To("eve", "x").Within(time.Minute)); kind(err) != "timeout" || time.Since(began) != time.Minute {
				t.Errorf("from outside: %v after %v", err, time.Since(began))
			}
			id, err := situ.Start(t.Context(), rt, deskVisit.To("d", 2*time.Hour).Idempotent("k"))
			if err != nil {
				t.Fatal(err)
			}
			rt.Pass(time.Hour)
			if got := log(rt); got != "asked" {
				t.Errorf("before the deadline: %s", got)
			}
			if crash {
				rt.Crash()
			}
			rt.Pass(61 * time.Minute)
			if got := log(rt); got != "asked, timeout, clean up" {
				t.Errorf("after the deadline: %s\n%s", got, rt.Trace())
			}
			if got := situtest.Do(rt, deskVisit.To("d", 2*time.Hour).Idempotent("k")); got != "heard timeout" {
				t.Errorf("invocation %s: %s", id, got)
			}
			situtest.Do(rt, clerkTell.To("bob", "too late"))
			rt.Pass(time.Hour)
			if got := log(rt); got != "asked, timeout, clean up" {
				t.Errorf("after a late answer: %s", got)
			}
		})
	}
}

// An answer in time is the answer, and nothing comes after it.
func TestWithinInTime(t *testing.T) {
	for _, crash := range []bool{false, true} {
		situtest.Run(t, office(), func(t *testing.T, rt *situtest.Runtime) {
			if _, err := situ.Start(t.Context(), rt, deskVisit.To("d", time.Hour)); err != nil {
				t.Fatal(err)
			}
			rt.Settle()
			if crash {
				rt.Crash()
			}
			situtest.Do(rt, clerkTell.To("bob", "yes"))
			rt.Pass(2 * time.Hour)
			if got := log(rt); got != "asked, yes" {
				t.Errorf("%s", got)
			}
		})
	}
}

// The deadline goes down the chain. What hears that it is over may clean up.
func TestDeadlineTravels(t *testing.T) {
	situtest.Run(t, office(), func(t *testing.T, rt *situtest.Runtime) {
		began := time.Now()
		err := situtest.DoErr(rt, deskVisit.To("d", 0).Within(time.Minute))
		if kind(err) != "timeout" || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		situtest.Do(rt, clerkTell.To("bob", "late")) // nobody gave the inner call a guard of its own
		rt.Settle()
		if got := log(rt); got != "asked, late" {
			t.Errorf("%s", got)
		}
	})
}

// What has not begun at its deadline is not run, what runs has its context end,
// and a pause that would last longer ends with the real reason.
func TestDeadlineOfTurns(t *testing.T) {
	situtest.Run(t, office(), func(t *testing.T, rt *situtest.Runtime) {
		if _, err := situ.Start(t.Context(), rt, clerkSlow.To("bob", 10*time.Second)); err != nil {
			t.Fatal(err)
		}
		rt.Settle()
		behind := situtest.DoErr(rt, clerkAsk.To("bob", "x").Within(time.Second)) // behind the slow one
		rt.Pass(time.Minute)
		if got := rt.Trace(); kind(behind) != "timeout" || !strings.Contains(got, "clerk/bob.ask ! clerk/bob.ask was not run") {
			t.Errorf("%v, turns:\n%s", behind, got)
		}
		began := time.Now()
		err := situtest.DoErr(rt, clerkSlow.To("bob", time.Hour).Within(5*time.Second))
		if kind(err) != "timeout" || time.Since(began) != 5*time.Second {
			t.Errorf("a slow one: %v after %v", err, time.Since(began))
		}
		rt.Pass(time.Minute)
		if got := rt.DeadLetters(); got != "" {
			t.Errorf("dead letters: %s", got)
		}
		began = time.Now()
		err = situtest.DoErr(rt, clerkBreak.To("bob", situ.None{}).Within(250*time.Millisecond))
		if kind(err) != "crashed" || !strings.Contains(err.Error(), "pencil") || time.Since(began) != 100*time.Millisecond {
			t.Errorf("a broken one: %v after %v, want the reason after the one run that there is time for", err, time.Since(began))
		}
	})
}

// A deadline that cannot be is refused, and nothing is done.
func TestDeadlineRefused(t *testing.T) {
	situtest.Run(t, office(), func(t *testing.T, rt *situtest.Runtime) {
		for name, c := range map[string]situ.Call[string]{
			"within 0":         clerkAsk.To("bob", "x").Within(0),
			"within -1":        clerkAsk.To("bob", "x").Within(-time.Second),
			"by then":          clerkAsk.To("bob", "x").By(time.Now().Add(-time.Second)),
			"by 1900":          clerkAsk.To("bob", "x").By(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)),
			"before it begins": clerkAsk.To("bob", "x").After(time.Hour).Within(time.Minute),
		} {
			if err := situtest.DoErr(rt, c); kind(err) != "invalid" || !strings.Contains(err.Error(), "deadline") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := rt.Trace(); got != "" {
			t.Errorf("it ran: %s", got)
		}
	})
}

// A workflow awaits with a deadline, and hears the same in a replay.
func TestWithinInWorkflow(t *testing.T) {
	typ := situ.NewType("errand")
	run := situ.NewMethod[situ.None, string](typ, "run")
	w := flow.Workflow(typ, run, func(f *flow.Flow, _ situ.None) (string, error) {
		_, err := flow.Await(f, clerkAsk.To("bob", "x").Within(time.Hour))
		first := kind(err)
		if err := flow.Sleep(f, time.Hour); err != nil {
			return "", err
		}
		_, past := flow.Await(f, clerkAsk.To("bob", "x").By(f.Now().Add(-time.Second)))
		answer, err := flow.Await(f, clerkAsk.To("bob", "x").Within(time.Hour))
		return first + ", " + kind(past) + ", " + answer, err
	})
	situtest.Run(t, append(office(), w), func(t *testing.T, rt *situtest.Runtime) {
		done := make(chan error, 1)
		go func() { _, err := situ.Do(context.Background(), rt, run.To("e", situ.None{})); done <- err }()
		for range 5 {
			rt.Pass(29 * time.Minute)
			rt.Crash()
		}
		if err := <-done; err == nil {
			t.Error("it did not lose its connection")
		}
		situtest.Do(rt, clerkTell.To("bob", "at last"))
		if got := situtest.Do(rt, run.To("e", situ.None{})); got != "timeout, timeout, at last" {
			t.Errorf("%q", got)
		}
	})
}
