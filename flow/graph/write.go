package graph

import "encoding/json"

// MarshalJSON writes a flow.
func (g *Flow) MarshalJSON() ([]byte, error) {
	m := map[string]any{"do": g.Do}
	put(m, "name", g.Name)
	put(m, "doc", g.Doc)
	return json.Marshal(m)
}

// put sets a member unless v is its zero value.
func put[T comparable](m map[string]any, name string, v T) {
	var zero T
	if v != zero {
		m[name] = v
	}
}

// set sets a member unless v is nil.
func set(m map[string]any, name string, v any) {
	if v != nil {
		m[name] = v
	}
}

// MarshalJSON writes a node.
func (n *Node) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	put(m, "name", n.Name)
	switch n.Kind {
	case KindCall:
		n.writeCall(m)
	case KindSeq, KindPar:
		m[string(n.Kind)] = n.Nodes
	case KindMap:
		m["map"], m["do"] = n.Over, n.Body
		put(m, "count", n.Drop)
	case KindChoice:
		m["choice"] = n.On
		cases := []any{}
		for _, c := range n.Cases {
			one := map[string]any{"do": c.Do}
			if c.Fits != nil {
				one["fits"] = c.Fits
			} else {
				one["is"] = c.Is
			}
			cases = append(cases, one)
		}
		m["cases"] = cases
		put(m, "else", n.Else)
	case KindWait:
		m["wait"] = n.Until
	case KindValue:
		m["value"] = n.Value
	case KindFail:
		f := map[string]any{}
		put(f, "code", n.Code)
		set(f, "message", n.Message)
		m["fail"] = f
	}
	put(m, "need", n.Need)
	put(m, "limit", n.Most)
	put(m, "collect", n.Collect)
	if len(n.Catches) > 0 {
		all := []any{}
		for _, c := range n.Catches {
			one := map[string]any{"do": c.Do}
			if len(c.Codes) > 0 {
				one["codes"] = c.Codes
			}
			all = append(all, one)
		}
		m["catch"] = all
	}
	put(m, "undo", n.Undone)
	return json.Marshal(m)
}

func (n *Node) writeCall(m map[string]any) {
	to := map[string]any{}
	put(to, "type", n.Target.Type)
	put(to, "method", n.Target.Method)
	put(to, "function", n.Target.Function)
	set(to, "key", n.Target.Key)
	m["call"] = to
	set(m, "input", n.Input)
	put(m, "retry", n.Retry)
	put(m, "priority", n.Priority)
	put(m, "onFailure", n.OnFailure)
	set(m, "delay", n.Delay)
	set(m, "within", n.Deadline)
}
