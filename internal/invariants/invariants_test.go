package invariants_test

import (
	"testing"

	"github.com/situ-dev/situ/internal/invariants"
)

// A false check panics with its message in a checking build, and only there.
func TestCheck(t *testing.T) {
	got := func(ok bool) (msg any) {
		defer func() { msg = recover() }()
		invariants.Check(ok, "committed ≤ appended, have %d > %d", 3, 2)
		return nil
	}
	if m := got(true); m != nil {
		t.Errorf("a true check panicked: %v", m)
	}
	var want any
	if invariants.Enabled {
		want = "invariant violated: committed ≤ appended, have 3 > 2"
	}
	if m := got(false); m != want {
		t.Errorf("a false check gave %v, want %v", m, want)
	}
}
