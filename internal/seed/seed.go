// Package seed says with which seeds random tests run, so that a run that
// failed can be had again: SITU_SEED=n go test. A SITU_SEED that is no number
// ends the test.
package seed

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Given returns what SITU_SEED says, and false if it says nothing.
func Given(t testing.TB) (uint64, bool) {
	t.Helper()
	env := os.Getenv("SITU_SEED")
	if env == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(env, 10, 64)
	if err != nil {
		t.Fatalf("SITU_SEED: %v", err)
	}
	return n, true
}

// New returns what SITU_SEED says, or a seed from the clock, and logs how to
// have it again.
func New(t testing.TB) uint64 {
	t.Helper()
	s, ok := Given(t)
	if !ok {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("replay with SITU_SEED=%d", s)
	return s
}

// Several returns the seeds 1 to n, the same in each run, or only what
// SITU_SEED says.
func Several(t testing.TB, n int) []uint64 {
	t.Helper()
	if s, ok := Given(t); ok {
		return []uint64{s}
	}
	all := make([]uint64, n)
	for i := range all {
		all[i] = uint64(i) + 1
	}
	return all
}
