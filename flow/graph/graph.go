// Package graph makes flows that are values: a small graph of calls, which is
// put together when it is needed, sent to a platform as it is, and carried out
// there, durably, without anything being deployed. A flow is a JSON document;
// this package builds such documents in Go, reads and checks them.
//
//	g := graph.New("greet all", graph.Map(graph.Ref("#/input"),
//		graph.Object("greeter", graph.Ref("#/item"), "greet", map[string]any{"name": graph.Ref("#/item")})).Limit(10))
//	answers, err := situ.Do(ctx, p, graph.Run[[]Greeting]("monday", g, names))
//
// Inputs are templates: JSON in which {"$ref": "#/steps/a/id"} stands for what a
// JSON Pointer finds in the flow's input and in the results of steps before.
//
// It does no I/O and runs nothing.
package graph

import (
	"encoding/json"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/policy"
)

// Type is the name of the platform's object type that carries flows out.
const Type = "situ.flow"

// Kind says what a node does.
type Kind string

// The kinds of nodes.
const (
	KindCall   Kind = "call"   // calls a method or a function; its result is the answer
	KindSeq    Kind = "seq"    // nodes one after another; its result is that of the last
	KindPar    Kind = "par"    // nodes beside each other; their results in their order
	KindMap    Kind = "map"    // a node for each element of a list
	KindChoice Kind = "choice" // one of several nodes, by a value
	KindWait   Kind = "wait"   // waits for a time
	KindValue  Kind = "value"  // a template; its result is its value
	KindFail   Kind = "fail"   // fails
)

// Flow is a flow: a node with a name.
type Flow struct {
	Name string
	Doc  string
	Do   *Node
}

// Node is a step of a flow, with those inside it. Only the fields of its Kind are
// used. Fields of type any are templates.
type Node struct {
	Kind Kind
	Name string // by which others refer to its result; "" is none

	Target    Target // of a call
	Input     any
	Retry     *policy.Retry
	Priority  string
	OnFailure string
	Delay     any // duration or instant
	Deadline  any // duration from when the step begins, or instant

	Nodes []*Node // of seq and par
	Need  int     // of par and map: so many results are enough; 0 is all
	Most  int     // of par and map: so many at a time; 0 is the default

	Over    any   // of map: the list
	Body    *Node // of map
	Collect bool  // of map and par: failures are among the results
	Drop    bool  // of map: the result is how many there were, not a list

	On    any    // of choice
	Cases []Case // of choice: the first that fits
	Else  *Node  // of choice; nil is the result null

	Until any // of wait: a duration or an instant
	Value any // of value

	Code    string // of fail
	Message any    // of fail

	Catches []Catch // the first that fits takes a failure of the node
	Undone  *Node   // done if the flow fails after the node succeeded
}

// Target is what is called: a method of an object, or a function.
type Target struct {
	Type, Method string
	Key          any // a template
	Function     string
}

// Case is a way that a choice may go: if the value is Is, or fits a JSON Schema.
type Case struct {
	Is   any
	Fits json.RawMessage // nil: Is counts
	Do   *Node
}

// Catch takes failures with these codes or kinds; none is all.
type Catch struct {
	Codes []string
	Do    *Node
}

// New returns a flow that does n.
func New(name string, n *Node) *Flow { return &Flow{Name: name, Do: n} }

// Ref stands for what a JSON Pointer finds: "#/input", "#/steps/NAME", in a map
// "#/item" and "#/index", in a catch "#/error".
func Ref(pointer string) any { return map[string]any{"$ref": pointer} }

// Join stands for its parts, put together as a text.
func Join(parts ...any) any { return map[string]any{"$join": parts} }

// Object is a call of a method; key and input are templates.
func Object(typ string, key any, method string, input any) *Node {
	return &Node{Kind: KindCall, Target: Target{Type: typ, Key: key, Method: method}, Input: input}
}

// Function is a call of a function; the input is a template.
func Function(name string, input any) *Node {
	return &Node{Kind: KindCall, Target: Target{Function: name}, Input: input}
}

// Seq does nodes one after another.
func Seq(nodes ...*Node) *Node { return &Node{Kind: KindSeq, Nodes: nodes} }

