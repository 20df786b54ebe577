package machine

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/flow/graph"
)

// start begins a step.
func (m *Machine) start(in instance) {
	if !m.wanted(in) {
		return
	}
	m.left--
	s := in.step
	f := Frame{Since: m.now.UnixNano()}
	set := func() { m.store.SetFrame(in.String(), f) }
	set()
	switch s.Kind {
	case graph.KindCall:
		m.call(in)
	case graph.KindValue:
		v, fail := m.eval(in, s.Value)
		m.over(in, v, fail)
	case graph.KindFail:
		text, fail := m.text(in, s.Message)
		if fail == nil {
			fail = &Failure{Kind: "failed", Code: s.Code, Message: text}
		}
		m.over(in, nil, fail)
	case graph.KindWait:
		m.wait(in)
	case graph.KindSeq:
		m.begin(m.child(in, s.Inner[0], 0))
	case graph.KindPar:
		f.Total = len(s.Inner)
		f.Marks = strings.Repeat(string(waiting), f.Total)
		set()
		m.launch(in)
	case graph.KindMap:
		list, fail := m.list(in)
		if fail != nil {
			m.over(in, nil, fail)
			return
		}
		f.Total = len(list)
		set()
		if !m.settle(in, f, nil) {
			m.fill(in)
		}
	case graph.KindChoice:
		m.choose(in)
	}
}

// begin has a step begun in this turn, over is called with what became of one.
func (m *Machine) begin(in instance) { m.queue = append(m.queue, task{in: in, start: true}) }

func (m *Machine) over(in instance, v json.RawMessage, fail *Failure) {
	m.queue = append(m.queue, task{in: in, value: v, fail: fail})
}

// call makes the call of a step.
func (m *Machine) call(in instance) {
	s := in.step
	c := Call{Step: in.String(), To: s.Target.Function, Policy: s.Policy}
	var fail *Failure
	if s.Target.Function == "" {
		var key string
		if key, fail = m.text(in, s.Target.Key); fail == nil {
			c.To = s.Target.Type + "/" + key + "." + s.Target.Method
		}
	}
	if fail == nil && s.Input != nil {
		c.Input, fail = m.eval(in, s.Input)
	}
	if fail == nil && s.Delay != nil {
		c.At, fail = m.moment(in, s.Delay)
	}
	if fail == nil && s.Deadline != nil {
		if c.By, fail = m.moment(in, s.Deadline); fail == nil && (!c.By.After(m.now) || !c.By.After(c.At)) {
			fail = &Failure{Kind: "timeout", Message: s.Pointer + "/within: the deadline, " + c.By.UTC().Format(time.RFC3339Nano) +
				", is past, or before the call is delivered: it was not made"}
		}
	}
	if fail != nil {
		m.over(in, nil, fail)
		return
	}
	if s.Undoer >= 0 {
		f, _ := m.store.Frame(flowKey)
		f.Running++
		m.store.SetFrame(flowKey, f)
	}
	m.fx.Calls = append(m.fx.Calls, c)
}

func (m *Machine) wait(in instance) {
	at, fail := m.moment(in, in.step.Until)
	if fail != nil {
		m.over(in, nil, fail)
		return
	}
	m.fx.Wakes = append(m.fx.Wakes, Wake{in.String(), at})
}

// choose goes the first way that fits.
func (m *Machine) choose(in instance) {
	v, fail := m.value(in, in.step.On)
	if fail != nil {
		m.over(in, nil, fail)
		return
	}
	text, fail := encode(v)
	if fail != nil {
		m.over(in, nil, fail)
		return
	}
	for i, c := range in.step.Cases {
		fits := c.Fits == nil && graph.Equal(v, c.Is)
		if c.Fits != nil {
			misfits, bad := in.step.Schemas[i].Check(text)
			fits = bad == nil && len(misfits) == 0
		}
		if fits {
			m.begin(m.child(in, in.step.Inner[i], 0))
			return
		}
	}
	if in.step.Else != nil {
		m.begin(m.child(in, in.step.Inner[len(in.step.Cases)], 0))
		return
	}
	m.over(in, null, nil)
}

