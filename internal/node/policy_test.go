package node_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/situtest"
)

// How it is to fail: with an error of that code, or a panic, so many times.
type fate struct {
	Code  string `json:"code,omitempty"`
	Panic bool   `json:"panic,omitempty"`
	Times int    `json:"times"`
}

var (
	shaky   = situ.NewType("shaky")
	stumble = situ.NewMethod[fate, int](shaky, "stumble")
	relay   = situ.NewMethod[fate, int](shaky, "relay") // Tail
	chained = situ.NewMethod[fate, int](shaky, "chained")
	after   = situ.NewMethod[situ.Reply[int, fate], int](shaky, "after")
	silent  = situ.NewMethod[fate, situ.None](shaky, "silent") // sends stumble one way
	trip    = situ.NewFunc[fate, int]("trip")
	diary   = situ.NewType("diary")
	blame   = situ.NewMethod[situ.Failure[fate], situ.None](diary, "blame")
	pages   = situ.NewMethod[situ.None, []string](diary, "pages", situ.ReadOnly)
)

type diaryState struct {
	Lines []string `json:"lines"`
}

// mishap is a clumsy program. Runs are counted beside the state, which failed
// turns leave alone.
func mishap(runs *int) []situ.Component {
	do := func(f fate) (int, error) {
		if *runs++; *runs > f.Times {
			return *runs, nil
		}
		if f.Panic {
			panic("oh")
		}
		return 0, situ.Errorf(f.Code, "%s it is", f.Code)
	}
	return []situ.Component{
		situ.Object(shaky,
			situ.On(stumble, func(_ *struct{}, _ *situ.Turn, f fate) (int, error) { return do(f) }),
			situ.On(relay, func(_ *struct{}, t *situ.Turn, f fate) (int, error) { return situ.Tail(t, stumble.To("b", f)) }),
			situ.On(chained, func(_ *struct{}, t *situ.Turn, f fate) (int, error) {
				return situ.Then(t, trip.With(fate{}), after, f)
			}),
			situ.On(after, func(_ *struct{}, _ *situ.Turn, r situ.Reply[int, fate]) (int, error) { return do(r.Carry) }),
			situ.On(silent, func(_ *struct{}, t *situ.Turn, f fate) (none situ.None, err error) {
				situ.Send(t, stumble.To("c", f).OnFailure(blame.To("d", situ.Failure[fate]{})))
				return none, nil
			})),
		situ.Function(trip, func(_ *situ.Turn, f fate) (int, error) { return do(f) }),
		situ.Object(diary,
			situ.On(blame, func(d *diaryState, _ *situ.Turn, f situ.Failure[fate]) (none situ.None, err error) {
				d.Lines = append(d.Lines, fmt.Sprintf("%s %s/%s after %d of %d", f.To, f.Kind, f.Code, f.Attempts, f.Input.Times))
				return none, nil
			}),
			situ.On(pages, func(d *diaryState, _ *situ.Turn, _ situ.None) ([]string, error) { return d.Lines, nil })),
	}
}

var everSoOften = situ.Retry{Attempts: 4, Backoff: time.Second, MaxBackoff: time.Minute, On: []string{"busy"}}

// A returned error is run again if the policy names it, and is an answer if not.
func TestRetryOfReturnedErrors(t *testing.T) {
	runs := 0
	situtest.Run(t, mishap(&runs), func(t *testing.T, rt *situtest.Runtime) {
		for _, call := range []func(fate) situ.Call[int]{trip.With, func(f fate) situ.Call[int] { return stumble.To("a", f) }} {
			for _, c := range []struct {
				f     fate
				r     situ.Retry
				runs  int
				code  string
				takes time.Duration
			}{
				{fate{Code: "busy", Times: 2}, everSoOften, 3, "", 3 * time.Second},
				{fate{Code: "busy", Times: 9}, everSoOften, 4, "busy", 7 * time.Second},
				{fate{Code: "no", Times: 9}, everSoOften, 1, "no", 0},
				{fate{Code: "no", Times: 9}, situ.Retry{}, 1, "no", 0},
				{fate{Code: "busy", Times: 9}, situ.Retry{Attempts: 9, Backoff: time.Second, On: []string{"*"}, MaxAge: 5 * time.Second}, 3, "busy", 3 * time.Second},
				{fate{Panic: true, Times: 9}, situ.Retry{Attempts: 9, Final: []string{"crashed"}}, 1, "", 0},
			} {
				runs = 0
				began := time.Now()
				_, err := situ.Do(context.Background(), rt, call(c.f).Retry(c.r))
				if situ.CodeOf(err) != c.code || (err == nil) != (c.runs > c.f.Times) || runs != c.runs || time.Since(began) != c.takes {
					t.Errorf("%v %+v %+v: %v after %d runs and %v", call(c.f), c.f, c.r, err, runs, time.Since(began))
				}
			}
		}
	})
}

