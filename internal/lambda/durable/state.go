package durable

import (
	"fmt"
	"slices"
)

// Bounds of one execution, and of what an update may say.
const (
	MaxOperations = 10_000
	MaxBytes      = 32 << 20        // of inputs, results and errors
	MaxSeconds    = 366 * 24 * 3600 // of a wait, a timeout or a pause
	MaxUpdates    = 1000            // of a checkpoint
	MaxFailures   = 6               // invocations that fail in a row, without a checkpoint between
	firstPause    = 1000            // ms before an invocation is made again; it doubles
	longestPause  = 60_000          // and ends here
)

// Head is what an execution is besides its operations.
type Head struct {
	ARN       string `json:"arn"` // "" if it has not been started
	Function  string `json:"function"`
	Version   string `json:"version"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	Started   int64  `json:"started"`
	Ended     int64  `json:"ended,omitempty"`
	Input     string `json:"input"`     // JSON
	Timeout   int64  `json:"timeout"`   // seconds that it may last
	Retention int64  `json:"retention"` // days that it is kept after its end

	Result *string      `json:"result,omitempty"`
	Error  *ErrorObject `json:"error,omitempty"`

	Run      int64  `json:"run"`     // number of the invocation that is under way, or was last
	Busy     bool   `json:"busy"`    // it is under way
	Begun    int64  `json:"begun"`   // how often one has begun: of a run it is more than once if the machine failed meanwhile
	BegunAt  int64  `json:"begunAt"` // when it did last
	Tokens   int64  `json:"tokens"`  // issued
	Token    string `json:"token"`   // that is good now
	Failures int    `json:"failures,omitempty"`

	Used       string   `json:"used,omitempty"`       // the token before
	UsedClient string   `json:"usedClient,omitempty"` // and the client's name for the request that used it
	Answered   []string `json:"answered,omitempty"`   // the operations that answered it
	Dirty      []string `json:"dirty,omitempty"`      // changed from outside; the handler has not been told
	Fresh      []string `json:"fresh,omitempty"`      // changed from outside since the handler was last heard of
	Told       []string `json:"told,omitempty"`       // told with the last answer; whether it took notice is not known
	Open       int      `json:"open,omitempty"`       // operations that wait for something
	Bytes      int64    `json:"bytes,omitempty"`
}

// Table has operations by their id. A situ.Map is one.
type Table interface {
	Get(id string) (Operation, bool)
	Set(id string, op Operation)
	Len() int
}

// Sequence has values in order. A situ.List is one.
type Sequence[T any] interface {
	Append(v T)
	At(i int) T
	Len() int
}

// State is one execution: what is read and changed. The head and the rest are
// apart so that a checkpoint writes what it changes and no more.
type State struct {
	*Head
	Ops    Table
	Order  Sequence[string] // ids, in the order in which they were started; the execution's own is first
	Events Sequence[Event]
}

// Kinds of timers.
const (
	OfOperation = "operation" // of the operation that is named
	OfRun       = "run"       // an invocation is made again
	OfExecution = "execution" // it has lasted too long
	OfMemory    = "memory"    // it has been kept long enough
)

// Timer asks for a call of Fire at a time. A timer that has lost its meaning does
// nothing, so none needs to be taken back.
type Timer struct {
	Kind string
	ID   string
	At   int64
}

// Invoke asks for a function to be invoked, and for Invoked to be called with
// what it returns.
type Invoke struct{ ID, Function, Tenant, Payload string }

// Effects are what is to be done now.
type Effects struct {
	Run     bool // the handler is to be invoked, as number Head.Run
	Ended   bool // the execution is over: its callers are to be answered
	Timers  []Timer
	Invokes []Invoke
}

// Spec says what to start.
type Spec struct {
	ARN, Function, Version, Name, Input string
	Timeout                             int64 // seconds
	Retention                           int64 // days
}

// Start starts the execution. One that has been started already is left as it
// is, and refused if it had another input.
func (s *State) Start(now int64, spec Spec) (Effects, error) {
	if s.ARN != "" {
		if s.Input != spec.Input {
			return Effects{}, &Error{AlreadyStarted, fmt.Sprintf("an execution named %s exists already, with another payload: choose another name", spec.Name)}
		}
		return Effects{}, nil
	}
	*s.Head = Head{ARN: spec.ARN, Function: spec.Function, Version: spec.Version, Name: spec.Name, Input: spec.Input,
		Status: Running, Started: now, Timeout: spec.Timeout, Retention: spec.Retention, Bytes: int64(len(spec.Input))}
	root := Operation{ID: "execution", Type: Execution, Name: &spec.Name, Status: Started, Started: now, Input: &spec.Input}
	s.Ops.Set(root.ID, root)
	s.Order.Append(root.ID)
	s.note(now, "ExecutionStarted", &root)
	fx := Effects{Timers: []Timer{{Kind: OfExecution, At: now + 1000*spec.Timeout}}}
	s.wake(&fx)
	return fx, nil
}

// wake has the handler invoked, unless it is running or the execution is over.
func (s *State) wake(fx *Effects) {
	if s.Busy || s.Status != Running {
		return
	}
	s.Busy = true
	s.Run++
	fx.Run = true
}

// touch remembers that the operation was changed from outside.
func (s *State) touch(id string) {
	if !slices.Contains(s.Dirty, id) {
		s.Dirty = append(s.Dirty, id)
	}
}

// set stores an operation and keeps count.
func (s *State) set(before, after *Operation) {
	if before != nil && before.Open() {
		s.Open--
	}
	if after.Open() {
		s.Open++
	}
	s.Bytes += size(after)
	if before != nil {
		s.Bytes -= size(before)
	} else {
		s.Order.Append(after.ID)
	}
	s.Ops.Set(after.ID, *after)
}

// size returns the bytes of an operation that users decide.
func size(o *Operation) (n int64) {
	for _, p := range []*string{o.Input, o.Result, o.Name} {
		if p != nil {
			n += int64(len(*p))
		}
	}
	if e := o.Error; e != nil {
		for _, p := range []*string{e.Message, e.Type, e.Data} {
			if p != nil {
				n += int64(len(*p))
			}
		}
		for _, line := range e.Stack {
			n += int64(len(line))
		}
	}
	return n
}

// end ends the execution.
func (s *State) end(now int64, status string, result *string, fail *ErrorObject, fx *Effects) {
	if s.Status != Running {
		return
	}
	s.Status, s.Ended, s.Result, s.Error = status, now, result, fail
	s.Token, s.Used, s.UsedClient, s.Busy = "", "", "", false
	s.Answered, s.Dirty, s.Told, s.Fresh = nil, nil, nil, nil
	root, _ := s.Ops.Get("execution")
	before := root
	root.Status, root.Ended = status, now
	if status == TimedOut && fail == nil {
		s.Error = NewError("Execution.TimedOut", fmt.Sprintf("it lasted longer than %d seconds", s.Timeout))
	}
	s.set(&before, &root)
	s.note(now, "Execution"+eventWord(status), &root)
	fx.Ended = true
	fx.Timers = append(fx.Timers, Timer{Kind: OfMemory, At: now + s.Retention*24*3600*1000})
}

// Known returns the refusal if the execution is not there, or is not the one
// with that ARN.
func (s *State) Known(arn string) error {
	if s.ARN == "" || arn != "" && arn != s.ARN {
		return &Error{NotFound, fmt.Sprintf("there is no durable execution %s (any more)", arn)}
	}
	return nil
}

// Stop ends the execution for a user.
func (s *State) Stop(now int64, why *ErrorObject) Effects {
	var fx Effects
	if why == nil {
		why = NewError("Execution.Stopped", "it was stopped")
	}
	s.end(now, Stopped, nil, why, &fx)
	return fx
}