// limit returns how many of a par or map may run at a time.
func limit(s *graph.Step) int {
	if s.Most > 0 {
		return s.Most
	}
	return defaultLimit
}

// launch begins what can begin of a par: what needs nothing that is not done.
func (m *Machine) launch(in instance) {
	f, _ := m.store.Frame(in.String())
	marks := []byte(f.Marks)
	for i, id := range in.step.Inner {
		if marks[i] != waiting || f.Running >= limit(in.step) {
			continue
		}
		ready, lost := true, false
		for _, need := range m.plan.Steps[id].Needs {
			ready = ready && (marks[need] == ended || marks[need] == broken)
			lost = lost || marks[need] == broken && !in.step.Collect
		}
		if !ready {
			continue
		}
		marks[i] = begun
		f.Running++
		c := m.child(in, id, 0)
		if lost {
			m.store.SetFrame(c.String(), Frame{Since: m.now.UnixNano()})
			m.over(c, nil, failed("needed", "it needs a step that has failed"))
		} else {
			m.begin(c)
		}
	}
	f.Marks = string(marks)
	m.store.SetFrame(in.String(), f)
}

// fill begins elements of a map, as many as may run.
func (m *Machine) fill(in instance) {
	f, ok := m.store.Frame(in.String())
	if !ok || f.State != Going {
		return
	}
	for f.Running < limit(in.step) && f.Next < f.Total {
		if m.left <= len(m.queue) {
			m.fx.Again = append(m.fx.Again, in.String())
			break
		}
		m.begin(m.child(in, in.step.Inner[0], f.Next))
		f.Next++
		f.Running++
	}
	m.store.SetFrame(in.String(), f)
}

// end deals with a step that is over: its own handlers first, then what it is in.
func (m *Machine) end(in instance, v json.RawMessage, fail *Failure) {
	if fail != nil {
		if i := m.handler(in, fail); i >= 0 {
			m.store.SetFrame(in.String(), Frame{Since: m.now.UnixNano(), State: Catching})
			b, bad := encode(fail)
			if bad == nil {
				m.store.SetValue("e/"+in.String(), b)
			}
			m.begin(m.child(in, in.step.Catcher[i], 0))
			return
		}
	}
	if fail == nil && in.step.Undoer >= 0 && !m.undoing(in.step) {
		m.undoable(in)
	}
	m.leave(in, v, fail)
}

// leave takes the result of a step, or its failure, to what it is in.
func (m *Machine) leave(in instance, v json.RawMessage, fail *Failure) {
	m.store.DropFrame(in.String())
	if fail == nil {
		m.named(in, v)
	}
	if in.step.Role == graph.Undoer {
		m.undone(fail)
		return
	}
	p, ok := m.parent(in)
	switch {
	case !ok:
		m.finish(v, fail)
	case in.step.Role == graph.Handler:
		m.store.DropValue("e/" + p.String())
		m.leave(p, v, fail)
	case p.step.Kind == graph.KindPar, p.step.Kind == graph.KindMap:
		m.counted(p, in, v, fail)
	case fail != nil:
		m.end(p, nil, fail)
	case p.step.Kind == graph.KindSeq && in.step.Index+1 < len(p.step.Inner):
		m.begin(m.child(p, p.step.Inner[in.step.Index+1], 0))
	default:
		m.end(p, v, nil)
	}
}

// handler returns which handler of a step takes a failure, -1 for none.
func (m *Machine) handler(in instance, fail *Failure) int {
	return slices.IndexFunc(in.step.Catches, func(c graph.Catch) bool {
		return len(c.Codes) == 0 || slices.Contains(c.Codes, fail.Kind) || fail.Code != "" && slices.Contains(c.Codes, fail.Code)
	})
}

// named keeps a result that others may refer to.
func (m *Machine) named(in instance, v json.RawMessage) {
	if in.step.Name != "" {
		m.store.SetValue("n/"+in.String(), v)
	}
}

