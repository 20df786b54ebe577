package machine

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/situ-dev/situ/flow/graph"
)

// finish ends the flow, or begins to undo what it did.
func (m *Machine) finish(v json.RawMessage, fail *Failure) {
	f, _ := m.store.Frame(flowKey)
	if fail == nil {
		f.State = Over
		m.store.SetFrame(flowKey, f)
		m.fx.Over, m.fx.Result = true, v
		return
	}
	if b, bad := encode(fail); bad == nil {
		m.store.SetValue(failKey, b)
	}
	f.State, f.Next, f.Failed = Undoing, 0, 0
	m.store.SetFrame(flowKey, f)
}

// undoable notes that a step was done.
func (m *Machine) undoable(in instance) {
	f, _ := m.store.Frame(flowKey)
	m.store.SetValue("u/"+strconv.Itoa(f.Total), json.RawMessage(strconv.Quote(in.String())))
	f.Total++
	m.store.SetFrame(flowKey, f)
}

// undo undoes what was done last, of a flow that has failed. When nothing is left,
// and no call under way could bring more, the flow is over.
func (m *Machine) undo() {
	for {
		f, _ := m.store.Frame(flowKey)
		if f.State != Undoing || f.Next != 0 {
			return
		}
		if f.Total == 0 {
			if f.Running > 0 {
				return
			}
			fail := &Failure{}
			if b, ok := m.store.Value(failKey); ok {
				_ = json.Unmarshal(b, fail) // it was encoded here
			}
			if f.Failed > 0 {
				fail.Message += fmt.Sprintf(" (and %d of what was to be undone could not be)", f.Failed)
			}
			f.State = Over
			m.store.SetFrame(flowKey, f)
			m.fx.Over, m.fx.Fail = true, fail
			return
		}
		f.Total--
		f.Next = 1
		m.store.SetFrame(flowKey, f)
		key := "u/" + strconv.Itoa(f.Total)
		b, _ := m.store.Value(key)
		m.store.DropValue(key)
		var name string
		_ = json.Unmarshal(b, &name) // it was encoded here
		in, ok := m.parse(name)
		if !ok {
			continue
		}
		m.start(m.child(in, in.step.Undoer, 0))
		m.drain()
	}
}

// undone says that something was undone, or could not be.
func (m *Machine) undone(fail *Failure) {
	f, _ := m.store.Frame(flowKey)
	f.Next = 0
	if fail != nil {
		f.Failed++
	}
	m.store.SetFrame(flowKey, f)
}

// look finds what references begin with, for the templates of in.
func (m *Machine) look(in instance) graph.Look {
	return func(ref []string) (any, []string, error) {
		switch ref[0] {
		case "input":
			v, err := m.kept(inputKey)
			return v, ref[1:], err
		case "steps":
			s := m.plan.Steps[m.plan.Names[ref[1]]]
			v, err := m.kept("n/" + instance{s, in.at[:len(s.Maps)]}.String())
			return v, ref[2:], err
		case "index":
			return json.Number(strconv.Itoa(in.at[len(in.at)-1])), ref[1:], nil
		case "item":
			p := instance{m.plan.Steps[in.step.Maps[len(in.step.Maps)-1]], in.at[:len(in.at)-1]}
			list, fail := m.list(p)
			i := in.at[len(in.at)-1]
			if fail != nil || i >= len(list) {
				return nil, nil, fmt.Errorf("the list has changed")
			}
			return list[i], ref[1:], nil
		}
		for in.step.Role != graph.Handler { // of an error
			p, ok := m.parent(in)
			if !ok {
				return nil, nil, fmt.Errorf("there is no error")
			}
			in = p
		}
		p, _ := m.parent(in)
		v, err := m.read("e/" + p.String())
		return v, ref[1:], err
	}
}

// maxKept is how many values are in memory, read, at most.
const maxKept = 256

// kept returns a value that stays as it is once it is there, null before.
func (m *Machine) kept(key string) (any, error) {
	if v, ok := m.mem.values[key]; ok {
		return v, nil
	}
	v, err := m.read(key)
	if err == nil && v != nil {
		if len(m.mem.values) >= maxKept {
			clear(m.mem.values)
		}
		m.mem.values[key] = v
	}
	return v, err
}

func (m *Machine) read(key string) (any, error) {
	b, ok := m.store.Value(key)
	if !ok {
		return nil, nil
	}
	return graph.Decode(b)
}

// list returns the list of a map.
func (m *Machine) list(in instance) ([]any, *Failure) {
	if list, ok := m.mem.lists[in.String()]; ok {
		return list, nil
	}
	v, fail := m.value(in, in.step.Over)
	if fail != nil {
		return nil, fail
	}
	list, ok := v.([]any)
	if !ok {
		text, _ := encode(v) // it was decoded
		if len(text) > 40 {
			text = append(text[:40:40], "…"...)
		}
		return nil, failed("reference", "%s/map is %s; want a list", in.step.Pointer, text)
	}
	if len(m.mem.lists) >= maxKept {
		clear(m.mem.lists)
	}
	m.mem.lists[in.String()] = list
	return list, nil
}

// value evaluates a template.
func (m *Machine) value(in instance, template any) (any, *Failure) {
	v, err := graph.Eval(template, m.look(in))
	if err != nil {
		return nil, failed("reference", "%s: %v", in.step.Pointer, err)
	}
	return v, nil
}

func (m *Machine) eval(in instance, template any) (json.RawMessage, *Failure) {
	v, fail := m.value(in, template)
	if fail != nil {
		return nil, fail
	}
	return encode(v)
}

func (m *Machine) text(in instance, template any) (string, *Failure) {
	v, fail := m.value(in, template)
	if fail != nil || v == nil {
		return "", fail
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	b, fail := encode(v)
	return string(b), fail
}

func (m *Machine) moment(in instance, template any) (time.Time, *Failure) {
	v, fail := m.value(in, template)
	if fail != nil {
		return m.now, fail
	}
	at, err := graph.Moment(v, m.now)
	if err != nil {
		return m.now, failed("reference", "%s: %v", in.step.Pointer, err)
	}
	return at, nil
}

func encode(v any) (json.RawMessage, *Failure) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, failed("reference", "it cannot be written as JSON: %v", err)
	}
	return b, nil
}
