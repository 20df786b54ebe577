package workflow

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ/bench/platform"
)

func TestRunOn(t *testing.T) {
	p, err := platform.Open(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir(), Components: Components()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := Config{Steps: 3, Callers: 3, Workflows: 40}
	r, err := RunOn(t.Context(), p, c, &platform.Meter{}, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	if least := uint64(40 * 4); r.Turns < least { // the start, and each step
		t.Errorf("%d turns, want %d at least", r.Turns, least)
	}
	for _, name := range []string{"workflows", alone} {
		if f := r.Figure(name); f.Value <= 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// Workflows that are there already do no steps, which is found.
	r, err = RunOn(t.Context(), p, c, &platform.Meter{}, nil)
	if err != nil || r.Verified || len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "WRONG: steps were run 0 times") {
		t.Errorf("%+v, %v", r, err)
	}
}
