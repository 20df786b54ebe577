package memory

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/proc"
)

func TestMain(m *testing.M) {
	roles := map[string]proc.Role{"server": platform.Role(Components()...)}
	maps.Copy(roles, Roles)
	proc.Serve(roles)
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	p := platform.Config{Mode: platform.Embedded, Dir: t.TempDir()}
	r, err := Run(t.Context(), p, Config{Residents: 5000, Objects: 1500, Starts: 1}, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, name := range []string{memoryFigure, "heap of a resident object", startFigure} {
		if f := r.Figure(name); f.Value <= 0 || f.Floor <= 0 || f.Ratio <= 0 {
			t.Errorf("%+v", f)
		}
	}
	// The state is about 100 bytes: a plain map takes that and the keys.
	if f := r.Figure("heap of a resident object"); f.Floor < 100 || f.Floor > 300 {
		t.Errorf("%+v", f)
	}
}

// The check finds an object that is not what it is to be.
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
	for i := range 3 {
		if _, err := situ.Do(t.Context(), p, set.To(Key(i), cell(i))); err != nil {
			t.Fatal(err)
		}
	}
	if wrong, err := Check(t.Context(), p, 3); wrong != "" || err != nil {
		t.Errorf("%q, %v", wrong, err)
	}
	if wrong, err := Check(t.Context(), p, 4); !strings.HasPrefix(wrong, "WRONG: object o3") || err != nil {
		t.Errorf("one that is not there: %q, %v", wrong, err)
	}
}
