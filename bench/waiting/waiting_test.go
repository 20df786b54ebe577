package waiting

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/proc"
)

func TestMain(m *testing.M) {
	proc.Serve(map[string]proc.Role{"server": platform.Role(Components()...)})
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	p := platform.Config{Mode: platform.Embedded, Dir: t.TempDir()}
	for _, c := range []Config{{Chains: 2500, For: Timer, Wait: 6 * time.Second}, {Chains: 1500, For: Token, Wait: time.Second}} {
		p.Dir = t.TempDir()
		r, err := Run(t.Context(), p, c, nil)
		if err != nil || !r.Verified {
			t.Fatalf("%+v: %+v, %v", c, r, err)
		}
		if f := r.Figure(startFigure); f.Value <= 0 {
			t.Errorf("%+v", f)
		}
	}
}

// The check finds a chain that ended twice, and one that did not.
func TestCheckFinds(t *testing.T) {
	p, err := platform.Open(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir(), Components: Components()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := Config{Chains: 1000}
	for _, f := range []struct {
		at, want int
		wrong    string
	}{{0, 1, ""}, {1, 3, "WRONG: 2 chains ended, want 3"}, {1, 2, "WRONG: 1 of the 1000 chains of tally 0 ended again"}} {
		if _, err := situ.Do(t.Context(), p, mark.To(tallyKey(wait, 0), f.at)); err != nil {
			t.Fatal(err)
		}
		if got, err := c.check(t.Context(), p, wait, f.want); err != nil || !strings.HasPrefix(got, f.wrong) || (got == "") != (f.wrong == "") {
			t.Errorf("%q, %v; want %q", got, err, f.wrong)
		}
	}
}
