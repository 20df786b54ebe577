package main

import (
	"testing"

	"github.com/situ-dev/situ/examples/hello/greeter"
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
