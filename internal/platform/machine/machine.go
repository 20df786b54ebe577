// Package machine carries out flows: it is the state machine of one of them. What
// happened goes in (it begins, a call was answered, a time has come), what is to be done
// comes out, and all that it knows is in a store of its owner. It does no I/O,
// reads no clock and starts nothing.
package machine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/wire"
)

// Frame is what is known of a step that is under way, or of the flow itself.
type Frame struct {
	Since   int64  `json:"since"` // Unix nanoseconds
	State   State  `json:"state,omitempty"`
	Total   int    `json:"total,omitempty"`   // of par and map: how many there are; of the flow: what can be undone
	Next    int    `json:"next,omitempty"`    // of map: the first that has not begun
	Running int    `json:"running,omitempty"` // of the flow: calls that can be undone
	Done    int    `json:"done,omitempty"`
	Failed  int    `json:"failed,omitempty"`
	Marks   string `json:"marks,omitempty"` // of par: a letter for each node
	Order   []int  `json:"order,omitempty"` // of par and map that need some results: those that came
}

// State is what a step, or the flow, is about.
type State uint8

// The states.
const (
	Going    State = 0
	Catching State = 1 // a step has failed, and its handler runs
	Undoing  State = 2 // the flow has failed, and what was done is undone
	Over     State = 3
)

// The letters of Marks.
const (
	waiting, begun, ended, broken = '.', 'r', 'd', 'f'
)

// Store keeps what a flow knows, under keys of the machine's.
type Store interface {
	Frame(key string) (Frame, bool)
	SetFrame(key string, f Frame)
	DropFrame(key string)
	Value(key string) (json.RawMessage, bool)
	SetValue(key string, v json.RawMessage)
	DropValue(key string)
}

