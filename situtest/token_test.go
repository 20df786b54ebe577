package situtest_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/situtest"
)

type verdict struct {
	By   string    `json:"by"`
	OK   bool      `json:"ok"`
	At   time.Time `json:"at,omitzero"`
	Seal []byte    `json:"seal,omitempty"`
}

// A court asks somebody outside.
var (
	courtType = situ.NewType("court")
	courtAsk  = situ.NewMethod[time.Duration, string](courtType, "ask")
	courtPass = situ.NewMethod[situ.None, verdict](courtType, "pass")
	courtSaid = situ.NewMethod[situ.Reply[verdict, string], string](courtType, "said")
	courtMail = situ.NewMethod[situ.None, string](courtType, "mail", situ.ReadOnly)
)

type court struct{ Token string }

func courts() situ.Component {
	return situ.Object(courtType,
		situ.On(courtAsk, func(c *court, t *situ.Turn, beat time.Duration) (string, error) {
			call, token := situ.Token[verdict](t, time.Hour)
			c.Token = token
			if beat > 0 {
				call = call.Heartbeat(beat)
			}
			return situ.Then(t, call, courtSaid, "the case")
		}),
		situ.On(courtPass, func(c *court, t *situ.Turn, _ situ.None) (verdict, error) {
			call, token := situ.Token[verdict](t, time.Hour)
			c.Token = token
			return situ.Tail(t, call)
		}),
		situ.On(courtSaid, func(_ *court, _ *situ.Turn, r situ.Reply[verdict, string]) (string, error) {
			if err := r.Err(); err != nil {
				return "", err
			}
			text, err := json.Marshal(r.Value)
			return r.Carry + ": " + string(text), err
		}),
		situ.On(courtMail, func(c *court, _ *situ.Turn, _ situ.None) (string, error) { return c.Token, nil }))
}

// result is what a call came to, later.
type result struct {
	value string
	err   error
}

func start[O any](rt *situtest.Runtime, c situ.Call[O]) chan result {
	ch := make(chan result, 1)
	go func() {
		v, err := situ.Do(context.Background(), rt, c)
		text, _ := json.Marshal(v) // of a test's own types
		ch <- result{string(text), err}
	}()
	rt.Settle()
	return ch
}

func mail(rt *situtest.Runtime, key string) string {
	return situtest.Do(rt, courtMail.To(key, situ.None{}))
}

const guilty = `{"by":"eve","ok":true,"at":"2026-01-02T03:04:05Z","seal":"AQID"}`

// Whoever has a token answers, once, with a value that fits or with an error; and
// is told clearly if that cannot be.
func TestToken(t *testing.T) {
	for _, shards := range []int{1, 4} {
		situtest.Options{Shards: shards}.Run(t, []situ.Component{courts()}, func(t *testing.T, rt *situtest.Runtime) {
			asked, passed := start(rt, courtAsk.To("a", 0)), start(rt, courtPass.To("b", situ.None{}))
			for key, ch := range map[string]chan result{"a": asked, "b": passed} {
				token := mail(rt, key)
				if len(token) < 26 {
					t.Fatalf("the token is %q", token)
				}
				if err := rt.Answer(token, guilty); err != nil {
					t.Fatal(err)
				}
				if r := <-ch; r.err != nil || !strings.Contains(r.value, `eve`) || !strings.Contains(r.value, `AQID`) || !strings.Contains(r.value, "2026-01-02T03:04:05Z") {
					t.Errorf("%s: %+v", key, r)
				}
				if err := rt.Answer(token, guilty); kind(err) != "token-used" {
					t.Errorf("%s again: %v", key, err)
				}
			}
			failed := start(rt, courtAsk.To("c", 0))
			if err := rt.AnswerFailure(mail(rt, "c"), "absent", "nobody is there"); err != nil {
				t.Error(err)
			}
			if r := <-failed; situ.CodeOf(r.err) != "absent" || kind(r.err) != "failed" {
				t.Errorf("a failure: %v", r.err)
			}
			token := mail(rt, "c")
			for _, other := range []string{"", "x", token[:len(token)-1], token[:5] + strings.Repeat("0", 26), "ffff" + token[4:], "zzzz" + token[4:]} {
				if err := rt.Answer(other, guilty); kind(err) != "not-found" {
					t.Errorf("token %q: %v", other, err)
				}
			}
			rt.Pass(25 * time.Hour)
			if err := rt.Answer(token, guilty); kind(err) != "not-found" {
				t.Errorf("long after: %v", err)
			}
		})
	}
}

