package situtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/situtest"
)

// A manager asks somebody, who works, holds the call or asks somebody outside, and
// notes what is heard.
var (
	bossType  = situ.NewType("boss")
	bossAsk   = situ.NewMethod[order, string](bossType, "ask")
	bossHeard = situ.NewMethod[situ.Reply[string, string], string](bossType, "heard")
	bossLog   = situ.NewMethod[situ.None, []string](bossType, "log", situ.ReadOnly)

	handType  = situ.NewType("hand")
	handWork  = situ.NewMethod[time.Duration, string](handType, "work", situ.Timeout(3*time.Hour))
	handHold  = situ.NewMethod[situ.None, string](handType, "hold")
	handLet   = situ.NewMethod[string, situ.None](handType, "let")
	handAsk   = situ.NewMethod[situ.None, string](handType, "ask")
	handToken = situ.NewMethod[situ.None, string](handType, "token", situ.ReadOnly)
	handEnds  = situ.NewMethod[situ.None, []string](handType, "ends", situ.ReadOnly)

	handFunc = situ.NewFunc[time.Duration, string]("handfunc", situ.Timeout(3*time.Hour))
)

// order is how somebody is asked.
type order struct {
	How    string // work, function, hold or token
	Within time.Duration
}

type boss struct{ Log []string }

type hand struct {
	Caller situ.Promise[string]
	Token  string
	Ends   []string
}

func firm() []situ.Component {
	work := func(t *situ.Turn, d time.Duration) (string, error) {
		select {
		case <-t.Done():
			return "", fmt.Errorf("stopped: %w", t.Err())
		case <-time.After(d):
			return "worked", nil
		}
	}
	return []situ.Component{
		situ.Object(bossType,
			situ.On(bossAsk, func(b *boss, t *situ.Turn, o order) (string, error) {
				b.Log = append(b.Log, "asked")
				calls := map[string]situ.Call[string]{"work": handWork.To(t.Key(), time.Hour), "function": handFunc.With(time.Hour),
					"hold": handHold.To(t.Key(), situ.None{}), "token": handAsk.To(t.Key(), situ.None{})}
				c := calls[o.How]
				if o.Within > 0 {
					c = c.Within(o.Within)
				}
				return situ.Then(t, c, bossHeard, o.How)
			}),
			situ.On(bossHeard, func(b *boss, _ *situ.Turn, r situ.Reply[string, string]) (string, error) {
				said := r.Value
				if err := r.Err(); err != nil {
					said = kind(err)
				}
				b.Log = append(b.Log, said)
				return said, nil
			}),
			situ.On(bossLog, func(b *boss, _ *situ.Turn, _ situ.None) ([]string, error) { return b.Log, nil })),
		situ.Object(handType,
			situ.On(handWork, func(h *hand, t *situ.Turn, d time.Duration) (string, error) {
				return work(t, d)
			}),
			situ.On(handHold, func(h *hand, t *situ.Turn, _ situ.None) (string, error) { return situ.Hold(t, &h.Caller) }),
			situ.On(handLet, func(h *hand, t *situ.Turn, s string) (situ.None, error) {
				situ.Resolve(t, &h.Caller, s)
				return situ.None{}, nil
			}),
			situ.On(handAsk, func(h *hand, t *situ.Turn, _ situ.None) (string, error) {
				call, token := situ.Token[string](t, 24*time.Hour)
				h.Token = token
				return situ.Tail(t, call)
			}),
			situ.On(handToken, func(h *hand, _ *situ.Turn, _ situ.None) (string, error) { return h.Token, nil }),
			situ.On(handEnds, func(h *hand, _ *situ.Turn, _ situ.None) ([]string, error) { return h.Ends, nil })),
		situ.Function(handFunc, work),
	}
}

func bossSays(rt *situtest.Runtime, key string) string {
	return strings.Join(situtest.Do(rt, bossLog.To(key, situ.None{})), ", ")
}

