package deploy

import (
	"fmt"
	"time"
)

// defaultCalls is how many calls are looked at, at least, if a rule does not say.
const defaultCalls = 20

// leastFailed is how many calls are to fail, at least: one or two may be bad luck.
const leastFailed = 3

// judge takes a version that takes over a step further, or takes it back.
func (s *State) judge(name string, figures map[int]Figures, now time.Time) {
	r := s.Rollout
	if r == nil {
		return
	}
	if why := r.Rule.bad(figures[r.Version], s.base(figures)); why != "" {
		if err := s.rollback(name, fmt.Sprintf("of version %d %s", r.Version, why), now); err == nil {
			return
		}
	}
	if now.Before(r.Since.Add(r.Hold)) {
		return
	}
	if r.Step++; r.Step >= len(r.Steps) {
		s.Rollout = nil
		s.note(now, fmt.Sprintf("version %d has taken over", r.Version))
		return
	}
	r.Since = now
	w := r.Steps[r.Step]
	s.give(r.Version, w)
	s.note(now, fmt.Sprintf("version %d has %s of the calls", r.Version, percent(w)))
}

// base returns what the versions did that were there before.
func (s *State) base(figures map[int]Figures) (sum Figures) {
	for _, sh := range s.Before {
		f := figures[sh.Version]
		sum.Calls += f.Calls
		sum.Failed += f.Failed
	}
	return sum
}

// Bad says what is wrong with what a version did, "" if nothing is. Failures that
// those have, too, that were there before are not its fault.
func (r Rule) bad(f, base Figures) string {
	least := r.Calls
	if least == 0 {
		least = defaultCalls
	}
	if f.Calls < least {
		return ""
	}
	rate := f.Rate()
	if r.Errors > 0 && f.Failed >= leastFailed && rate >= r.Errors && rate >= 2*base.Rate() {
		return fmt.Sprintf("%s of %d calls failed, and of the version before %s", percent(rate), f.Calls, percent(base.Rate()))
	}
	if r.Latency > 0 && f.P95 >= r.Latency {
		return fmt.Sprintf("one call in twenty took %v or more", f.P95.Round(time.Millisecond))
	}
	return ""
}
