package api

import "time"

// Pause is what a function, a type or an object is paused for. In a request there
// are Function, Type, Key and Reason.
type Pause struct {
	ID       string    `json:"id,omitempty"` // "function:NAME", "type:TYPE" or "object:TYPE/KEY"
	Function string    `json:"function,omitempty"`
	Type     string    `json:"type,omitempty"`
	Key      string    `json:"key,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Draining bool      `json:"draining,omitempty"` // it is being resumed
	Rate     float64   `json:"rate,omitempty"`     // of that, messages a second; 0 is as fast as possible
	Parked   int       `json:"parked"`             // messages
	Bytes    int       `json:"bytes"`              // of them
}

// Pauses lists what is paused.
type Pauses struct {
	Pauses []Pause `json:"pauses"`
}

// DeadFilter chooses dead letters. Fields that are left out mean all.
type DeadFilter struct {
	Function string    `json:"function,omitempty"`
	Type     string    `json:"type,omitempty"`
	Key      string    `json:"key,omitempty"` // with a '*' at the end: what keys begin with
	Method   string    `json:"method,omitempty"`
	Kind     string    `json:"kind,omitempty"` // of the reason
	Text     string    `json:"text,omitempty"` // in the reason, whatever the case
	Since    time.Time `json:"since,omitzero"` // given up then or later
	Until    time.Time `json:"until,omitzero"` // given up before
	Chain    string    `json:"chain,omitempty"`
}

// RedriveRequest has dead letters run again, or dropped.
type RedriveRequest struct {
	Filter DeadFilter `json:"filter"`
	All    bool       `json:"all,omitempty"`    // the filter is empty on purpose
	Rate   float64    `json:"rate,omitempty"`   // messages a second; 0 is as fast as possible
	DryRun bool       `json:"dryRun,omitempty"` // only count
}

// Redrive is how far that is.
type Redrive struct {
	ID       string     `json:"id,omitempty"` // none of a dry run
	Action   string     `json:"action"`       // "retry" or "drop"
	Filter   DeadFilter `json:"filter"`
	Rate     float64    `json:"rate,omitempty"`
	Status   string     `json:"status"` // "counted", "running", "done" or "stopped"
	Total    int        `json:"total"`  // letters when it began
	Done     int        `json:"done"`
	Started  time.Time  `json:"started,omitzero"`
	Finished time.Time  `json:"finished,omitzero"`
}

// Redrives lists them.
type Redrives struct {
	Redrives []Redrive `json:"redrives"`
}

// Reason says why something is done.
type Reason struct {
	Reason string `json:"reason,omitempty"`
}
