package situtest_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

var (
	askerType = situ.NewType("asker")
	atOnce    = situ.NewMethod[int, int](askerType, "at-once")
	gather    = situ.NewMethod[int, int](askerType, "gather")
	gathered  = situ.NewMethod[situ.Reply[int, int], situ.None](askerType, "gathered")
	double    = situ.NewMethod[int, int](askerType, "double")
	later     = situ.NewMethod[bool, situ.None](askerType, "later")
	seen      = situ.NewMethod[situ.None, int](askerType, "seen")
)

// asker is an object that holds its caller.
type asker struct {
	Caller situ.Promise[int]
	Open   int
	Sum    int
	Seen   int
}

// askers host it; ran counts the runs of seen, whatever became of them.
func askers(ran *int) []situ.Component {
	return []situ.Component{situ.Object(askerType,
		situ.On(atOnce, func(a *asker, t *situ.Turn, n int) (int, error) {
			out, err := situ.Hold(t, &a.Caller)
			situ.Resolve(t, &a.Caller, n)
			return out, err
		}),
		situ.On(gather, func(a *asker, t *situ.Turn, n int) (int, error) {
			for i := range n {
				situ.Ask(t, double.To(string(rune('a'+i)), i), gathered, i)
			}
			a.Open, a.Sum = n, 0
			return situ.Hold(t, &a.Caller)
		}),
		situ.On(gathered, func(a *asker, t *situ.Turn, r situ.Reply[int, int]) (none situ.None, err error) {
			if r.Err() == nil && r.Value == 2*r.Carry {
				a.Sum += r.Value
			}
			if a.Open--; a.Open == 0 {
				situ.Resolve(t, &a.Caller, a.Sum)
			}
			return none, nil
		}),
		situ.On(double, func(_ *asker, _ *situ.Turn, n int) (int, error) { return 2 * n, nil }),
		situ.On(later, func(_ *asker, t *situ.Turn, settled bool) (none situ.None, err error) {
			call := seen.To(t.Key()+"-seen", situ.None{})
			if settled {
				call = call.Settled()
			}
			situ.Send(t, call)
			return none, nil
		}),
		situ.On(seen, func(a *asker, _ *situ.Turn, _ situ.None) (int, error) {
			*ran++
			a.Seen++
			return a.Seen, nil
		}))}
}

// A caller that is held and answered in the same turn has its answer.
func TestHoldAndResolveInOneTurn(t *testing.T) {
	situtest.Run(t, askers(new(int)), func(t *testing.T, rt *situtest.Runtime) {
		if got := situtest.Do(rt, atOnce.To("k", 7)); got != 7 {
			t.Errorf("got %d", got)
		}
	})
}

// A turn that asks several others has all their answers, also over shards.
func TestAsk(t *testing.T) {
	situtest.Options{Shards: 4}.Run(t, askers(new(int)), func(t *testing.T, rt *situtest.Runtime) {
		if got := situtest.Do(rt, gather.To("k", 10)); got != 90 {
			t.Errorf("got %d, want 90", got)
		}
	})
}

// What is sent settled does not run before the turn that sent it is durable.
// Otherwise it may.
func TestSettled(t *testing.T) {
	for _, settled := range []bool{false, true} {
		ran := 0
		situtest.Run(t, askers(&ran), func(t *testing.T, rt *situtest.Runtime) {
			rt.CrashAt(1)
			if err := situtest.DoErr(rt, later.To("k", settled)); err == nil {
				t.Fatal("it was answered without a commit")
			}
			if ran > 0 && settled {
				t.Errorf("it ran %d times for a turn that was lost", ran)
			}
			rt.Restart()
			ran = 0
			situtest.Do(rt, later.To("k", settled))
			rt.Pass(time.Second)
			if ran != 1 {
				t.Errorf("settled %v: it ran %d times", settled, ran)
			}
			rt.CrashAt(1) // before the effect of seen is durable, unless it is already
			rt.Restart()
			if got := situtest.Do(rt, seen.To("k-seen", situ.None{})); got != 2 {
				t.Errorf("settled %v: its effect is there %d times, want once", settled, got-1)
			}
		})
	}
}

// What was sent settled and is durable has its effect, whatever happens then.
func TestSettledAfterACrash(t *testing.T) {
	ran := 0
	situtest.Run(t, askers(&ran), func(t *testing.T, rt *situtest.Runtime) {
		rt.CrashAt(2) // the message is durable then, its effect is not
		_ = situtest.DoErr(rt, later.To("k", true))
		rt.Pass(time.Second)
		if !rt.Crashed() {
			t.Fatal("there was no second commit")
		}
		rt.Restart()
		rt.Pass(time.Second)
		if got := situtest.Do(rt, seen.To("k-seen", situ.None{})); got != 2 {
			t.Errorf("its effect is there %d times, want once", got-1)
		}
	})
}
