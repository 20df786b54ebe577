package api

import (
	"encoding/json"
	"time"
)

// ScheduleSpec says what a schedule is to do. Exactly one of Cron, Every and At
// is set.
type ScheduleSpec struct {
	Cron   string    `json:"cron,omitempty"`  // five fields, six with seconds, or a name
	Every  string    `json:"every,omitempty"` // a duration, such as 90s
	At     time.Time `json:"at,omitzero"`     // once
	Zone   string    `json:"zone,omitempty"`  // of Cron, an IANA name; "" is UTC
	Jitter string    `json:"jitter,omitempty"`

	Target string          `json:"target"` // type/key.method, or the name of a function
	Input  json.RawMessage `json:"input,omitempty"`
	Retry  *ScheduleRetry  `json:"retry,omitempty"`

	Missed    string           `json:"missed,omitempty"`    // skip, one or all; "" is one
	Tolerance string           `json:"tolerance,omitempty"` // how late a run may begin and is not missed; "" is 1m
	CatchUp   *ScheduleCatchUp `json:"catchUp,omitempty"`   // for all
	Overlap   string           `json:"overlap,omitempty"`   // allow or skip; "" is allow
	Start     time.Time        `json:"start,omitzero"`
	End       time.Time        `json:"end,omitzero"`
	Paused    bool             `json:"paused,omitempty"`
}

// ScheduleRetry is the policy of a schedule's calls; what is left out is inherited.
type ScheduleRetry struct {
	Attempts   int    `json:"attempts,omitempty"`
	Backoff    string `json:"backoff,omitempty"`
	MaxBackoff string `json:"maxBackoff,omitempty"`
}

// ScheduleCatchUp bounds how missed runs are caught up with.
type ScheduleCatchUp struct {
	Most      int     `json:"most,omitempty"`      // runs; earlier ones stay missed; 0 is 100
	PerSecond float64 `json:"perSecond,omitempty"` // 0 is 10
}

// The statuses of a schedule.
const (
	ScheduleActive = "active"
	SchedulePaused = "paused"
	ScheduleOver   = "over" // it will not run again
)

// Schedule is a schedule, and how it is doing.
type Schedule struct {
	Name     string        `json:"name"`
	Spec     ScheduleSpec  `json:"spec"`
	Status   string        `json:"status"`
	Declared bool          `json:"declared,omitempty"` // by the program
	Changed  time.Time     `json:"changed"`
	Next     []time.Time   `json:"next,omitempty"`    // the runs to come, at most five
	Running  []ScheduleRun `json:"running,omitempty"` // those that go on
	Runs     []ScheduleRun `json:"runs,omitempty"`    // the last of those that have ended, the newest first
	Begun    int           `json:"begun"`             // runs that were begun
	Missed   int           `json:"missed"`            // runs that were not begun: too late, or one for several
	Skipped  int           `json:"skipped"`           // runs that were not begun while others went on
}

// How a run of a schedule ended.
const (
	RunRunning = "running"
	RunDone    = "done"
	RunFailed  = "failed"
	RunMissed  = "missed"
	RunSkipped = "skipped"
)

// ScheduleRun is a run of a schedule, or some that were not begun.
type ScheduleRun struct {
	Slot    time.Time `json:"slot"` // the time of the schedule that it was for
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason,omitempty"`
	Count   int       `json:"count,omitempty"`  // of missed runs
	Manual  bool      `json:"manual,omitempty"` // somebody asked for it
}

// Schedules is a page of schedules.
type Schedules struct {
	Schedules []Schedule `json:"schedules"`
	Next      string     `json:"next,omitempty"`
}