// Failure is why a step failed.
type Failure struct {
	Kind    string `json:"kind"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

// Call is a call to be made. Its answer goes to Answered.
type Call struct {
	Step   string // names the step under way
	To     string // "type/key.method" or a function
	Input  json.RawMessage
	Policy *wire.Policy
	At     time.Time // not before; zero is at once
	By     time.Time // answered by then, or it fails; zero is no deadline
}

// Wake is a time at which Woken is to be called.
type Wake struct {
	Step string
	At   time.Time
}

// Effects is what is to be done.
type Effects struct {
	Calls  []Call
	Wakes  []Wake
	Again  []string // GoOn is to be called with it, in another turn
	Over   bool     // Result and Fail say how it ended
	Result json.RawMessage
	Fail   *Failure
}

// Bounds of a run.
const (
	defaultLimit = 100     // at a time, of a map or par that does not say
	maxStarts    = 2000    // steps begun in one turn, before the rest is left to another
	maxResult    = 4 << 20 // bytes of a result that is put together
)

// Machine is a flow under way. It is made anew for any turn, with the same Memory
// if there is one.
type Machine struct {
	plan  *graph.Plan
	store Store
	mem   *Memory
	now   time.Time
	queue []task
	left  int
	fx    Effects
}

// Memory is what a machine need not find out again. It may be lost.
type Memory struct {
	values map[string]any
	lists  map[string][]any
}

// task is something that the machine has still to do in this turn.
type task struct {
	in    instance
	start bool
	value json.RawMessage
	fail  *Failure
}

// New returns the machine of a flow.
func New(plan *graph.Plan, store Store, mem *Memory, now time.Time) *Machine {
	if mem.values == nil {
		mem.values, mem.lists = map[string]any{}, map[string][]any{}
	}
	return &Machine{plan: plan, store: store, mem: mem, now: now, left: maxStarts}
}

// The keys of the flow's own.
const (
	flowKey  = ""
	inputKey = "input"
	failKey  = "fail"
)

// Begin begins the flow.
func (m *Machine) Begin(input json.RawMessage) Effects {
	m.store.SetValue(inputKey, input)
	m.store.SetFrame(flowKey, Frame{Since: m.now.UnixNano()})
	return m.run(task{in: instance{step: m.plan.Steps[0]}, start: true})
}

// Answered says what a call was answered.
func (m *Machine) Answered(step string, value json.RawMessage, fail *Failure) Effects {
	in, ok := m.parse(step)
	if !ok || m.state() == Over {
		return Effects{}
	}
	if _, open := m.store.Frame(in.String()); !open {
		return Effects{} // it was answered before
	}
	if in.step.Undoer >= 0 && in.step.Kind == graph.KindCall {
		f, _ := m.store.Frame(flowKey)
		f.Running--
		m.store.SetFrame(flowKey, f)
	}
	if !m.alive(in) {
		m.late(in, value, fail)
		return m.run()
	}
	return m.run(task{in: in, value: value, fail: fail})
}

// Woken says that a time has come.
func (m *Machine) Woken(step string) Effects {
	in, ok := m.parse(step)
	if !ok || m.state() == Over {
		return Effects{}
	}
	if !m.alive(in) {
		m.forget(in)
		return m.run()
	}
	return m.run(task{in: in, value: null})
}

// GoOn goes on with what was left for another turn.
func (m *Machine) GoOn(maps []string) Effects {
	if m.state() == Over {
		return Effects{}
	}
	for _, key := range maps {
		if in, ok := m.parse(key); ok && m.alive(in) {
			m.fill(in)
		}
	}
	return m.run()
}

// Cancel ends the flow: what was done is undone, and nothing more is begun.
func (m *Machine) Cancel(why string) Effects {
	if m.state() != Going {
		return Effects{}
	}
	m.store.DropFrame(instance{step: m.plan.Steps[0]}.String())
	m.finish(nil, &Failure{Kind: "canceled", Message: why})
	return m.run()
}

func (m *Machine) state() State {
	f, ok := m.store.Frame(flowKey)
	if !ok {
		return Over
	}
	return f.State
}

// run does what there is to do.
func (m *Machine) run(tasks ...task) Effects {
	m.queue = append(m.queue, tasks...)
	m.drain()
	m.undo()
	return m.fx
}

func (m *Machine) drain() {
	for len(m.queue) > 0 {
		t := m.queue[0]
		m.queue = m.queue[1:]
		switch {
		case t.start:
			m.start(t.in)
		case m.alive(t.in):
			m.end(t.in, t.value, t.fail)
		}
	}
}

// instance is a step under way: one for each element of the maps that it is in.
type instance struct {
	step *graph.Step
	at   []int
}

// String names the instance: "7", or "7.3.12" in two maps.
func (in instance) String() string {
	b := strconv.AppendInt(nil, int64(in.step.ID), 10)
	for _, i := range in.at {
		b = strconv.AppendInt(append(b, '.'), int64(i), 10)
	}
	return string(b)
}

func (m *Machine) parse(key string) (in instance, ok bool) {
	for i, part := range strings.Split(key, ".") {
		n, err := strconv.Atoi(part)
		switch {
		case err != nil || n < 0 || i == 0 && n >= len(m.plan.Steps):
			return in, false
		case i == 0:
			in.step = m.plan.Steps[n]
		default:
			in.at = append(in.at, n)
		}
	}
	return in, len(in.at) == len(in.step.Maps)
}

// parent returns the instance that in is in; ok is false for the first.
func (m *Machine) parent(in instance) (p instance, ok bool) {
	if in.step.In < 0 {
		return p, false
	}
	p.step = m.plan.Steps[in.step.In]
	p.at = in.at[:len(p.step.Maps)]
	return p, true
}

// child returns an instance inside in; index is that of the element, for a map.
func (m *Machine) child(in instance, id, index int) instance {
	c := instance{step: m.plan.Steps[id], at: in.at}
	if len(c.step.Maps) > len(in.at) {
		c.at = append(slices.Clone(in.at), index)
	}
	return c
}

// alive reports whether somebody waits for the end of in: it is under way, and all
// that it is in.
func (m *Machine) alive(in instance) bool {
	f, ok := m.store.Frame(in.String())
	return ok && f.State == Going && m.wanted(in)
}

// wanted reports whether all that in is in is under way.
func (m *Machine) wanted(in instance) bool {
	for in.step.Role != graph.Undoer {
		p, ok := m.parent(in)
		if !ok {
			return m.state() == Going
		}
		f, ok := m.store.Frame(p.String())
		if !ok || (f.State == Catching) != (in.step.Role == graph.Handler) {
			return false
		}
		in = p
	}
	return m.state() == Undoing
}

// late deals with an answer that nobody waits for any more. What was done has to
// be undone all the same, should the flow fail.
func (m *Machine) late(in instance, value json.RawMessage, fail *Failure) {
	if fail == nil && in.step.Undoer >= 0 && !m.undoing(in.step) {
		m.named(in, value)
		m.undoable(in)
	}
	m.forget(in)
}

// forget drops the frame of in and of all that it is in and nobody waits for.
func (m *Machine) forget(in instance) {
	for {
		m.store.DropFrame(in.String())
		p, ok := m.parent(in)
		if !ok || in.step.Role == graph.Undoer || m.wanted(p) {
			return
		}
		if f, there := m.store.Frame(p.String()); !there || f.State == Catching {
			return
		}
		in = p
	}
}

// undoing reports whether s is part of what undoes.
func (m *Machine) undoing(s *graph.Step) bool {
	for s.Role != graph.Undoer {
		if s.In < 0 {
			return false
		}
		s = m.plan.Steps[s.In]
	}
	return true
}

func failed(code, format string, args ...any) *Failure {
	return &Failure{Kind: "failed", Code: code, Message: fmt.Sprintf(format, args...)}
}

var null = json.RawMessage("null")

// Called names a step under way for people, and tells its kind.
func (m *Machine) Called(key string) (name, kind string) {
	in, ok := m.parse(key)
	if !ok {
		return key, ""
	}
	if name = in.step.Name; name == "" {
		name = in.step.Pointer
	}
	for _, i := range in.at {
		name += "[" + strconv.Itoa(i) + "]"
	}
	return name, string(in.step.Kind)
}
