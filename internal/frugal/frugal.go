// Package frugal is for tests and fuzzers of decoders: it checks that one
// allocates in proportion to what it is given. A decoder that believes a
// length before it has seen the bytes can be made to take all memory by a few.
package frugal

import "runtime/metrics"

// The bound: so many bytes for each byte of input, and so many in all. Small
// allocations of other goroutines are within it.
const (
	Factor = 10
	Slack  = 256 << 10
)

// Reporter is a *testing.T, B or F.
type Reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// Check runs decode, and reports if it allocates more than Factor times size
// bytes and Slack. What others allocate meanwhile counts too, so a run that
// seems to is done once more.
func Check(t Reporter, size int, decode func()) {
	t.Helper()
	limit := uint64(Factor*size + Slack)
	n := Allocated(decode)
	for again := 0; n > limit && again < 2; again++ {
		n = min(n, Allocated(decode))
	}
	if n > limit {
		t.Errorf("%d bytes of input take %d bytes of memory; at most %d are allowed", size, n, limit)
	}
}

// Allocated returns about how many bytes are allocated while f runs.
func Allocated(f func()) uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	before := s[0].Value.Uint64()
	f()
	metrics.Read(s)
	return s[0].Value.Uint64() - before
}
