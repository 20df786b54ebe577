package turn

import "github.com/situ-dev/situ/internal/wire"

// DefaultPolicy is what a turn that panicked, timed out or lost its worker
// gets when neither the call nor the type says otherwise: five runs, after
// 100 ms, 200 ms, 400 ms and 800 ms.
var DefaultPolicy = wire.Policy{Attempts: 5, Backoff: 100e6, MaxBackoff: 10e9}

// Merge returns p with its zero fields taken from the policies after it. Priority
// and OnFail are of one call, and not inherited.
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
		if p.MaxAge == 0 {
			p.MaxAge = r.MaxAge
		}
		if p.On == "" {
			p.On = r.On
		}
		if p.Final == "" {
			p.Final = r.Final
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

// Again is Retry for a run that failed so, age after its message was due: what is
// final is not run again, and nothing begins when it would be too old.
func Again(p wire.Policy, attempt uint32, age wire.Time, fail *wire.Failure) (after wire.Time, again bool) {
	if p.Final.Match(fail) {
		return 0, false
	}
	after, again = Retry(p, attempt)
	if p.MaxAge > 0 && age+after > p.MaxAge {
		return 0, false
	}
	return after, again
}

// Retried reports whether an error that a handler returned, which is an answer
// otherwise, is to be run again as if it had crashed.
func Retried(p wire.Policy, fail *wire.Failure) bool {
	return p.On != "" && (p.On.Has(wire.AnyCode) || p.On.Match(fail)) && !p.Final.Match(fail)
}
