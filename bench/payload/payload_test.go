package payload

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	p, err := platform.Open(t.Context(), platform.Config{Mode: platform.Embedded, Dir: dir + "/data", Components: Components()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := Config{Sizes: []int{1 << 10, 1 << 20}, Bytes: 2 << 20, Callers: 3, Dir: dir}
	r, err := Run(t.Context(), p, c, &platform.Meter{}, nil)
	if err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	if bars := c.Bars(&r); len(bars) != 2 || bars[0].Measured <= 0 || bars[1].Measured <= 0 {
		t.Errorf("%+v", bars)
	}
	// The check finds a byte that is not what was acknowledged.
	l := c.newLoad(100)
	v := Version{N: 7, Data: []byte("abc")}
	if _, err := situ.Do(t.Context(), p, Put.To(l.key(0), v)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		data  string
		wrong bool
	}{{"abc", false}, {"abd", true}, {"ab", true}} {
		l.last[0] = (&Version{N: 7, Data: []byte(s.data)}).Sum()
		if wrong, err := l.check(t.Context(), p); err != nil || strings.HasPrefix(wrong, "WRONG") != s.wrong {
			t.Errorf("%s: %q, %v", s.data, wrong, err)
		}
	}
}
