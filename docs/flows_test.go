package docs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/situtest"
)

// What docs/flows.md shows.

// Guests is who comes, and where to.
type Guests struct {
	Desk   string   `json:"desk"`
	Guests []string `json:"guests"`
}

type guest struct {
	Name string `json:"name"`
}

var (
	greeterType = situ.NewType("greeter")
	greet       = situ.NewMethod[guest, string](greeterType, "greet")
)

func verdictOf(ctx context.Context, p situ.Caller, names []string) (string, error) {
	evening := graph.New("evening", graph.Seq(
		graph.Map(graph.Ref("#/input/guests"),
			graph.Object("greeter", graph.Ref("#/input/desk"), "greet", map[string]any{"name": graph.Ref("#/item")}).
				Retries(situ.Retry{Attempts: 3, Backoff: 200 * time.Millisecond})).
			Limit(10).As("greetings"),
		graph.Choice(graph.Ref("#/steps/greetings"), graph.Value("a party"),
			graph.Is([]any{}, graph.Fail("nobody", "nobody came")),
			graph.Fits(`{"maxItems": 2}`, graph.Value("a quiet evening")))))
	verdict, err := situ.Do(ctx, p, graph.Run[string]("monday", evening, Guests{Desk: "lobby", Guests: names}))
	return verdict, err
}

func TestFlowsOfTheGuide(t *testing.T) {
	for want, names := range map[string][]string{"a party": {"Ada", "Bob", "Cy"}, "a quiet evening": {"Ada"}, "nobody": {}} {
		situtest.Run(t, []situ.Component{situ.Object(greeterType, situ.On(greet, func(s *struct{ N int }, _ *situ.Turn, g guest) (string, error) {
			s.N++
			return "Hello " + g.Name, nil
		}))}, func(t *testing.T, rt *situtest.Runtime) {
			got, err := verdictOf(t.Context(), rt, names)
			if err != nil {
				got = situ.CodeOf(err)
			}
			if got != want {
				t.Errorf("%s: %q, %v", strings.Join(names, " "), got, err)
			}
		})
	}
}
