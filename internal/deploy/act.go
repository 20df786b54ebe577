package deploy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// Act is something that is done to a deployment: exactly one of its fields is set.
type Act struct {
	Add      *Add     `json:"add,omitempty"`
	Promote  *Promote `json:"promote,omitempty"`
	Weights  []Share  `json:"weights,omitempty"`
	Rollback *Reason  `json:"rollback,omitempty"`
	Off      *Reason  `json:"off,omitempty"`
	On       *On      `json:"on,omitempty"`
	Judge    *Judge   `json:"judge,omitempty"`
	Remove   *Remove  `json:"remove,omitempty"`
	Keep     *Keep    `json:"keep,omitempty"`
}

// Add is a new version. The first takes over at once.
type Add struct {
	Version Version `json:"version"` // without a number
	Promote bool    `json:"promote,omitempty"`
	Plan    Plan    `json:"plan,omitzero"`
}

// Promote has a version take over.
type Promote struct {
	Version int  `json:"version"`
	Plan    Plan `json:"plan,omitzero"`
}

// Reason says why, for people.
type Reason struct {
	Why string `json:"why,omitempty"`
}

// On lets go what is parked.
type On struct {
	Rate float64 `json:"rate,omitempty"` // messages a second; 0 is any
}

// Judge tells what the versions did lately.
type Judge struct {
	Figures map[int]Figures `json:"figures,omitempty"` // by number
}

// Remove deletes the deployment after a time of grace, or at once.
type Remove struct {
	Grace time.Duration `json:"grace,omitempty"`
}

// Keep forgets all versions that are not needed but the newest so many.
type Keep struct {
	Versions int `json:"versions"`
}

// Figures are calls of a version that ended lately.
type Figures struct {
	Calls  int           `json:"calls"`
	Failed int           `json:"failed,omitempty"`
	P95    time.Duration `json:"p95,omitempty"` // 95 in a hundred were quicker
}

// Rate returns the part that failed.
func (f Figures) Rate() float64 {
	if f.Calls == 0 {
		return 0
	}
	return float64(f.Failed) / float64(f.Calls)
}

// maxVersions bounds the versions of a deployment that are kept.
const maxVersions = 1000

// Do does an act at time now. An error says why it cannot be done: then nothing has
// changed. Its kind is fault.NotFound for what there is not, fault.Invalid for what
// means nothing, fault.Conflict for what cannot be done now.
func (s *State) Do(name string, a Act, now time.Time) error {
	if s.Last == 0 && a.Add == nil {
		return fault.New(fault.NotFound, "deployment", name, "there is no such deployment")
	}
	if !s.Ends.IsZero() && a.Remove == nil && a.Add == nil {
		return fault.New(fault.Conflict, "deployment", name, "it was deleted, and ends at %s: deploy it again to keep it", s.Ends.Format(time.RFC3339))
	}
	switch {
	case a.Add != nil:
		return s.add(name, a.Add, now)
	case a.Promote != nil:
		return s.promote(name, a.Promote.Version, a.Promote.Plan, now)
	case a.Weights != nil:
		return s.weigh(name, a.Weights, now)
	case a.Rollback != nil:
		return s.rollback(name, a.Rollback.Why, now)
	case a.Off != nil:
		if s.Off == nil {
			s.Off = &Off{Since: now, Reason: a.Off.Why}
			s.note(now, "off"+because(a.Off.Why))
		}
		return nil
	case a.On != nil:
		if !(a.On.Rate >= 0) {
			return fault.New(fault.Invalid, "on", name, "the rate is %v: it is to be 0, for any, or more", a.On.Rate)
		}
		if s.Off != nil {
			s.Off, s.Rate = nil, a.On.Rate
			s.note(now, "on")
		}
		return nil
	case a.Judge != nil:
		s.judge(name, a.Judge.Figures, now)
		return nil
	case a.Remove != nil:
		return s.remove(a.Remove.Grace, now)
	case a.Keep != nil:
		s.keep(a.Keep.Versions, now)
		return nil
	}
	return fault.New(fault.Invalid, "deployment", name, "nothing is to be done: the act is empty")
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func (s *State) add(name string, a *Add, now time.Time) error {
	if err := a.Plan.check(name); err != nil {
		return err
	}
	if len(a.Version.Bundle) < shortID {
		return fault.New(fault.Invalid, "deployment", name, "a version needs the name of its content")
	}
	s.Ends = time.Time{}
	n := 0
	for i := range s.Versions {
		if s.Versions[i].Bundle == a.Version.Bundle {
			n = s.Versions[i].Number
		}
	}
	if n == 0 {
		if len(s.Versions) >= maxVersions {
			return fault.New(fault.TooLarge, "deployment", name, "it has %d versions: forget some first", len(s.Versions))
		}
		s.Last++
		n = s.Last
		v := a.Version
		v.Number, v.Added = n, now
		s.Versions = append(s.Versions, v)
		s.note(now, fmt.Sprintf("version %d (%s) was added", n, v.ID()))
	}
	if a.Promote || len(s.Live) == 0 {
		if len(s.Live) == 0 {
			a.Plan = Plan{} // there is nothing to share with
		}
		return s.promote(name, n, a.Plan, now)
	}
	return nil
}

// check refuses a plan that means nothing.
func (p *Plan) check(name string) error {
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "promote", name, format, args...)
	}
	last := 0.
	for _, w := range p.Steps {
		if !(w > last && w <= 1) {
			return wrong("the steps are %v: each is to be over the one before, and 1 at most", p.Steps)
		}
		last = w
	}
	switch r := p.Rule; {
	case p.Hold < 0 || r.Latency < 0 || r.Calls < 0:
		return wrong("times and numbers of calls are not negative")
	case len(p.Steps) > 20:
		return wrong("there are %d steps; at most 20 are allowed", len(p.Steps))
	case r.Errors < 0 || r.Errors > 1 || math.IsNaN(r.Errors):
		return wrong("the part of calls that may fail is %v: it is to be from 0 to 1", r.Errors)
	case len(p.Steps) > 0 && p.Hold == 0 && p.Steps[0] < 1:
		return wrong("steps need a time for which each is held")
	case (r.Errors > 0 || r.Latency > 0) && p.Hold == 0:
		return wrong("a rule for a rollback needs a time for which the new version is watched")
	}
	return nil
}