// A failure goes where the call says, with what failed; and it is told once, also
// over a crash at each commit.
func TestOnFailure(t *testing.T) {
	runs := 0
	toDiary := blame.To("d", situ.Failure[fate]{})
	ends := func(key string) situ.Call[int] { return stumble.To(key, fate{Code: "no", Times: 1}).OnFailure(toDiary) }
	for name, c := range map[string]struct {
		call situ.Call[int]
		want string
	}{
		"returned": {ends("a"), "shaky/a.stumble failed/no after 1 of 1"},
		"function": {trip.With(fate{Code: "no", Times: 1}).OnFailure(toDiary), "trip failed/no after 1 of 1"},
		"given up": {stumble.To("a", fate{Panic: true, Times: 9}).Retry(situ.RetryPolicy(2, time.Second, time.Second)).OnFailure(toDiary), "shaky/a.stumble crashed/ after 2 of 9"},
		"run again, then answered": {stumble.To("a", fate{Code: "busy", Times: 2}).Retry(situ.Retry{Attempts: 2, Backoff: time.Second, On: []string{"*"}}).OnFailure(toDiary),
			"shaky/a.stumble failed/busy after 2 of 2"},
		"handed over":  {relay.To("a", fate{Code: "no", Times: 1}).OnFailure(toDiary), "shaky/b.stumble failed/no after 1 of 1"},
		"continuation": {chained.To("a", fate{Code: "no", Times: 9}).OnFailure(toDiary), "shaky/a.after failed/no after 1 of 0"},
	} {
		t.Run(name, func(t *testing.T) {
			for crash := 1; ; crash++ {
				over := false
				runs = 0
				situtest.Run(t, mishap(&runs), func(t *testing.T, rt *situtest.Runtime) {
					rt.CrashAt(crash)
					_, err := situ.Do(context.Background(), rt, c.call.Idempotent("k"))
					rt.Pass(time.Minute)
					if !rt.Crashed() {
						if over = true; err == nil {
							t.Error("it did not fail")
						}
						rt.CrashAt(1 << 30)
					} else {
						runs = 0
						rt.Restart()
						if _, err = situ.Do(context.Background(), rt, c.call.Idempotent("k")); err == nil {
							t.Error("it did not fail after the crash")
						}
						rt.Pass(time.Minute)
					}
					if got := situtest.Do(rt, pages.To("d", situ.None{})); len(got) != 1 || got[0] != c.want {
						t.Errorf("crash at commit %d: told %q, want %q", crash, got, c.want)
					}
					if dead := rt.DeadLetters(); dead != "" {
						t.Errorf("dead letters: %s", dead)
					}
				})
				if over || t.Failed() {
					if crash < 2 {
						t.Error("there was no commit to crash at")
					}
					return
				}
			}
		})
	}
}

func TestOnFailureOfOneWay(t *testing.T) {
	runs := 0
	situtest.Run(t, mishap(&runs), func(t *testing.T, rt *situtest.Runtime) {
		situtest.Do(rt, silent.To("a", fate{Code: "no", Times: 1}))
		rt.Settle()
		if got := situtest.Do(rt, pages.To("d", situ.None{})); len(got) != 1 || got[0] != "shaky/c.stumble failed/no after 1 of 1" {
			t.Errorf("told %q", got)
		}
	})
}

// What is out of range or not there is refused before anything is written.
func TestPolicyRefused(t *testing.T) {
	runs := 0
	p, err := embedded.Open(t.TempDir(), embedded.Options{Shards: 1}, mishap(&runs)...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	call := stumble.To("a", fate{})
	for _, c := range []situ.Call[int]{
		call.Retry(situ.Retry{Attempts: -1}), call.Retry(situ.Retry{Attempts: 2_000_000}), call.Retry(situ.Retry{Backoff: -1}),
		call.Retry(situ.Retry{On: []string{""}}), call.Retry(situ.Retry{Backoff: 2, MaxBackoff: 1}), call.Priority(7),
		call.OnFailure(trip.With(fate{})), call.OnFailure(blame.To("", situ.Failure[fate]{})),
		call.OnFailure(blame.To("d", situ.Failure[fate]{}).Retry(situ.Retry{Attempts: 1})),
	} {
		if _, err := situ.Do(t.Context(), p, c); err == nil || runs != 0 {
			t.Errorf("%v: %v after %d runs", c, err, runs)
		}
	}
	for _, on := range []wire.Address{{Method: "nobody"}, {Type: "diary", Key: "d", Method: "blam"}, {Type: "diary", Method: "blame"}} {
		_, err := p.Invoke(t.Context(), &wire.Request{To: wire.Address{Type: "shaky", Key: "a", Method: "stumble"}, Policy: &wire.Policy{OnFail: on}})
		if k := fault.KindOf(err); k != fault.NotFound && k != fault.Invalid || runs != 0 {
			t.Errorf("%v: %v after %d runs", on, err, runs)
		}
	}
}
