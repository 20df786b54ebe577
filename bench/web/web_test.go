package web

import (
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/floor"
	"github.com/situ-dev/situ/bench/load"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/proc"
)

func TestMain(m *testing.M) {
	roles := map[string]proc.Role{"client": load.Role, "server": platform.Role(append(Components(), counter.Components()...)...)}
	maps.Copy(roles, floor.Roles)
	proc.Serve(roles)
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	c := Config{Echoes: 4, Calls: 8, Objects: 20, Duration: 400 * time.Millisecond, Rounds: 1}
	r, err := Run(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir()}, c, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, f := range r.Figures {
		if f.Value <= 0 && !strings.HasPrefix(f.Name, "CPU") || f.FloorOf != "" && (f.Floor <= 0 || f.Ratio <= 0) {
			t.Errorf("%+v", f)
		}
	}
	c.Echoes, c.Calls = 64, 256 // those of the bars
	if bars := c.Bars(&r, platform.Embedded, true); len(bars) != 2 || bars[0].Measured <= 0 || bars[1].Measured <= 0 {
		t.Errorf("%+v", bars)
	}
}

// A refusal under this load is a fault, and an answer that is not the input.
func TestFaults(t *testing.T) {
	for want, res := range map[string]load.Result{
		"":                  {Acked: []uint64{9}, Status: map[int]uint64{200: 9}},
		"statuses":          {Acked: []uint64{9}, Status: map[int]uint64{200: 9, 429: 1}},
		"WRONG: 1 answers":  {Acked: []uint64{9}, Status: map[int]uint64{200: 9}, Wrong: 1},
		"WRONG: nothing":    {},
		"1 broken connecti": {Acked: []uint64{9}, Status: map[int]uint64{200: 9}, Broken: 1},
	} {
		w := &run{echo: []load.Result{res}}
		if got := w.faults(); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