// Who is asked in a chain that is cancelled is told: the context of what runs ends,
// and who waits for one that holds the call, or for a token, hears it at once.
func TestCancelTells(t *testing.T) {
	for _, how := range []string{"work", "function", "hold", "token"} {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s-%v", how, crash), func(t *testing.T) {
				situtest.Options{Shards: 3}.Run(t, firm(), func(t *testing.T, rt *situtest.Runtime) {
					id, err := situ.Start(t.Context(), rt, bossAsk.To("a", order{How: how}))
					if err != nil {
						t.Fatal(err)
					}
					rt.Pass(time.Minute)
					if crash {
						rt.Crash()
						rt.Pass(time.Second)
					}
					began := time.Now()
					if err := rt.Cancel(id, "no need"); err != nil {
						t.Fatal(err)
					}
					rt.Settle()
					if got := bossSays(rt, "a"); got != "asked, canceled" || time.Since(began) > 100*time.Millisecond {
						t.Errorf("it heard %q after %v", got, time.Since(began))
					}
					late(t, rt, how)
					rt.Pass(2 * time.Hour)
					if got := bossSays(rt, "a"); got != "asked, canceled" {
						t.Errorf("later it heard %q\n%s", got, rt.Trace())
					}
				})
			})
		}
	}
}

// late answers what was cancelled.
func late(t *testing.T, rt *situtest.Runtime, how string) {
	t.Helper()
	switch how {
	case "hold":
		situtest.Do(rt, handLet.To("a", "late"))
	case "token":
		token := situtest.Do(rt, handToken.To("a", situ.None{}))
		if err := rt.Answer(token, `"late"`); kind(err) != "token-expired" || !strings.Contains(err.Error(), "was cancelled") {
			t.Errorf("the token was answered: %v", err)
		}
	}
}

// A turn that was told, and ends well all the same, counts.
func TestCancelledTurnCounts(t *testing.T) {
	typ := situ.NewType("stubborn")
	run := situ.NewMethod[situ.None, string](typ, "run")
	got := situ.NewMethod[situ.None, string](typ, "got", situ.ReadOnly)
	type stubborn struct{ Saw string }
	c := situ.Object(typ,
		situ.On(run, func(s *stubborn, t *situ.Turn, _ situ.None) (string, error) {
			<-t.Done()
			s.Saw = fmt.Sprint(errors.Is(t.Err(), context.Canceled))
			return "", nil
		}),
		situ.On(got, func(s *stubborn, _ *situ.Turn, _ situ.None) (string, error) { return s.Saw, nil }))
	situtest.Run(t, []situ.Component{c}, func(t *testing.T, rt *situtest.Runtime) {
		id, err := situ.Start(t.Context(), rt, run.To("a", situ.None{}))
		if err != nil {
			t.Fatal(err)
		}
		rt.Pass(time.Second)
		if err := rt.Cancel(id, ""); err != nil {
			t.Fatal(err)
		}
		rt.Settle()
		if saw := situtest.Do(rt, got.To("a", situ.None{})); saw != "true" {
			t.Errorf("its context ended as a cancel: %q", saw)
		}
	})
}

// A workflow that holds its caller, and waits for nothing with a time, is told, and
// its caller hears when it has cleaned up.
func TestCancelTellsHeldWorkflow(t *testing.T) {
	typ := situ.NewType("slowflow")
	run := situ.NewMethod[situ.None, string](typ, "run")
	sig := flow.NewSignal[string](typ, "go")
	w := flow.Workflow(typ, run, func(f *flow.Flow, _ situ.None) (string, error) {
		s, err := flow.Wait(f, sig)
		if err != nil {
			f.Undo(func(*flow.Flow) error { return nil })
			return "", fmt.Errorf("cleaned up: %w", err)
		}
		return s, nil
	})
	outer := situ.NewType("outer")
	ask := situ.NewMethod[situ.None, string](outer, "ask")
	heard := situ.NewMethod[situ.Reply[string, string], string](outer, "heard")
	said := situ.NewMethod[situ.None, string](outer, "said", situ.ReadOnly)
	type state struct{ Said string }
	o := situ.Object(outer,
		situ.On(ask, func(_ *state, t *situ.Turn, _ situ.None) (string, error) {
			return situ.Then(t, run.To("w", situ.None{}), heard, "")
		}),
		situ.On(heard, func(s *state, _ *situ.Turn, r situ.Reply[string, string]) (string, error) {
			s.Said = fmt.Sprint(s.Said, r.Value, r.Err())
			return "", nil
		}),
		situ.On(said, func(s *state, _ *situ.Turn, _ situ.None) (string, error) { return s.Said, nil }))
	situtest.Options{Shards: 2}.Run(t, []situ.Component{w, o}, func(t *testing.T, rt *situtest.Runtime) {
		id, err := situ.Start(t.Context(), rt, ask.To("a", situ.None{}))
		if err != nil {
			t.Fatal(err)
		}
		rt.Pass(time.Hour)
		if err := rt.Cancel(id, "enough"); err != nil {
			t.Fatal(err)
		}
		rt.Pass(time.Second)
		if got := situtest.Do(rt, said.To("a", situ.None{})); !strings.Contains(got, "cleaned up") || strings.Count(got, "cleaned up") != 1 {
			t.Errorf("it heard %q", got)
		}
	})
}

