package fan_test

import (
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/fan"
	"github.com/situ-dev/situ/situtest"
)

// calls yields n calls of m.
func calls(m situ.Method[int, int]) func(n, from int) iter.Seq[situ.Call[int]] {
	return func(n, from int) iter.Seq[situ.Call[int]] {
		return func(yield func(situ.Call[int]) bool) {
			for i := from; i < n && yield(m.To(strconv.Itoa(i), i)); i++ {
			}
		}
	}
}

type plan = fan.Plan[int, int, total, total]

// No more calls are under way than the limit, and a result makes room for another. A
// job that is stopped answers its caller, and what comes later is counted.
func TestLimitAndStop(t *testing.T) {
	situtest.Run(t, components(plan{Calls: calls(silent), Limit: 3}), func(t *testing.T, rt *situtest.Runtime) {
		ended := make(chan error, 1)
		go func() { ended <- situtest.DoErr(rt, sum.To("k", 10)) }()
		rt.Pass(time.Second)
		if p := situtest.Do(rt, sum.Progress("k")); p.Open != 3 || p.Begun != 3 || p.Complete || p.Phase != "running" {
			t.Fatalf("%+v", p)
		}
		situtest.Do(rt, speak.To("1", 5))
		rt.Pass(time.Second)
		if p := situtest.Do(rt, sum.Progress("k")); p.Open != 3 || p.Begun != 4 || p.OK != 1 {
			t.Fatalf("%+v", p)
		}
		if err := situtest.DoErr(rt, sum.To("k", 10)); situ.CodeOf(err) != "running" {
			t.Errorf("a second run: %v", err)
		}
		situtest.Do(rt, sum.Stop("k", "enough of it"))
		if err := <-ended; situ.CodeOf(err) != "stopped" || !strings.Contains(err.Error(), "enough of it") {
			t.Errorf("%v", err)
		}
		situtest.Do(rt, speak.To("2", 5))
		rt.Pass(time.Second)
		if p := situtest.Do(rt, sum.Progress("k")); p.Dropped != 1 || p.OK != 1 || p.Begun != 4 || p.Phase != "failed" {
			t.Errorf("%+v", p)
		}
	})
}

// A result that comes when the job runs anew is not taken for one of that run.
func TestLateResult(t *testing.T) {
	n := 0
	p := plan{Calls: func(in, from int) iter.Seq[situ.Call[int]] {
		if in == 1 {
			return calls(silent)(in, from)
		}
		return calls(square)(in, from)
	}, Fold: func(s *total, r fan.Result[int]) error { n++; s.Sum += r.Value; return nil }}
	situtest.Run(t, components(p), func(t *testing.T, rt *situtest.Runtime) {
		go func() { _ = situtest.DoErr(rt, sum.To("k", 1)) }()
		rt.Pass(time.Second)
		situtest.Do(rt, sum.Stop("k", ""))
		if got := situtest.Do(rt, sum.To("k", 4)); got.Sum != 14 {
			t.Errorf("%+v", got)
		}
		situtest.Do(rt, speak.To("0", 1000))
		rt.Pass(time.Second)
		if p := situtest.Do(rt, sum.Progress("k")); n != 4 || p.OK != 4 || p.Dropped != 1 {
			t.Errorf("%d folded, %+v", n, p)
		}
	})
}

// What the plan says ends a job, and so does what goes wrong in it; never is it left
// without an end.
func TestPlanEnds(t *testing.T) {
	slow := func(total) { time.Sleep(2 * time.Minute) }
	for name, c := range map[string]struct {
		plan plan
		err  string // the answer, in part
		sum  int
	}{
		"enough":           {plan{Limit: 1, Fold: func(s *total, r fan.Result[int]) error { s.Sum++; return enough(s.Sum == 4) }}, "", 4},
		"an error of fold": {plan{Fold: func(*total, fan.Result[int]) error { return situ.Errorf("no", "not that one") }}, "not that one", 0},
		"fold panics":      {plan{Fold: func(*total, fan.Result[int]) error { panic("oh") }}, "panicked: oh", 0},
		"fold hangs":       {plan{Fold: func(s *total, _ fan.Result[int]) error { slow(*s); return nil }}, "took too long", 0},
		"calls panic":      {plan{Calls: func(int, int) iter.Seq[situ.Call[int]] { panic("ah") }}, "panicked: ah", 0},
		"done fails":       {plan{Done: func(*total, fan.Progress) (total, error) { return total{}, errors.New("in vain") }}, "in vain", 0},
		"no such key":      {plan{Calls: func(n, from int) iter.Seq[situ.Call[int]] { return one(from, square.To("", 1)) }}, "", 0},
		"begin refuses":    {plan{Begin: func(*total, int) error { return situ.Errorf("no", "not today") }}, "not today", 0},
	} {
		t.Run(name, func(t *testing.T) {
			situtest.Run(t, components(c.plan), func(t *testing.T, rt *situtest.Runtime) {
				got, err := situ.Do(t.Context(), rt, sum.To("k", 6))
				if c.err == "" && (err != nil || got.Sum != c.sum) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
					t.Errorf("%+v, %v; want %d, %q", got, err, c.sum, c.err)
				}
				rt.Pass(time.Hour)
				if p := situtest.Do(rt, sum.Progress("k")); p.Phase == "running" || p.Phase == "" {
					t.Errorf("%+v", p)
				}
				if d := rt.DeadLetters(); d != "" {
					t.Errorf("dead letters: %s", d)
				}
			})
		})
	}
}

func enough(is bool) error {
	if is {
		return fan.ErrEnough
	}
	return nil
}

func one(from int, c situ.Call[int]) iter.Seq[situ.Call[int]] {
	return func(yield func(situ.Call[int]) bool) {
		if from == 0 {
			yield(c)
		}
	}
}
