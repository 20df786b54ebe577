package situ

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

// A Schedule says when the platform makes a call by itself. Exactly one of Cron,
// Every and At is set.
type Schedule struct {
	// Cron is a cron expression: minute, hour, day of the month, month, day of
	// the week; with seconds in front, if there are six; or a name such as @daily.
	Cron string
	// Zone is the IANA name of the zone whose wall clock Cron means, such as
	// "Europe/Berlin". "" is UTC. docs/time.md says what happens when clocks
	// are changed.
	Zone  string
	Every time.Duration // an interval, in whole seconds
	At    time.Time     // once

	// Jitter puts each run off by less than this, always by the same: the name of the
	// schedule says by how much.
	Jitter time.Duration
	// Missed says what to do about runs whose time passed while the platform did not
	// run: "skip" them, make "one" for all of them, or "all". "" is one.
	Missed string
	// Overlap says what to do when the run before still goes on: "allow" another,
	// or "skip" it. "" is allow.
	Overlap string
	// Start and End bound the runs, if they are not zero.
	Start, End time.Time
}

// Scheduled has the platform make call c by itself, at the times of s: as long as a
// program with this component is the one that runs. The name is durable. What an
// operator changes at the schedule meanwhile (a pause, other times) stays until
// the program declares something else. Whether the times and the call make sense is checked
// by the platform when the program begins; it logs what does not, and leaves it out.
func Scheduled[O any](name string, s Schedule, c Call[O]) Component {
	if err := wire.CheckKey(name); err != nil {
		return Component{err: fmt.Errorf("schedule %q: %w", name, err)}
	}
	if c.err != nil {
		return Component{err: fmt.Errorf("schedule %s: %w", name, c.err)}
	}
	spec := api.ScheduleSpec{Cron: s.Cron, Zone: s.Zone, At: s.At, Target: c.to.String(), Missed: s.Missed, Overlap: s.Overlap, Start: s.Start, End: s.End}
	if s.Every != 0 {
		spec.Every = s.Every.String()
	}
	if s.Jitter != 0 {
		spec.Jitter = s.Jitter.String()
	}
	if p := c.policy; p != nil {
		spec.Retry = &api.ScheduleRetry{Attempts: int(p.Attempts), Backoff: time.Duration(p.Backoff).String(), MaxBackoff: time.Duration(p.MaxBackoff).String()}
	}
	var err error
	if spec.Input, err = view.Value(c.in.Data); err != nil {
		return Component{err: fmt.Errorf("schedule %s: its input: %w", name, err)}
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return Component{err: fmt.Errorf("schedule %s: %w", name, err)}
	}
	return Component{schedule: name, spec: b}
}
