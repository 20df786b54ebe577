package turn

import "github.com/situ-dev/situ/internal/wire"

// DefaultPolicy is what a turn that panicked, timed out or lost its worker
// gets when neither the call nor the type says otherwise: five runs, after
// 100 ms, 200 ms, 400 ms and 800 ms.
var DefaultPolicy = wire.Policy{Attempts: 5, Backoff: 100e6, MaxBackoff: 10e9}

// Merge returns p with its zero fields taken from the policies after it.
func Merge(p wire.Policy, rest ...wire.Policy) wire.Policy {
	for _, r := range rest {
		if p.Attempts == 0 {
			p.Attempts = r.Attempts
		}
		if p.Backoff == 0 {
			p.Backoff = r.Backoff
		}
		if p.MaxBackoff == 0 {
			p.MaxBackoff = r.MaxBackoff
		}
	}
	return p
}

// Retry says what follows the failed run number attempt (from 1) under p: give
// up, or run again after a pause in nanoseconds.
func Retry(p wire.Policy, attempt uint32) (after wire.Time, again bool) {
	if attempt >= p.Attempts {
		return 0, false
	}
	after = p.Backoff
	for i := uint32(1); i < attempt && after < p.MaxBackoff; i++ {
		after *= 2
	}
	return min(after, max(p.MaxBackoff, p.Backoff)), true
}
