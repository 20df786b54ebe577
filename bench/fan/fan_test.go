package fan

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ"
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
	c := Config{Calls: 5000}
	r, err := RunOn(t.Context(), p, c, &platform.Meter{}, nil)
	if err != nil || !r.Verified || r.Turns < 3*2*5000 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, name := range []string{fresh, again, toFuncs, grown} {
		if f := r.Figure(name); f.Value <= 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// An object that was called once more is found.
	if _, err := situ.Do(t.Context(), p, add.To("0", 1)); err != nil {
		t.Fatal(err)
	}
	if r, err = RunOn(t.Context(), p, c, &platform.Meter{}, nil); err != nil || r.Verified || !strings.HasPrefix(r.Notes[0], "WRONG") {
		t.Errorf("%+v, %v", r, err)
	}
}
