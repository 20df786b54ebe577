package recovery

import (
	"os"
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/memory"
	"github.com/situ-dev/situ/bench/payload"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/proc"
)

func components() []situ.Component { return append(memory.Components(), payload.Components()...) }

func TestMain(m *testing.M) {
	proc.Serve(map[string]proc.Role{"server": platform.Role(components()...)})
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	p := platform.Config{Mode: platform.Embedded, Dir: t.TempDir()}
	c := Config{Objects: 300, Tail: 1 << 20, Callers: 4, Bytes: 4 << 10, Starts: 2}
	r, err := Run(t.Context(), p, c, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	if f := r.Figure(startFigure); f.Value <= 0 || f.Floor <= 0 {
		t.Errorf("%+v", f)
	}
}

// The check finds a version that is lost, and bytes of another.
func TestCheckFinds(t *testing.T) {
	p, err := platform.Open(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir(), Components: components()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	k := newCalls(Config{Callers: 1, Bytes: 100})
	put := func(v payload.Version) {
		t.Helper()
		if _, err := situ.Do(t.Context(), p, payload.Put.To(blob(0), v)); err != nil {
			t.Fatal(err)
		}
	}
	put(k.version(0, 5))
	for last, wrong := range map[uint64]bool{5: false, 4: false, 6: true, 3: true} {
		k.last[0] = last
		if got, err := k.check(p); err != nil || strings.HasPrefix(got, "WRONG") != wrong {
			t.Errorf("acknowledged %d: %q, %v", last, got, err)
		}
	}
	v := k.version(0, 5)
	v.Data[7]++
	put(v)
	k.last[0] = 5
	if got, err := k.check(p); err != nil || !strings.HasPrefix(got, "WRONG") {
		t.Errorf("another byte: %q, %v", got, err)
	}
}