// Par does nodes beside each other. One that refers to another begins when that is
// done.
func Par(nodes ...*Node) *Node { return &Node{Kind: KindPar, Nodes: nodes} }

// Map does a node for each element of a list, which is a template.
func Map(list any, do *Node) *Node { return &Node{Kind: KindMap, Over: list, Body: do} }

// Choice does the first case that fits the value, which is a template, or otherwise, which
// may be nil.
func Choice(value any, otherwise *Node, cases ...Case) *Node {
	return &Node{Kind: KindChoice, On: value, Else: otherwise, Cases: cases}
}

// Is is a case for one value.
func Is(v any, do *Node) Case { return Case{Is: v, Do: do} }

// Fits is a case for all that fits a JSON Schema.
func Fits(schema string, do *Node) Case { return Case{Fits: json.RawMessage(schema), Do: do} }

// Wait waits for a duration such as "90s", or until an instant (RFC 3339); until may
// be a template, a time.Duration or a time.Time.
func Wait(until any) *Node { return &Node{Kind: KindWait, Until: moment(until)} }

func moment(v any) any {
	switch v := v.(type) {
	case time.Duration:
		return v.String()
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return v
}

// Value has a template as its result.
func Value(v any) *Node { return &Node{Kind: KindValue, Value: v} }

// Fail fails with a code and a message, which may be a template.
func Fail(code string, message any) *Node {
	return &Node{Kind: KindFail, Code: code, Message: message}
}

// As names n.
func (n *Node) As(name string) *Node { n.Name = name; return n }

// Limit has at most so many at a time.
func (n *Node) Limit(most int) *Node { n.Most = most; return n }

// First makes so many results enough; the others are dropped when they come.
func (n *Node) First(need int) *Node { n.Need = need; return n }

// Failures makes each result {"value": …} or {"error": …}, and the node succeed.
func (n *Node) Failures() *Node { n.Collect = true; return n }

// Count makes the result {"done": n, "failed": m}; the results are not kept.
func (n *Node) Count() *Node { n.Drop = true; return n }

// After delays a call, as Wait waits.
func (n *Node) After(delay any) *Node { n.Delay = moment(delay); return n }

// Within gives a call a deadline: a duration from when the step begins, or an instant, as
// for Wait. If it is not answered by then the step fails with the kind "timeout".
func (n *Node) Within(deadline any) *Node { n.Deadline = moment(deadline); return n }

// Retries sets the retry policy of a call.
func (n *Node) Retries(r situ.Retry) *Node {
	text := func(d interface{ String() string }, zero bool) string {
		if zero {
			return ""
		}
		return d.String()
	}
	n.Retry = &policy.Retry{Attempts: r.Attempts, On: r.On, Final: r.Final, Backoff: text(r.Backoff, r.Backoff == 0),
		MaxBackoff: text(r.MaxBackoff, r.MaxBackoff == 0), MaxAge: text(r.MaxAge, r.MaxAge == 0)}
	return n
}

// Catch has do take failures of n with one of these codes or kinds; none is all.
func (n *Node) Catch(do *Node, codes ...string) *Node {
	n.Catches = append(n.Catches, Catch{codes, do})
	return n
}

// Undo has do done, if the flow fails after n has succeeded.
func (n *Node) Undo(do *Node) *Node { n.Undone = do; return n }

// Run describes the call that carries out a flow under a key, which names it: who
// makes it again with the same flow and input gets the same result. What O is, the
// result is decoded into.
func Run[O any](key string, g *Flow, input any) situ.Call[O] {
	return situ.Untyped[O](Type+"/"+key+".run", Order{g, input})
}

// Order is the input of the call that carries a flow out.
type Order struct {
	Flow  *Flow
	Input any
}

// MarshalJSON writes the order. The error says what is wrong with the flow.
func (o Order) MarshalJSON() ([]byte, error) {
	if _, problems := o.Flow.Check(nil); len(problems) > 0 {
		return nil, problems
	}
	return json.Marshal(map[string]any{"flow": o.Flow, "input": o.Input})
}
