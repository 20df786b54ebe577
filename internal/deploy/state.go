package deploy

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// Version is one bundle of a deployment. It is not changed.
type Version struct {
	Number  int             `json:"number"` // 1, 2, 3 ... in the order in which they came
	Bundle  string          `json:"bundle"` // name of its content: SHA-256, as hexadecimal digits
	Added   time.Time       `json:"added"`
	Program json.RawMessage `json:"program,omitempty"` // what it announces, as JSON
}

// shortID is how many digits of the name of a content people are shown.
const shortID = 12

// ID returns the short name of the version's content.
func (v *Version) ID() string { return v.Bundle[:min(shortID, len(v.Bundle))] }

// Share is the part of the calls that a version has.
type Share struct {
	Version int     `json:"version"`
	Weight  float64 `json:"weight"` // over 0; all of a deployment are 1 together
}

// Plan says how a version takes over. Its zero value is at once, and for good.
type Plan struct {
	Steps []float64     `json:"steps,omitempty"` // weights that it has one after another; 1 is the last, whether it is there or not
	Hold  time.Duration `json:"hold,omitempty"`  // for how long each, the last too; in nanoseconds
	Rule  Rule          `json:"rule,omitzero"`
}

// Rule says when a version that takes over is taken back. Zero fields say nothing.
type Rule struct {
	Errors  float64       `json:"errors,omitempty"`  // part of its calls that fail, if that of the version before is not like it
	Latency time.Duration `json:"latency,omitempty"` // of its calls 95 in a hundred are to be quicker
	Calls   int           `json:"calls,omitempty"`   // so many are looked at, at least; 0 is 20
}

// Rollout is a version that takes over.
type Rollout struct {
	Plan
	Version int       `json:"version"`
	Step    int       `json:"step"`  // of Steps, from 0
	Since   time.Time `json:"since"` // when that began
}

// Off says that calls are parked.
type Off struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
}

// Event is something that was done, for people.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// maxEvents is how many events are kept.
const maxEvents = 50

// warm is how long a version is kept ready after another took over: it is back at
// once.
const warm = 10 * time.Minute

// State is a deployment, as it rests.
type State struct {
	Versions []Version `json:"versions,omitempty"` // by number
	Last     int       `json:"last,omitempty"`     // the highest number there ever was
	Live     []Share   `json:"live,omitempty"`     // what calls are answered by
	Before   []Share   `json:"before,omitempty"`   // what it was before: for a rollback
	Switched time.Time `json:"switched,omitzero"`  // when that was
	Rollout  *Rollout  `json:"rollout,omitempty"`
	Off      *Off      `json:"off,omitempty"`
	Rate     float64   `json:"rate,omitempty"`   // at which what was parked is let go, a second; 0 is any
	Ends     time.Time `json:"ends,omitzero"`    // it was deleted, and goes then
	Events   []Event   `json:"events,omitempty"` // the oldest first
}

// Find returns the version that a word names: its number, the beginning of its ID
// (six digits or more), or NAME@ID. The error is of kind fault.NotFound.
func (s *State) Find(word string) (*Version, error) {
	for i := range s.Versions {
		if strconv.Itoa(s.Versions[i].Number) == word {
			return &s.Versions[i], nil
		}
	}
	id := word
	if at := lastAt(word); at >= 0 {
		id = word[at+1:]
	}
	var found *Version
	for i := range s.Versions {
		if v := &s.Versions[i]; len(id) >= 6 && len(id) <= len(v.Bundle) && v.Bundle[:len(id)] == id {
			if found != nil {
				return nil, fault.New(fault.Invalid, "deployment", word, "several versions begin so: write more of the name")
			}
			found = v
		}
	}
	if found == nil {
		return nil, fault.New(fault.NotFound, "deployment", word, "there is no such version: the newest is %d", s.Last)
	}
	return found, nil
}

func lastAt(word string) int {
	for i := len(word) - 1; i >= 0; i-- {
		if word[i] == At[0] {
			return i
		}
	}
	return -1
}

// Version returns the version with that number, nil if it is not there.
func (s *State) Version(n int) *Version {
	i := slices.IndexFunc(s.Versions, func(v Version) bool { return v.Number == n })
	if i < 0 {
		return nil
	}
	return &s.Versions[i]
}

// Weight returns the part that a version has.
func (s *State) Weight(n int) float64 {
	for _, sh := range s.Live {
		if sh.Version == n {
			return sh.Weight
		}
	}
	return 0
}

// Needed returns the versions that are to be ready at time now, in order: those with
// a weight, and those that may have it back.
func (s *State) Needed(now time.Time) []int {
	var all []int
	add := func(shares []Share) {
		for _, sh := range shares {
			if !slices.Contains(all, sh.Version) && s.Version(sh.Version) != nil {
				all = append(all, sh.Version)
			}
		}
	}
	if add(s.Live); s.Rollout != nil || now.Before(s.Switched.Add(warm)) {
		add(s.Before)
	}
	slices.Sort(all)
	return all
}

// note keeps an event.
func (s *State) note(now time.Time, what string) {
	s.Events = append(s.Events, Event{now, what})
	if n := len(s.Events) - maxEvents; n > 0 {
		s.Events = slices.Clone(s.Events[n:])
	}
}

// Clone returns a copy that shares nothing that changes.
func (s *State) Clone() State {
	c := *s
	c.Versions, c.Live, c.Before, c.Events = slices.Clone(s.Versions), slices.Clone(s.Live), slices.Clone(s.Before), slices.Clone(s.Events)
	if s.Rollout != nil {
		r := *s.Rollout
		c.Rollout = &r
	}
	return c
}
