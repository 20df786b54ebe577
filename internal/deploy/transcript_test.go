package deploy

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/situ-dev/situ/internal/fault"
)

// TestTranscripts runs testdata/*.txt. The commands, one a block:
//
//	new              nothing is deployed
//	do at=D          acts, as JSON, one a line, D after the beginning; what came of them
//	needed at=D      the versions that are to be ready then
//	find WORD...     the versions that words name
//
// Run with -rewrite to write what came out, and read the diff.
func TestTranscripts(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &State{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			at := begin
			if d.HasArg("at") {
				var text string
				d.ScanArgs(t, "at", &text)
				after, err := time.ParseDuration(text)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				at = begin.Add(after)
			}
			var b strings.Builder
			switch d.Cmd {
			case "new":
				s = &State{}
			case "do":
				for line := range strings.Lines(d.Input) {
					var a Act
					if err := json.Unmarshal([]byte(line), &a); err != nil {
						d.Fatalf(t, "%s: %v", line, err)
					}
					was := words(s)
					err := s.Do("shop", a, at)
					if err != nil {
						fmt.Fprintf(&b, "%s: %v\n", fault.KindOf(err), err)
						if words(s) != was {
							d.Fatalf(t, "an act that was refused changed something")
						}
					}
				}
				b.WriteString(words(s))
			case "needed":
				fmt.Fprintln(&b, s.Needed(at))
			case "find":
				for _, a := range d.CmdArgs {
					if v, err := s.Find(a.Key); err != nil {
						fmt.Fprintf(&b, "%s: %v\n", fault.KindOf(err), err)
					} else {
						fmt.Fprintf(&b, "%d\n", v.Number)
					}
				}
			default:
				d.Fatalf(t, "unknown command")
			}
			return b.String()
		})
	})
}

func words(s *State) string {
	var b strings.Builder
	shares := func(name string, all []Share) {
		fmt.Fprintf(&b, "%s", name)
		for _, sh := range all {
			fmt.Fprintf(&b, " %d=%s", sh.Version, percent(sh.Weight))
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "%d versions\n", len(s.Versions))
	shares("live", s.Live)
	shares("before", s.Before)
	if r := s.Rollout; r != nil {
		fmt.Fprintf(&b, "rollout of %d: step %d of %v\n", r.Version, r.Step+1, r.Steps)
	}
	if s.Off != nil {
		fmt.Fprintf(&b, "off\n")
	}
	if !s.Ends.IsZero() {
		fmt.Fprintf(&b, "ends %s\n", s.Ends.Format("15:04"))
	}
	if n := len(s.Events); n > 0 {
		fmt.Fprintln(&b, s.Events[n-1].What)
	}
	return b.String()
}

// Shares are as the weights say, and only as many things move as must.
func TestPick(t *testing.T) {
	const n = 10_000
	parts := []Part{{Hash("a"), 0.7}, {Hash("b"), 0.3}, {Hash("c"), 0}}
	count := func(parts []Part) (at [n]int, share []float64) {
		share = make([]float64, len(parts))
		for i := range at {
			at[i] = Pick(parts, Hash("type", fmt.Sprint("key", i)))
			share[at[i]] += 1. / n
		}
		return at, share
	}
	was, share := count(parts)
	if share[1] < 0.28 || share[1] > 0.32 || share[2] != 0 {
		t.Errorf("shares of 0.7, 0.3 and 0 are %v", share)
	}
	for _, w := range [][]float64{{0.5, 0.5, 0}, {0.5, 0.3, 0.2}, {0, 0.5, 0.5}, {0.2, 0.2, 0.6}} {
		least := 0.
		for i := range parts {
			least += max(w[i]-share[i], 0)
			parts[i].Weight = w[i]
		}
		now, share2 := count(parts)
		moved := 0
		for i := range now {
			if now[i] != was[i] {
				moved++
			}
		}
		for i := range w {
			if math.Abs(share2[i]-w[i]) > 0.02 {
				t.Errorf("shares of %v are %v", w, share2)
			}
		}
		if float64(moved) > (least+0.15)*n { // of three that change at once a few move twice
			t.Errorf("to %v %d moved, and %d had to", w, moved, int(least*n))
		}
		was, share = now, share2
	}
	if Pick(nil, 7) != -1 || Pick([]Part{{1, 0}}, 7) != -1 {
		t.Error("there is one where none has a weight")
	}
}
