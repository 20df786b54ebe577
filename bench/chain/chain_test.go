package chain

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
)

func TestRun(t *testing.T) {
	p, err := platform.Open(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir(), Components: Components()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := Config{Links: 10, Callers: 3, Chains: 40, Crowd: 20}
	r, err := Run(t.Context(), p, c, &platform.Meter{}, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	// Nested chains go back, those of sends end where they began.
	if least := uint64(40 * (10 + 9 + 10 + 10 + 1 + 10)); r.Turns < least {
		t.Errorf("%d turns, want %d at least", r.Turns, least)
	}
	for _, k := range kinds {
		if f := r.Figure(k.name); f.Value <= 0 || f.Floor <= 0 || f.Ratio <= 0 {
			t.Errorf("%s: %+v", k.name, f)
		}
	}
	for _, k := range kinds {
		if !k.objects {
			continue
		}
		for _, name := range []string{oneShard, manyShards, crowded} {
			if f := r.Figure(k.name + name); f.Value <= 0 {
				t.Errorf("%s%s: %+v", k.name, name, f)
			}
		}
	}
	// A chain that is run once more, and a link that is, are found.
	for _, f := range []struct {
		h    Hop
		want string
	}{
		{Hop{Chain: 1, Left: c.Links - 1}, "WRONG: links were run"},
		{Hop{Chain: 1}, "WRONG: link 1 of chain 1"},
	} {
		if _, err := situ.Do(t.Context(), p, Tail.To(f.h.link(), f.h)); err != nil {
			t.Fatal(err)
		}
		if wrong, err := c.check(t.Context(), p, nil); err != nil || !strings.HasPrefix(wrong, f.want) {
			t.Errorf("%q, %v; want %q", wrong, err, f.want)
		}
	}
}
