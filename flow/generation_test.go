package flow_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

// A desk answers when it is told to.
var (
	deskType = situ.NewType("desk")
	decide   = situ.NewMethod[string, string](deskType, "decide")
	open     = situ.NewMethod[string, situ.None](deskType, "open")
)

type desk struct{ Wait []situ.Promise[string] }

func desks() situ.Component {
	return situ.Object(deskType,
		situ.On(decide, func(d *desk, t *situ.Turn, _ string) (string, error) {
			d.Wait = append(slices.Clone(d.Wait), situ.Promise[string]{})
			return situ.Hold(t, &d.Wait[len(d.Wait)-1])
		}),
		situ.On(open, func(d *desk, t *situ.Turn, says string) (none situ.None, err error) {
			if says == "large" {
				says = strings.Repeat("x", 1<<20)
			}
			wait := slices.Clone(d.Wait)
			d.Wait = nil
			for i := range wait {
				situ.Resolve(t, &wait[i], says)
			}
			return none, nil
		}))
}

// What a workflow called before it was forgotten does not answer the one that was
// started under its key since, and the timer that was to forget the one does not
// forget the other (C12).
func TestGenerations(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		got, err := flow.Await(f, decide.To(in, ""))
		if err != nil {
			return "", err
		}
		return in + " " + got, nil
	}
	for name, forget := range map[string]func(*situtest.Runtime){
		"purged": func(rt *situtest.Runtime) {
			situtest.Do(rt, flow.Of(orderType, "1").Terminate("enough"))
			situtest.Do(rt, flow.Of(orderType, "1").Purge())
		},
		"kept long enough": func(rt *situtest.Runtime) {
			situtest.Do(rt, flow.Of(orderType, "1").Terminate("enough"))
			rt.Pass(25 * time.Hour)
		},
		"crashed": func(rt *situtest.Runtime) {
			situtest.Do(rt, flow.Of(orderType, "1").Terminate("enough"))
			situtest.Do(rt, flow.Of(orderType, "1").Purge())
			rt.Crash()
		},
	} {
		t.Run(name, func(t *testing.T) {
			situtest.Run(t, append(host(code), desks()), func(t *testing.T, rt *situtest.Runtime) {
				start := func(in string) {
					t.Helper()
					if _, err := situ.Start(t.Context(), rt, run.To("1", in)); err != nil {
						t.Fatal(err)
					}
					rt.Settle()
				}
				start("old")
				forget(rt)
				start("new")
				situtest.Do(rt, open.To("old", "early"))
				rt.Settle()
				if in := info(rt, "1"); in.Status != flow.Running {
					t.Errorf("after an answer to the workflow of before: %+v", in)
				}
				situtest.Do(rt, open.To("new", "late"))
				if got := situtest.Do(rt, run.To("1", "new")); got != "new late" {
					t.Errorf("result %q", got)
				}
			})
		})
	}
}

func TestGenerationsOfExpiry(t *testing.T) {
	code := func(f *flow.Flow, in string) (string, error) {
		return flow.Step(f, "s", func(context.Context) (string, error) { return in, nil })
	}
	situtest.Run(t, host(code), func(t *testing.T, rt *situtest.Runtime) {
		if got := situtest.Do(rt, run.To("1", "old")); got != "old" {
			t.Errorf("result %q", got)
		}
		situtest.Do(rt, flow.Of(orderType, "1").Purge())
		rt.Pass(20 * time.Hour)
		if got := situtest.Do(rt, run.To("1", "new")); got != "new" {
			t.Errorf("result %q", got)
		}
		rt.Pass(5 * time.Hour) // the time of the first is over
		if in := info(rt, "1"); in.Status != flow.Completed {
			t.Errorf("%+v", in)
		}
		rt.Pass(20 * time.Hour)
		if got := rt.State(orderType, "1"); got != "" {
			t.Errorf("a day after its end there is %s", got)
		}
	})
}