// A cancel, a deadline, the answer itself and crashes, in any order: who asked hears
// one end, and the record has one.
func TestCancelAndDeadline(t *testing.T) {
	for _, n := range seed.Several(t, 40) {
		t.Run(fmt.Sprint("seed", n), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(n, 1))
			situtest.Options{Shards: 3}.Run(t, firm(), func(t *testing.T, rt *situtest.Runtime) { cancelAndDeadline(t, rt, rnd) })
		})
	}
}

func cancelAndDeadline(t *testing.T, rt *situtest.Runtime, rnd *rand.Rand) {
	const bosses = 5
	hows := []string{"work", "function", "hold", "token"}
	orders, ids := make([]order, bosses), make([]string, bosses)
	call := func(i int) situ.Call[string] {
		return bossAsk.To(fmt.Sprint("b", i), orders[i]).Idempotent(fmt.Sprint("k", i))
	}
	for i := range bosses {
		orders[i] = order{hows[rnd.IntN(len(hows))], time.Duration(rnd.IntN(3)) * 20 * time.Minute}
		c := call(i)
		if rnd.IntN(3) == 0 {
			c = c.Within(time.Duration(1+rnd.IntN(5)) * 10 * time.Minute)
		}
		id, err := situ.Start(t.Context(), rt, c)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = id
	}
	armed := false
	for range 25 {
		i := rnd.IntN(bosses)
		key := fmt.Sprint("b", i)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		switch rnd.IntN(6) {
		case 0:
			_ = rt.Cancel(ids[i], "") // it may be over, or have crashed
		case 1:
			_, _ = situ.Do(ctx, rt, handLet.To(key, "let"))
		case 2:
			if token, err := situ.Do(ctx, rt, handToken.To(key, situ.None{})); err == nil && token != "" {
				_ = rt.Answer(token, `"token"`)
			}
		case 3:
			rt.Pass(time.Duration(rnd.IntN(15)) * time.Minute)
		case 4:
			rt.CrashAt(1 + rnd.IntN(6))
			armed = true
		case 5:
			rt.Pass(time.Duration(rnd.IntN(20)) * time.Millisecond)
		}
		stop()
		if armed && rt.Crashed() {
			rt.Restart()
			armed = false
		}
	}
	rt.Restart()
	for i := range bosses { // what nobody has ended
		_ = rt.Cancel(ids[i], "")
	}
	rt.Pass(time.Hour)
	recorded := func() (all []string) {
		for i := range bosses {
			v, err := situ.Do(t.Context(), rt, call(i))
			all = append(all, fmt.Sprint(v, " ", kind(err)))
		}
		return all
	}
	first := recorded()
	rt.Crash()
	rt.Pass(time.Hour)
	if again := recorded(); !slices.Equal(again, first) {
		t.Errorf("the answers were %q, and are %q", first, again)
	}
	for i := range bosses {
		log := strings.Split(bossSays(rt, fmt.Sprint("b", i)), ", ")
		if len(log) > 2 || len(log) == 2 && log[0] != "asked" { // cancelled before it ran, it says nothing
			t.Errorf("%v: boss %d heard %q", orders[i], i, log)
		}
		if len(log) == 1 && log[0] == "asked" {
			t.Errorf("%v: boss %d never heard", orders[i], i)
		}
	}
}