// promote has a version take over as a plan says.
func (s *State) promote(name string, n int, p Plan, now time.Time) error {
	v := s.Version(n)
	if v == nil {
		return fault.New(fault.NotFound, "promote", name, "there is no version %d", n)
	}
	if err := p.check(name); err != nil {
		return err
	}
	if s.Weight(n) == 1 {
		return nil // it has all
	}
	if p.Hold > 0 && (len(p.Steps) == 0 || p.Steps[len(p.Steps)-1] < 1) {
		p.Steps = append(slices.Clip(p.Steps), 1)
	}
	first := 1.
	if p.Hold > 0 {
		first = p.Steps[0]
	}
	base := slices.DeleteFunc(slices.Clone(s.Live), func(sh Share) bool { return sh.Version == n })
	if s.Rollout != nil { // what it was to replace is still what to go back to
		base = slices.DeleteFunc(slices.Clone(s.Before), func(sh Share) bool { return sh.Version == n })
	}
	s.Before, s.Switched = normal(base), now
	s.Rollout = nil
	if p.Hold > 0 && len(base) > 0 {
		s.Rollout = &Rollout{Plan: p, Version: n, Since: now}
	} else {
		first = 1
	}
	s.give(n, first)
	s.note(now, fmt.Sprintf("version %d (%s) has %s of the calls", n, v.ID(), percent(first)))
	return nil
}

// give gives a version a part, and those before it the rest.
func (s *State) give(n int, w float64) {
	s.Live = nil
	for _, sh := range s.Before {
		if w < 1 {
			s.Live = append(s.Live, Share{sh.Version, sh.Weight * (1 - w)})
		}
	}
	s.Live = append(s.Live, Share{n, w})
}

// normal makes weights 1 together.
func normal(shares []Share) []Share {
	sum := 0.
	for _, sh := range shares {
		sum += sh.Weight
	}
	for i := range shares {
		shares[i].Weight /= sum
	}
	return shares
}

// weigh gives versions the parts that somebody says.
func (s *State) weigh(name string, shares []Share, now time.Time) error {
	seen := map[int]bool{}
	var live []Share
	var words []string
	for _, sh := range shares {
		switch {
		case s.Version(sh.Version) == nil:
			return fault.New(fault.NotFound, "weights", name, "there is no version %d", sh.Version)
		case seen[sh.Version]:
			return fault.New(fault.Invalid, "weights", name, "version %d is there twice", sh.Version)
		case !(sh.Weight >= 0) || sh.Weight > 1e6:
			return fault.New(fault.Invalid, "weights", name, "the weight of version %d is %v: it is to be 0 or more", sh.Version, sh.Weight)
		}
		if seen[sh.Version] = true; sh.Weight > 0 {
			live = append(live, sh)
		}
	}
	if len(live) == 0 {
		return fault.New(fault.Invalid, "weights", name, "no version has a weight: to take no calls, switch the deployment off")
	}
	live = normal(live)
	if slices.Equal(live, s.Live) && s.Rollout == nil {
		return nil
	}
	for _, sh := range live {
		words = append(words, fmt.Sprintf("%d: %s", sh.Version, percent(sh.Weight)))
	}
	s.Before, s.Switched, s.Live, s.Rollout = s.Live, now, live, nil
	s.note(now, "weights: "+strings.Join(words, ", "))
	return nil
}

// rollback goes back to what was before.
func (s *State) rollback(name, why string, now time.Time) error {
	back := slices.DeleteFunc(slices.Clone(s.Before), func(sh Share) bool { return s.Version(sh.Version) == nil })
	if len(back) == 0 {
		return fault.New(fault.Conflict, "rollback", name, "nothing was there before: promote a version instead")
	}
	s.Before, s.Live, s.Rollout, s.Switched = s.Live, normal(back), nil, now
	var to []string
	for _, sh := range s.Live {
		to = append(to, strconv.Itoa(sh.Version))
	}
	s.note(now, "back to version "+strings.Join(to, " and ")+because(why))
	return nil
}

func (s *State) remove(grace time.Duration, now time.Time) error {
	ends := now.Add(max(grace, 0))
	if s.Ends.IsZero() || ends.Before(s.Ends) {
		s.Ends = ends
		s.Rollout = nil
		s.note(now, "deleted; it ends at "+ends.UTC().Format(time.RFC3339))
	}
	return nil
}

// Ended reports whether it was deleted, and its time is over.
func (s *State) Ended(now time.Time) bool { return !s.Ends.IsZero() && !now.Before(s.Ends) }

// keep forgets versions that nobody needs.
func (s *State) keep(n int, now time.Time) {
	needed := s.Needed(now)
	for _, sh := range s.Before {
		needed = append(needed, sh.Version)
	}
	drop := len(s.Versions) - max(n, 1)
	s.Versions = slices.DeleteFunc(s.Versions, func(v Version) bool {
		drop--
		return drop >= 0 && !slices.Contains(needed, v.Number)
	})
}

func percent(w float64) string { return strconv.FormatFloat(math.Round(w*1e4)/1e2, 'f', -1, 64) + " %" }