// counted takes a result, or a failure, of one of many.
func (m *Machine) counted(p, in instance, v json.RawMessage, fail *Failure) {
	f, _ := m.store.Frame(p.String())
	f.Running--
	i := in.step.Index
	if p.step.Kind == graph.KindMap {
		i = in.at[len(in.at)-1]
		m.clean(p, in)
	}
	mark := byte(ended)
	if fail == nil {
		f.Done++
	} else {
		f.Failed++
		mark = broken
	}
	if p.step.Kind == graph.KindPar {
		marks := []byte(f.Marks)
		marks[i] = mark
		f.Marks = string(marks)
	}
	m.keep(p, &f, i, v, fail)
	m.store.SetFrame(p.String(), f)
	switch {
	case m.settle(p, f, fail):
	case p.step.Kind == graph.KindPar:
		m.launch(p)
	default:
		m.fill(p)
	}
}

// keep keeps a result for the list that it is to be in.
func (m *Machine) keep(p instance, f *Frame, i int, v json.RawMessage, fail *Failure) {
	switch s := p.step; {
	case s.Drop:
		return
	case s.Collect && fail != nil:
		b, bad := encode(fail)
		if bad != nil {
			b = null
		}
		v = slices.Concat([]byte(`{"error":`), b, []byte("}"))
	case s.Collect:
		v = slices.Concat([]byte(`{"value":`), v, []byte("}"))
	case fail != nil:
		return
	case s.Need > 0:
		if len(f.Order) >= s.Need {
			return
		}
		f.Order = append(f.Order, i)
	}
	m.store.SetValue(one(p, i), v)
}

func one(p instance, i int) string { return "v/" + p.String() + "/" + strconv.Itoa(i) }

// clean forgets the results inside an element of a map that is done with, unless
// they are needed to undo it.
func (m *Machine) clean(p, in instance) {
	if p.step.Undoes {
		return
	}
	for _, id := range in.step.Within {
		s := m.plan.Steps[id]
		if len(s.Maps) == len(in.at) {
			key := "n/" + instance{s, in.at}.String()
			m.store.DropValue(key)
			delete(m.mem.values, key)
		}
	}
}

// settle ends a par or map that has what it needs, or cannot get it any more, and
// reports whether it did. Fail is the last failure.
func (m *Machine) settle(p instance, f Frame, fail *Failure) bool {
	s, need := p.step, p.step.Need
	if need == 0 || need > f.Total {
		need = f.Total
	}
	switch tolerant := s.Collect || s.Drop; {
	case tolerant && f.Done+f.Failed < f.Total, !tolerant && f.Done < need && f.Failed <= f.Total-need:
		return false
	case !tolerant && f.Done < need:
		m.dropAll(p, f)
		delete(m.mem.lists, p.String())
		m.end(p, nil, fail)
		return true
	}
	v, bad := m.together(p, f)
	m.dropAll(p, f)
	delete(m.mem.lists, p.String())
	m.end(p, v, bad)
	return true
}

// together puts the result of a par or map together.
func (m *Machine) together(p instance, f Frame) (json.RawMessage, *Failure) {
	if p.step.Drop {
		return encode(map[string]int{"done": f.Done, "failed": f.Failed})
	}
	var b bytes.Buffer
	b.WriteByte('[')
	add := func(n, i int) bool {
		if n > 0 {
			b.WriteByte(',')
		}
		v, ok := m.store.Value(one(p, i))
		if !ok {
			v = null
		}
		if p.step.Need > 0 {
			b.WriteString(`{"index":` + strconv.Itoa(i) + `,"value":`)
			b.Write(v)
			b.WriteByte('}')
		} else {
			b.Write(v)
		}
		return b.Len() <= maxResult
	}
	ok := true
	if p.step.Need > 0 {
		for n, i := range f.Order {
			ok = ok && add(n, i)
		}
	} else {
		for i := 0; i < f.Total && ok; i++ {
			ok = add(i, i)
		}
	}
	if !ok {
		return nil, &Failure{Kind: "too-large", Message: "the results of " + p.step.Pointer + " are more than 4 MiB together: give it \"count\", and keep results in objects"}
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

// dropAll forgets the results of a par or map.
func (m *Machine) dropAll(p instance, f Frame) {
	if p.step.Drop {
		return
	}
	for i := range f.Total {
		m.store.DropValue(one(p, i))
	}
}