// A token is good for as long as it was made for, over crashes.
func TestTokenExpires(t *testing.T) {
	situtest.Run(t, []situ.Component{courts()}, func(t *testing.T, rt *situtest.Runtime) {
		ask := courtAsk.To("a", 0).Idempotent("k")
		if _, err := situ.Start(t.Context(), rt, ask); err != nil {
			t.Fatal(err)
		}
		rt.Pass(59 * time.Minute)
		rt.Crash()
		token := mail(rt, "a")
		rt.Pass(2 * time.Minute)
		if err := situtest.DoErr(rt, ask); kind(err) != "timeout" || !strings.Contains(err.Error(), "expired") || strings.Contains(err.Error(), token) {
			t.Errorf("who waited: %v", err)
		}
		if err := rt.Answer(token, guilty); kind(err) != "token-expired" {
			t.Errorf("who answers: %v", err)
		}
		rt.Crash()
		if err := rt.Answer(token, guilty); kind(err) != "token-expired" {
			t.Errorf("after a crash: %v", err)
		}
	})
}

// Who has a token and promised signs of life gives them, or has lost it.
func TestHeartbeat(t *testing.T) {
	situtest.Run(t, []situ.Component{courts()}, func(t *testing.T, rt *situtest.Runtime) {
		alive, silent := start(rt, courtAsk.To("a", time.Minute)), start(rt, courtAsk.To("b", time.Minute))
		token := mail(rt, "a")
		for range 5 {
			rt.Pass(50 * time.Second)
			if err := rt.Heartbeat(token); err != nil {
				t.Fatal(err)
			}
		}
		if r := <-silent; kind(r.err) != "timeout" || !strings.Contains(r.err.Error(), "no sign of life for 1m0s") {
			t.Errorf("the silent one: %v", r.err)
		}
		if err := rt.Heartbeat(mail(rt, "b")); kind(err) != "token-expired" {
			t.Errorf("a heartbeat too late: %v", err)
		}
		if err := rt.Answer(token, guilty); err != nil {
			t.Error(err)
		}
		if r := <-alive; r.err != nil {
			t.Errorf("the other: %v", r.err)
		}
		for name, c := range map[string]situ.Call[string]{
			"of an object": courtAsk.To("a", 0).Heartbeat(time.Second),
			"no token":     situ.Callback[string]("me", time.Hour),
			"no expiry":    situ.Callback[string](token, 0),
			"every 0":      situ.Callback[string](token, time.Hour).Heartbeat(0),
		} {
			if err := c.Err(); kind(err) != "invalid" || strings.Contains(err.Error(), token) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// In a workflow the token is the same in every run of the code, and is good from
// the moment in which a step can tell it to anybody.
func TestTokenInWorkflow(t *testing.T) {
	typ := situ.NewType("trial")
	run := situ.NewMethod[situ.None, verdict](typ, "run")
	for n := 1; ; n++ {
		var told []string
		crashed := false
		w := flow.Workflow(typ, run, func(f *flow.Flow, _ situ.None) (v verdict, err error) {
			call, token := flow.Token[verdict](f, 24*time.Hour)
			answer := flow.Start(f, call)
			if _, err := flow.Step(f, "tell", func(context.Context) (situ.None, error) {
				told = append(told, token)
				return situ.None{}, nil
			}); err != nil {
				return v, err
			}
			return answer.Get()
		})
		situtest.Options{Shards: 4}.Run(t, []situ.Component{w}, func(t *testing.T, rt *situtest.Runtime) {
			rt.CrashAt(n)
			_, _ = situ.Start(t.Context(), rt, run.To("t", situ.None{}))
			again := func() bool { // the platform has died, and goes on
				rt.Pass(time.Hour)
				if !rt.Crashed() {
					return false
				}
				crashed = true
				rt.Restart()
				_, err := situ.Start(t.Context(), rt, run.To("t", situ.None{})) // it may never have heard of it
				if err != nil {
					t.Fatal(err)
				}
				rt.Pass(time.Hour)
				return true
			}
			again()
			for {
				err := rt.Answer(told[0], guilty)
				if !again() {
					if err != nil && kind(err) != "token-used" {
						t.Errorf("crash at %d: %v", n, err)
					}
					break
				}
			}
			rt.CrashAt(0)
			got := situtest.Do(rt, run.To("t", situ.None{}))
			if got.By != "eve" || string(got.Seal) != "\x01\x02\x03" || got.At.Year() != 2026 {
				t.Errorf("crash at %d: %+v", n, got)
			}
			for _, token := range told {
				if token != told[0] {
					t.Errorf("crash at %d: tokens %q", n, told)
				}
			}
		})
		if !crashed {
			if n < 5 {
				t.Errorf("only %d commits", n)
			}
			return
		}
	}
}
