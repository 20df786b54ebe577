package wire

import (
	"strings"

	"github.com/situ-dev/situ/internal/fault"
)

// FlowCancel is the method by which a workflow is asked to end. What has it is a
// workflow.
const FlowCancel = "flow-cancel"

// Scope is what a pause is of: a function, all objects of a type, or one
// object.
type Scope struct {
	Function  string // or
	Type, Key string // Key "" is all objects of the type
}

// Covers reports whether calls of a are within s.
func (s Scope) Covers(a Address) bool {
	if s.Function != "" {
		return a.Type == "" && a.Method == s.Function
	}
	return a.Type != "" && a.Type == s.Type && (s.Key == "" || s.Key == a.Key)
}

// String returns the name of the scope: "function:charge", "type:flight" or
// "object:flight/BA123".
func (s Scope) String() string {
	switch {
	case s.Function != "":
		return "function:" + s.Function
	case s.Key == "":
		return "type:" + s.Type
	}
	return "object:" + s.Type + "/" + s.Key
}

// Words names what is paused, for people.
func (s Scope) Words() string {
	switch {
	case s.Function != "":
		return "the function " + s.Function
	case s.Key == "":
		return "the type " + s.Type
	}
	return "the object " + s.Type + "/" + s.Key
}

// ParseScope is the reverse of String. The error is of kind fault.Invalid.
func ParseScope(name string) (Scope, error) {
	what, rest, _ := strings.Cut(name, ":")
	var s Scope
	switch what {
	case "function":
		s.Function = rest
	case "type":
		s.Type = rest
	case "object":
		s.Type, s.Key, _ = strings.Cut(rest, "/")
		if s.Key == "" {
			return s, fault.New(fault.Invalid, "pause", name, "an object is named as object:TYPE/KEY")
		}
	default:
		return s, fault.New(fault.Invalid, "pause", name, "what is paused is named as function:NAME, type:TYPE or object:TYPE/KEY")
	}
	return s, s.Check()
}

// Check reports whether the names in s may be names. The error is of kind
// fault.Invalid.
func (s Scope) Check() error {
	if s.Function != "" {
		if s.Type+s.Key != "" {
			return fault.New(fault.Invalid, "pause", s.Function, "name a function or a type, not both")
		}
		return CheckName("function", s.Function)
	}
	if err := CheckName("type", s.Type); err != nil || s.Key == "" {
		return err
	}
	return CheckKey(s.Key)
}

// Pause is why messages are parked, and how many are.
type Pause struct {
	Scope
	Reason   string
	Since    Time
	Draining bool    // what is parked is let go, in order
	Rate     float64 // of that, a second; 0 is any
	Parked   int
	Bytes    int // of them
}

// DeadFilter says which dead letters are meant. Zero fields mean all.
type DeadFilter struct {
	Function string
	Type     string
	Key      string // with a '*' at the end: what keys begin with
	Method   string
	Kind     string // of the reason
	Text     string // in the reason, whatever the case
	Since    Time   // when it was given up, at the earliest
	Until    Time   // before that
	Chain    InvocationID
}

// Match reports whether d is one of them.
func (f *DeadFilter) Match(d *DeadLetter) bool {
	to := d.Envelope.To
	switch {
	case f.Function != "" && (to.Type != "" || to.Method != f.Function),
		f.Type != "" && to.Type != f.Type,
		f.Key != "" && (to.Type == "" || !f.keyed(to.Key)),
		f.Method != "" && (to.Type == "" || to.Method != f.Method),
		f.Since != 0 && d.At < f.Since,
		f.Until != 0 && d.At >= f.Until,
		f.Chain != "" && d.Envelope.Chain() != f.Chain:
		return false
	}
	if f.Kind == "" && f.Text == "" {
		return true
	}
	why := d.Reason
	if why == nil {
		why = &Failure{}
	}
	return (f.Kind == "" || why.Kind == f.Kind) &&
		(f.Text == "" || strings.Contains(strings.ToLower(why.Message), strings.ToLower(f.Text)))
}

func (f *DeadFilter) keyed(key string) bool {
	if prefix, all := strings.CutSuffix(f.Key, "*"); all {
		return strings.HasPrefix(key, prefix)
	}
	return key == f.Key
}

// Check refuses a filter that cannot match anything. The error is of kind
// fault.Invalid.
func (f *DeadFilter) Check() error {
	refuse := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "dead letters", "", format, args...)
	}
	switch {
	case f.Function != "" && f.Type+f.Key+f.Method != "":
		return refuse("a function has neither a type nor a key nor a method: leave out one or the other")
	case f.Key != "" && f.Type == "":
		return refuse("a key is of a type: name that, too")
	case f.Until != 0 && f.Until <= f.Since:
		return refuse("until is not after since: nothing is between them")
	case f.Kind != "" && fault.ParseKind(f.Kind).String() != f.Kind:
		return refuse("there is no kind of error %q", f.Kind)
	}
	return nil
}

// Redrive is how far dead letters that a filter chose have been run again, or
// dropped.
type Redrive struct {
	ID       string
	Filter   DeadFilter
	Drop     bool    // they are forgotten, not run
	Rate     float64 // a second; 0 is any
	Made     Time
	Finished Time // 0 while it goes on
	Total    int  // how many there were when it began
	Done     int
	Stopped  bool // somebody stopped it
}
