package timers

import (
	"testing"
	"time"

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
	c := Config{Timers: 3000, Sleepers: 30, After: 2 * time.Second}
	r, err := RunOn(t.Context(), p, c, &platform.Meter{}, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, name := range []string{setRate, firedRate, before, during} {
		if f := r.Figure(name); f.Value <= 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// Sleepers that have been rung before have too many, which is found.
	c.After = time.Second
	if r, err = RunOn(t.Context(), p, c, &platform.Meter{}, nil); err != nil || r.Verified {
		t.Errorf("%+v, %v", r, err)
	}
}
