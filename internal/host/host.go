// Package host runs user code: it keeps the live objects of one shard, runs
// the tasks of a frame on them one after another, and reports their results
// and the net change of state. The same host works inside the platform's
// process and inside a worker process. It never stores, sends or answers
// anything itself, and it knows nothing of the Go types of user code: those
// come as [Instance]s and function handlers from the SDK.
package host

import (
	"encoding/json"
	"sort"
	"time"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Set is what one program hosts.
type Set struct {
	Types     map[string]*Type
	Functions map[string]*Function
	Schedules map[string]json.RawMessage // specs of what is called by the clock, by name: api.ScheduleSpec
	// Turns, if set, makes n turns that are not used yet, with User as their
	// code wants it.
	Turns func(n int) []*Turn
	// Closed are called when a runner of the set was closed.
	Closed []func()
}

func (s *Set) turns(n int) []*Turn {
	if s.Turns != nil {
		return s.Turns(n)
	}
	turns := make([]*Turn, n)
	for i := range turns {
		turns[i] = new(Turn)
	}
	return turns
}

// Type is an object type.
type Type struct {
	Name    string
	Doc     string
	State   json.RawMessage // JSON Schema of the state
	Policy  wire.Policy     // zero fields: the platform's
	Halts   bool            // an object is paused when a message of it becomes a dead letter
	Methods map[string]*Method
	New     func() Instance
}

// Method describes an operation to those who call it.
type Method struct {
	Name     string
	Doc      string
	ReadOnly bool          // runs on committed state and writes nothing
	Relaxed  bool          // answers before its commit
	Internal bool          // only turns call it, or the replies to them: a continuation
	Timeout  time.Duration // 0: the platform's
	Policy   wire.Policy
	In, Out  json.RawMessage // JSON Schemas
	Example  any             // an input worth trying; it is put into In
	// Tells has callers who are held wait for this method's object, also if their chain is
	// cancelled: the object tells them.
	Tells bool
	Halts bool // of a type: see Type
}

// Function is a stateless function.
type Function struct {
	Method
	Run func(*Turn) Outcome
}

// Outcome is what a handler left behind.
type Outcome struct {
	Sends  []*wire.Envelope
	Moved  bool
	Answer wire.Payload
	Fail   *wire.Failure
	Panic  bool // Fail says what happened; nothing else counts
	Wrote  bool // the state may have changed
	Lost   bool // the instance is no longer what was committed: forget it
}

// Instance is one live object. It is used by one goroutine at a time.
type Instance interface {
	// Load makes the instance what st says. It is called once, first.
	Load(st *turn.State) error
	// Run takes one turn. If it fails, the state is as before (or Lost).
	Run(t *Turn) Outcome
	// Changes moves what changed since the last call into c: Clear, Root,
	// Entries and Size. An error means that the state cannot be written.
	Changes(c *turn.Change) error
}

func sorted[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
