package overload

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/load"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/proc"
)

func TestMain(m *testing.M) {
	proc.Serve(map[string]proc.Role{"client": load.Role, "server": platform.Role(counter.Components()...)})
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	c := Config{Objects: 5, Hot: 0.9, Waiting: 4, Connections: 20, Times: 2, Duration: time.Second, Work: 200 * time.Microsecond, MemoryMB: 256}
	r, err := Run(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir()}, c, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, name := range []string{goodputFigure, memoryFigure, normalFigure, answeredFigure, "sent"} {
		if f := r.Figure(name); f.Value <= 0 {
			t.Errorf("%+v", f)
		}
	}
}

func TestNormalAgain(t *testing.T) {
	before := &load.Result{Latency: load.Quantiles{P50: 1}}
	windows := func(text string) *load.Result {
		var r load.Result
		for _, c := range text {
			w := load.Window{OK: 10, P50: 1.5}
			switch c {
			case 'r':
				w.Refused = 1
			case 's':
				w.P50 = 1.8
			case 'n':
				w.OK = 0
			}
			r.Windows = append(r.Windows, w)
		}
		return &r
	}
	good := strings.Repeat("g", 10)
	for text, want := range map[string]time.Duration{
		good:                       time.Millisecond,
		"rsn" + good:               3 * window,
		"gggggggggr" + good + "rr": 10 * window,
		good[1:] + "r" + good[1:]:  19 * window,
	} {
		if got := normalAgain(before, windows(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
