package embedded_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/platform/webhook"
)

// A shop whose clerk waits for answers, with a workflow.
type (
	item  struct{ By int }
	clerk struct {
		Sold  int
		Token string
	}
)

var (
	clerkType = situ.NewType("clerk")
	sell      = situ.NewMethod[item, int](clerkType, "sell")
	review    = situ.NewMethod[time.Duration, item](clerkType, "review")
	mail      = situ.NewMethod[situ.None, string](clerkType, "mail", situ.ReadOnly)
	price     = situ.NewFunc[int, int]("price")

	tripType = situ.NewType("trip")
	travel   = situ.NewMethod[string, string](tripType, "travel")
	boarded  = flow.NewSignal[int](tripType, "boarded")

	ghost  = situ.NewMethod[int, int](situ.NewType("ghost"), "haunt") // hosted by nobody
	absent = situ.NewFunc[int, int]("absent")
)

func shop() []situ.Component {
	return []situ.Component{
		situ.Object(clerkType,
			situ.On(sell, func(c *clerk, _ *situ.Turn, i item) (int, error) { c.Sold += i.By; return c.Sold, nil }),
			situ.On(review, func(c *clerk, t *situ.Turn, expiry time.Duration) (item, error) {
				call, token := situ.Token[item](t, expiry)
				c.Token = token
				return situ.Tail(t, call)
			}),
			situ.On(mail, func(c *clerk, _ *situ.Turn, _ situ.None) (string, error) { return c.Token, nil })),
		situ.Function(price, func(_ *situ.Turn, n int) (int, error) { return n, nil }),
		flow.Workflow(tripType, travel, func(f *flow.Flow, where string) (string, error) {
			_, err := flow.Wait(f, boarded)
			return where, err
		}),
	}
}

// opened is a platform and its door, and tells when something was written.
type opened struct {
	t *testing.T
	*embedded.Platform
	base string
}

func openStore(t *testing.T) *opened {
	p, err := embedded.Open(t.TempDir(), embedded.Options{Shards: 2}, shop()...)
	if err != nil {
		t.Fatal(err)
	}
	n := p.Node()
	var hooks webhook.Config
	h := ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n, Chains: n}, ingress.Config{CallbackURL: hooks.Check, MaxBody: 1 << 20})
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return &opened{t, p, server.URL}
}

// written returns the numbers of the last commits, and what waits.
func (s *opened) written() (sum [4]uint64) {
	s.t.Helper()
	all, err := s.Node().Figures(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range all {
		for i, n := range []uint64{uint64(f.Seq), uint64(f.Queued), uint64(f.Timers), uint64(f.Dead)} {
			sum[i] += n
		}
	}
	return sum
}

// refused checks that err says want, and that nothing was written.
func (s *opened) refused(what, got string, before [4]uint64, want ...string) {
	s.t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			s.t.Errorf("%s: %s; want %q in it", what, got, w)
		}
	}
	if after := s.written(); after != before {
		s.t.Errorf("%s: commits, queued, timers, dead letters were %v and are %v: it was refused after something was written", what, before, after)
	}
}

// request makes a request: "METHOD PATH", header lines.
func (s *opened) request(head, body string) string {
	s.t.Helper()
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	return resp.Status + " " + string(text)
}

