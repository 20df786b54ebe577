package airline

import (
	"testing"

	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/examples/airline/airgen"
)

func TestRun(t *testing.T) {
	p, err := platform.Open(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir(), Components: Components()})
	if err != nil {
		t.Fatal(err)
	}
	s := airgen.Size{Flights: 12, Passengers: 30, Seed: 4}
	r, err := Run(t.Context(), p, s, &platform.Meter{}, &report.Progress{})
	if err != nil || !r.Verified || r.Turns < Turns(s) || r.Turns > Turns(s)*11/10 {
		t.Errorf("%+v, %v; at least %d turns are needed", r, err, Turns(s))
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// Everybody on the floor settles: it ends, also with full flights.
func TestFloor(t *testing.T) {
	for _, s := range []airgen.Size{{Flights: 1, Passengers: 1}, {Flights: 20, Passengers: 40, Seed: 2}} {
		if wall := Floor(s); wall <= 0 {
			t.Errorf("%+v took %v", s, wall)
		}
	}
}
