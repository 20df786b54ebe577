// Package api holds the JSON documents of the HTTP API: what the door writes
// and the client reads. They are part of the contract in openapi.json: fields
// are added, never renamed. It has no behaviour.
package api

import (
	"encoding/json"
	"time"
)

// Header names of the API's own, in canonical form.
const (
	HeaderKey        = "Idempotency-Key"      // of a request: carry it out once
	HeaderDelay      = "Situ-Delay"           // of a request: not before
	HeaderRetry      = "Situ-Retry"           // of a request: its retry policy
	HeaderPriority   = "Situ-Priority"        // of a request: low, normal or high
	HeaderOnFailure  = "Situ-On-Failure"      // of a request: who is called if it fails
	HeaderWithin     = "Situ-Within"          // of a request: an answer after that time at the latest
	HeaderDeadline   = "Situ-Deadline"        // of a request: the same, as an instant
	HeaderCallback   = "Situ-Callback-Url"    // of a request: post the answer there
	HeaderInvocation = "Situ-Invocation"      // of an answer: the id of its record
	HeaderFlow       = "Situ-Flow"            // of an answer: the key of the flow
	HeaderReplayed   = "Idempotency-Replayed" // of an answer: it was recorded by an earlier call
	HeaderTrace      = "Traceparent"
)

// ProblemType is the media type of errors, and ProblemPrefix what their type
// begins with; the name of a fault.Kind follows.
const (
	ProblemType   = "application/problem+json"
	ProblemPrefix = "urn:situ:problem:"
)

// The statuses of an invocation.
const (
	Pending = "pending"
	Done    = "done"
	Failed  = "failed"
	// Canceled is the status of a call that somebody cancelled.
	Canceled = "canceled"
)

// Problem is an error, as RFC 9457 has it, with members of our own.
type Problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail,omitempty"`
	Instance string   `json:"instance,omitempty"`
	Code     string   `json:"code,omitempty"`   // the application's own
	Exists   []string `json:"exists,omitempty"` // names that exist, when one does not
	Offset   *int     `json:"offset,omitempty"` // where the JSON is malformed
	Errors   []Misfit `json:"errors,omitempty"` // what does not fit the schema
}

// Misfit is one thing in an input that its schema does not admit.
type Misfit struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Failure is an error that was recorded.
type Failure struct {
	Kind    string `json:"kind"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"`
}

// Invocation is a call that is recorded. A call that was just accepted has
// only ID and Status.
type Invocation struct {
	ID       string          `json:"id"`
	Status   string          `json:"status"`
	Target   string          `json:"target,omitempty"`
	Created  time.Time       `json:"created,omitzero"`
	Finished time.Time       `json:"finished,omitzero"`
	Expires  time.Time       `json:"expires,omitzero"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *Failure        `json:"error,omitempty"`
}

// Flow tells how a flow is that came as a value.
type Flow struct {
	Key    string     `json:"key"`
	Name   string     `json:"name,omitempty"`
	Status string     `json:"status"` // running, undoing, done or failed
	Began  time.Time  `json:"began"`
	Ended  time.Time  `json:"ended,omitzero"`
	Error  *Failure   `json:"error,omitempty"`
	Steps  []FlowStep `json:"steps,omitempty"` // under way, at most a hundred
	More   int        `json:"more,omitempty"`  // that are not in Steps
}

// FlowStep tells of a step that is under way.
type FlowStep struct {
	Step    string    `json:"step"` // its name, or its place in the document; with the index of the element of each map
	Kind    string    `json:"kind"`
	Since   time.Time `json:"since"`
	Catches bool      `json:"catches,omitempty"` // it has failed, and its handler runs
	Total   int       `json:"total,omitempty"`   // of a map or par
	Running int       `json:"running,omitempty"`
	Done    int       `json:"done,omitempty"`
	Failed  int       `json:"failed,omitempty"`
}

// Object is an object's committed state. In a list it has no State.
type Object struct {
	Type     string          `json:"type"`
	Key      string          `json:"key"`
	Size     int             `json:"size"`
	Modified time.Time       `json:"modified,omitzero"`
	State    json.RawMessage `json:"state,omitempty"`
}

// Objects is a page of a list. Next, if set, is the cursor of the next page.
type Objects struct {
	Objects []Object `json:"objects"`
	Next    string   `json:"next,omitempty"`
}

// Operation is a line about a method or a function.
type Operation struct {
	Name     string `json:"name"`
	Doc      string `json:"doc,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Type is an object type with what can be called from outside.
type Type struct {
	Name    string      `json:"name"`
	Doc     string      `json:"doc,omitempty"`
	Methods []Operation `json:"methods"`
}

// Types lists object types.
type Types struct {
	Types []Type `json:"types"`
}

// Functions lists functions.
type Functions struct {
	Functions []Operation `json:"functions"`
}

// DeadLetter is a message that was given up. In a list it has no Input, and
// its Reason has no Detail.
type DeadLetter struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"` // "call" or "reply"
	Target   string          `json:"target"`
	Attempts int             `json:"attempts"`
	At       time.Time       `json:"at,omitzero"`
	Trace    string          `json:"traceparent,omitempty"`
	Chain    string          `json:"chain,omitempty"` // the recorded call that it is work for
	Made     time.Time       `json:"made,omitzero"`   // when the message was made
	Reason   Failure         `json:"reason"`
	Paused   bool            `json:"paused,omitempty"` // its object was paused for it: see PauseOnDead
	Input    json.RawMessage `json:"input,omitempty"`
}

// DeadLetters is a page of a list. Next, if set, is the cursor of the next.
type DeadLetters struct {
	Letters []DeadLetter `json:"letters"`
	Next    string       `json:"next,omitempty"`
}

// Health says that the door is open.
type Health struct {
	Status string `json:"status"`
}