// What cannot be is refused with what failed, on what, why, and what to do, before
// anything is written: over HTTP.
func TestBadInputOverHTTP(t *testing.T) {
	s := openStore(t)
	for _, c := range []struct {
		name, head, body string
		want             []string
	}{
		{"unknown type", "POST /v1/objects/clark/a/sell", `{"By":1}`, []string{"404", `\"clark\"`, `did you mean \"clerk\"?`}},
		{"unknown method", "POST /v1/objects/clerk/a/sel", `{"By":1}`, []string{"404", `\"sel\"`, `did you mean \"sell\"?`}},
		{"unknown function", "POST /v1/functions/prise", `1`, []string{"404", `\"prise\"`, `did you mean \"price\"?`}},
		{"unknown function, later", "POST /v1/functions/prise\nSitu-Delay: 1h", `1`, []string{"404", `did you mean \"price\"?`}},
		{"unknown target of failures", "POST /v1/functions/price\nSitu-On-Failure: clerk/a.sel", `1`, []string{"404", `did you mean \"sell\"?`}},
		{"wrong input", "POST /v1/objects/clerk/a/sell", `{"By":"1"}`, []string{"422", "#/By", "whole number"}},
		{"no input", "POST /v1/functions/price", ``, []string{"422", "# is missing; want a whole number"}},
		{"no JSON", "POST /v1/objects/clerk/a/sell", `{By:1}`, []string{"400", "not well-formed JSON"}},
		{"too large", "POST /v1/objects/clerk/a/sell", `{"By":` + strings.Repeat(" ", 1<<20) + `1}`, []string{"413", "at most 1048576"}},

		{"deadline that is past", "POST /v1/functions/price\nSitu-Deadline: 2020-01-01T00:00:00Z", `1`, []string{"400", "is past", "to come"}},
		{"deadline of no time", "POST /v1/functions/price\nSitu-Within: 0s", `1`, []string{"400", "is past", "to come"}},
		{"negative deadline", "POST /v1/functions/price\nSitu-Within: -5s", `1`, []string{"400", "Situ-Within", "-5s", "90s"}},
		{"deadline before delivery", "POST /v1/functions/price\nSitu-Within: 5s\nSitu-Delay: 1h", `1`, []string{"400", "never run"}},
		{"no deadline", "POST /v1/functions/price\nSitu-Deadline: soon", `1`, []string{"400", "soon", "2026-01-02T15:04:05Z"}},

		{"no attempts", "POST /v1/functions/price\nSitu-Retry: attempts=0", `1`, []string{"400", "Situ-Retry", "attempts"}},
		{"too many attempts", "POST /v1/functions/price\nSitu-Retry: attempts=1000000000", `1`, []string{"400", "Situ-Retry", "attempts"}},
		{"backoff out of range", "POST /v1/functions/price\nSitu-Retry: attempts=3, backoff=-1s", `1`, []string{"400", "Situ-Retry", "backoff"}},
		{"a policy that is none", "POST /v1/functions/price\nSitu-Retry: often", `1`, []string{"400", "Situ-Retry", "often"}},
		{"priority", "POST /v1/functions/price\nSitu-Priority: 11", `1`, []string{"400", "Situ-Priority", "11"}},
		{"delay", "POST /v1/functions/price\nSitu-Delay: 90000h", `1`, []string{"400", "Situ-Delay", "ten years"}},
		{"URL inside", "POST /v1/functions/price\nSitu-Callback-Url: http://169.254.169.254/x", `1`, []string{"400", "Situ-Callback-Url"}},
		{"URL that is none", "POST /v1/functions/price\nSitu-Callback-Url: ftp://x", `1`, []string{"400", "Situ-Callback-Url"}},

		{"cron that never fires", "PUT /v1/schedules/s", `{"cron":"0 0 31 2 *","target":"price","input":1}`, []string{"400", "never fires"}},
		{"cron that is none", "PUT /v1/schedules/s", `{"cron":"61 0 * * *","target":"price","input":1}`, []string{"400", "minute", "59"}},
		{"a past instant", "PUT /v1/schedules/s", `{"at":"2020-01-01T00:00:00Z","target":"price","input":1}`, []string{"400", "never run"}},
		{"an end before the first time", "PUT /v1/schedules/s", `{"cron":"0 0 1 1 *","end":"2020-01-01T00:00:00Z","target":"price","input":1}`, []string{"400", "never fires"}},
		{"a schedule of nothing", "PUT /v1/schedules/s", `{"every":"1h","target":"prise","input":1}`, []string{"400", `did you mean \"price\"?`}},
		{"a schedule of a wrong input", "PUT /v1/schedules/s", `{"every":"1h","target":"price","input":"x"}`, []string{"422", "whole number"}},
		{"no zone", "PUT /v1/schedules/s", `{"cron":"0 0 * * *","zone":"Mars/Base","target":"price","input":1}`, []string{"400", "Mars/Base", "Europe/Berlin"}},

		{"a circle", "POST /v1/flows", `{"flow":{"do":{"par":[{"name":"a","value":{"$ref":"#/steps/b"}},{"name":"b","value":{"$ref":"#/steps/a"}}]}}}`, []string{"422", "#/flow/do/par/", "in a circle"}},
		{"a step of nothing", "POST /v1/flows", `{"flow":{"do":{"call":"prise","input":1}}}`, []string{"422", "#/flow/do/call", `did you mean \"price\"?`}},
		{"a policy of a step", "POST /v1/flows", `{"flow":{"do":{"call":"price","input":1,"retry":0}}}`, []string{"422", "#/flow/do/retry", "between 1"}},
		{"a wait in the past", "POST /v1/flows", `{"flow":{"do":{"wait":"-1s"}}}`, []string{"422", "#/flow/do/wait"}},

		{"a signal of the wrong type", "POST /v1/objects/trip/a/boarded", `"x"`, []string{"422", "whole number"}},
		{"a token that there is not", "POST /v1/callbacks/nonsense", `{"result":1}`, []string{"404", "no such callback token"}},
		{"an answer that is none", "POST /v1/callbacks/nonsense", `{"resul":1}`, []string{"400", "resul"}},
	} {
		before := s.written()
		s.refused(c.name, s.request(c.head, c.body), before, c.want...)
	}
}

