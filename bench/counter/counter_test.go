package counter

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
)

// The check finds a call too many and a call too few: what a bench says of
// itself is not a constant.
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
	c := Config{Objects: 4, Callers: 3, Calls: 100}
	l := newLoad(c, nil)
	add := func(object int) error {
		_, err := situ.Do(t.Context(), p, Add.To(key(object), 1))
		return err
	}
	if err := l.run(add); err != nil {
		t.Fatal(err)
	}
	if wrong, err := l.check(t.Context(), p); wrong != "" || err != nil {
		t.Errorf("%s, %v", wrong, err)
	}
	if l.calls() != 100 {
		t.Errorf("%d calls were made", l.calls())
	}
	if err := add(2); err != nil { // twice for one answer
		t.Fatal(err)
	}
	if wrong, _ := l.check(t.Context(), p); !strings.Contains(wrong, "WRONG: counter c2") {
		t.Errorf("one more: %q", wrong)
	}
	l.added[2].Add(2) // an answer of which the effect is lost
	if wrong, _ := l.check(t.Context(), p); !strings.Contains(wrong, "WRONG: counter c2") {
		t.Errorf("one less: %q", wrong)
	}
}

// Compare finds a call whose effect is lost, and one that has it twice.
func TestCompareFinds(t *testing.T) {
	p, err := platform.Open(t.Context(), platform.Config{Mode: platform.Embedded, Dir: t.TempDir(), Components: Components()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := situ.Do(t.Context(), p, Add.To(key(1), 5)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		acked, unsure uint64
		wrong         bool
	}{{5, 0, false}, {4, 1, false}, {4, 0, true}, {6, 0, true}, {6, 3, true}} {
		wrong, err := Compare(t.Context(), p, []uint64{0, c.acked}, []uint64{0, c.unsure}, nil)
		if err != nil || (wrong != "") != c.wrong {
			t.Errorf("%+v: %q, %v", c, wrong, err)
		}
	}
}

func TestFloorMakesAllCalls(t *testing.T) {
	if wall := Floor(Config{Objects: 10, Callers: 4}, 1000); wall <= 0 {
		t.Errorf("it took %v", wall)
	}
}
