package flow_test

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

// The components of these tests: workflows that await each other as their input
// says, and a door that holds who knocks.
var (
	ringType = situ.NewType("ring")
	ringRun  = situ.NewMethod[[]string, string](ringType, "run")
	doorType = situ.NewType("door")
	knock    = situ.NewMethod[[]string, string](doorType, "knock")
	knocked  = situ.NewMethod[situ.Reply[string, situ.None], string](doorType, "knocked")
	noted    = situ.NewMethod[situ.Reply[string, situ.None], situ.None](doorType, "noted")
	peek     = situ.NewMethod[[]string, string](doorType, "peek")
)

type door struct{ Who situ.Promise[string] }

func rings() []situ.Component {
	return []situ.Component{
		flow.Workflow(ringType, ringRun, func(f *flow.Flow, next []string) (string, error) {
			if len(next) == 0 {
				return "end", nil
			}
			if key, ok := strings.CutPrefix(next[0], "door:"); ok {
				return flow.Await(f, knock.To(key, next[1:]))
			}
			return flow.Await(f, ringRun.To(next[0], next[1:]))
		}),
		situ.Object(doorType,
			situ.On(knock, func(d *door, t *situ.Turn, next []string) (string, error) {
				if len(next) > 0 {
					switch key, how, _ := strings.Cut(next[0], ":"); how {
					case "then":
						return situ.Then(t, knock.To(key, next[1:]), knocked, situ.None{})
					case "peek":
						return situ.Then(t, peek.To(key, next[1:]), knocked, situ.None{})
					case "ring":
						return situ.Then(t, ringRun.To(key, next[1:]), knocked, situ.None{})
					default:
						situ.Ask(t, knock.To(key, next[1:]), noted, situ.None{})
					}
				}
				return situ.Hold(t, &d.Who)
			}),
			situ.On(knocked, func(_ *door, _ *situ.Turn, r situ.Reply[string, situ.None]) (string, error) { return r.Value, r.Err() }),
			situ.On(noted, func(d *door, t *situ.Turn, r situ.Reply[string, situ.None]) (situ.None, error) {
				if err := r.Err(); err != nil {
					situ.Reject(t, &d.Who, err)
				} else {
					situ.Resolve(t, &d.Who, r.Value)
				}
				return situ.None{}, nil
			}),
			situ.On(peek, func(_ *door, _ *situ.Turn, _ []string) (string, error) { return "peeked", nil }))}
}

// TestCycle has objects and workflows wait for each other in a ring. It is found at
// once, and the error names the way; one that is answered at once is none.
func TestCycle(t *testing.T) {
	for _, c := range []struct {
		name, way string
		ring      []string // of workflows
		door      []string // of doors
	}{
		{name: "two workflows", ring: []string{"b", "a"}, way: "ring/a.run waits for ring/b.run waits for ring/a.run"},
		{name: "one workflow", ring: []string{"a"}, way: "ring/a.run waits for ring/a.run"},
		{name: "three, not from the first", ring: []string{"b", "c", "b"}, way: "ring/b.run waits for ring/c.run waits for ring/b.run"},
		{name: "two doors", door: []string{"b:then", "a:hold"}, way: "door/a.knocked waits for door/b.knock waits for door/a.knock"},
		{name: "two doors that hold", door: []string{"b", "a"}, way: "door/a.knock waits for door/b.knock waits for door/a.knock"},
		{name: "over a workflow", door: []string{"w:ring", "door:a"}, way: "door/a.knocked waits for ring/w.run waits for door/a.knock"},
		{name: "answered at once", door: []string{"b:then", "a:peek"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			situtest.Options{Shards: 3}.Run(t, rings(), func(t *testing.T, rt *situtest.Runtime) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				call := ringRun.To("a", c.ring)
				if c.door != nil {
					call = knock.To("a", c.door)
				}
				began := time.Now()
				out, err := situ.Do(ctx, rt, call)
				if c.way == "" {
					if err != nil {
						t.Fatalf("it is no cycle: %q, %v", out, err)
					}
					return
				}
				e, ok := errors.AsType[*situ.Error](err)
				if !ok || e.Code != "cycle" || !strings.Contains(err.Error(), c.way+":") || time.Since(began) > time.Second {
					t.Errorf("after %v: %v\nwant %s", time.Since(began), err, c.way)
				}
			})
		})
	}
}