// Callback tokens are refused when they are used, expired, or answered with what does
// not fit.
func TestBadAnswers(t *testing.T) {
	s := openStore(t)
	ctx := t.Context()
	token := func(d time.Duration) string {
		t.Helper()
		key := d.String()
		if _, err := situ.Start(ctx, s.Platform, review.To(key, d)); err != nil {
			t.Fatal(err)
		}
		tok, err := situ.Do(ctx, s.Platform, mail.To(key, situ.None{}))
		if err != nil || tok == "" {
			t.Fatalf("%q, %v", tok, err)
		}
		for range 1000 { // until its shard has heard of it
			if got := s.request("GET /v1/callbacks/"+tok, ""); !strings.HasPrefix(got, "404") {
				return tok
			}
		}
		t.Fatal(s.request("GET /v1/callbacks/"+tok, ""))
		return tok
	}
	long := token(time.Hour)
	before := s.settled()
	s.refused("a result of the wrong type", s.request("POST /v1/callbacks/"+long, `{"result":{"By":"many"}}`), before, "422", "wrong type", "#/By", "whole number")
	s.refused("two answers", s.request("POST /v1/callbacks/"+long, `{"result":{"By":1},"heartbeat":true}`), before, "400", "2 things", "say one of")
	if got := s.request("POST /v1/callbacks/"+long, `{"result":{"By":1}}`); !strings.HasPrefix(got, "204") {
		t.Fatal(got)
	}
	before = s.settled()
	s.refused("a used token", s.request("POST /v1/callbacks/"+long, `{"result":{"By":2}}`), before, "409", "used at", "answered once")
	s.refused("a used token, told of", s.request("GET /v1/callbacks/"+long, ``), before, "409")

	short := token(time.Millisecond)
	for strings.HasPrefix(s.request("GET /v1/callbacks/"+short, ``), "200") { // until it has expired
	}
	before = s.settled()
	s.refused("an expired token", s.request("POST /v1/callbacks/"+short, `{"result":{"By":1}}`), before, "410", "expired at", "not waited for")
}

// settled returns written when two looks at it are alike.
func (s *opened) settled() [4]uint64 {
	for was := s.written(); ; {
		now := s.written()
		if now == was {
			return now
		}
		was = now
	}
}

// What cannot be is refused in Go, too: in process and over HTTP.
func TestBadInputInGo(t *testing.T) {
	s := openStore(t)
	client := situ.NewClient(s.base)
	defer client.Close()
	past := time.Now().Add(-time.Hour)
	for name, p := range map[string]situ.Caller{"embedded": s.Platform, "client": client} {
		for _, c := range []struct {
			name string
			err  func(context.Context) error
			kind string
			want string
		}{
			{"unknown type", do(p, ghost.To("a", 1)), "not-found", "ghost"},
			{"unknown function", do(p, absent.With(1)), "not-found", "absent"},
			{"unknown type, not waited for", start(p, ghost.To("a", 1)), "not-found", "ghost"},
			{"unknown function, later", start(p, absent.With(1).After(time.Hour)), "not-found", "absent"},
			{"unknown target of failures", do(p, price.With(1).OnFailure(situ.Untyped[situ.None]("nobody", nil))), "not-found", "nobody"},
			{"no key", do(p, sell.To("", item{1})), "invalid", "key"},
			{"deadline of no time", do(p, price.With(1).Within(-time.Second)), "invalid", "past"},
			{"deadline before delivery", do(p, price.With(1).Within(time.Second).After(time.Hour)), "invalid", "never run"},
			{"deadline that is past", do(p, price.With(1).By(past)), "invalid", "past"},
			{"attempts", do(p, price.With(1).Retry(situ.Retry{Attempts: -1})), "invalid", "attempts"},
			{"backoff", do(p, price.With(1).Retry(situ.Retry{Attempts: 2, Backoff: -1})), "invalid", "backoff"},
			{"priority", do(p, price.With(1).Priority(77)), "invalid", "77"},
			{"a circle", do(p, graph.Run[int]("k", graph.New("", graph.Par(graph.Value(graph.Ref("#/steps/b")).As("a"), graph.Value(graph.Ref("#/steps/a")).As("b"))), nil)), "", "circle"},
			{"a wrong input", do(p, situ.Untyped[int]("clerk/a.sell", "x")), "", ""},
			{"a key that is too long", do(p, price.With(1).Idempotent(strings.Repeat("k", 300))), "invalid", "255"},
		} {
			before := s.written()
			err := c.err(t.Context())
			e, ok := errors.AsType[*situ.Error](err)
			if !ok || c.kind != "" && e.Kind != c.kind {
				t.Errorf("%s, %s: %#v; want an error of kind %s", name, c.name, err, c.kind)
				continue
			}
			s.refused(name+", "+c.name, err.Error(), before, c.want)
		}
	}
}

func do[O any](p situ.Caller, c situ.Call[O]) func(context.Context) error {
	return func(ctx context.Context) error { _, err := situ.Do(ctx, p, c); return err }
}

func start[O any](p situ.Caller, c situ.Call[O]) func(context.Context) error {
	return func(ctx context.Context) error { _, err := situ.Start(ctx, p, c); return err }
}
