package main

import (
	"os"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/hello/greeter"
	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/situtest"
)

func TestGreet(t *testing.T) {
	situtest.Run(t, components(), func(t *testing.T, rt *situtest.Runtime) {
		situtest.Do(rt, greeter.Greet.To("lobby", greeter.Person{Name: "Ada"}))
		rt.Crash()
		got := situtest.Do(rt, greeter.Greet.To("lobby", greeter.Person{Name: "Bob"}))
		if got.Text != "Hello Bob, guest 2 of lobby!" {
			t.Errorf("after a crash: %q", got.Text)
		}
	})
}

// The flow in greet.flow.json, which is for `situ flow run`.
func TestFlow(t *testing.T) {
	text, err := os.ReadFile("greet.flow.json")
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	type evening struct {
		Greetings []greeter.Greeting `json:"greetings"`
		Verdict   string             `json:"verdict"`
	}
	situtest.Run(t, components(), func(t *testing.T, rt *situtest.Runtime) {
		guests := map[string]any{"desk": "lobby", "guests": []string{"Ada", "Bob", "Cy"}}
		got := situtest.Do(rt, graph.Run[evening]("monday", g, guests))
		if len(got.Greetings) != 3 || got.Verdict != "a party" {
			t.Errorf("the evening: %+v", got)
		}
		none := map[string]any{"desk": "lobby", "guests": []string{}}
		if err := situtest.DoErr(rt, graph.Run[evening]("tuesday", g, none)); situ.CodeOf(err) != "nobody" {
			t.Errorf("no guests: %v", err)
		}
	})
}
