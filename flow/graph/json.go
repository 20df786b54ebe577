package graph

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/schema"
)

// Schema is the JSON Schema of flows. It tells the form; Check knows more.
//
//go:embed flow.schema.json
var Schema []byte

// Bounds of a flow.
const (
	MaxBytes = 256 << 10 // of the document
	MaxNodes = 1000
	MaxDepth = 32     // of nodes in nodes
	MaxLimit = 10_000 // at a time
)

// Problem is what is wrong at a place of a document.
type Problem struct {
	Pointer string `json:"pointer"` // RFC 6901, as a URI fragment
	Detail  string `json:"detail"`
}

// Problems is an error.
type Problems []Problem

// Error lists them, at most a few.
func (p Problems) Error() string {
	var b strings.Builder
	b.WriteString("the flow cannot be taken: ")
	for i, one := range p {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(p)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(one.Pointer + " " + one.Detail)
	}
	return b.String()
}

// Decode reads JSON as a value with exact numbers. The error says where it stops
// being JSON.
func Decode(text []byte) (v any, err error) {
	var anything *schema.Schema
	if _, bad := anything.Check(text); bad != nil {
		return nil, bad
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("there is more after the value")
	}
	return v, nil
}

// Parse reads a flow. The error is a *schema.Malformed or Problems. Check says
// what is wrong beyond its form.
func Parse(text []byte) (*Flow, error) {
	if len(text) > MaxBytes {
		return nil, Problems{{"#", fmt.Sprintf("the document has %d bytes; at most %d are allowed", len(text), MaxBytes)}}
	}
	v, err := Decode(text)
	if err != nil {
		return nil, err
	}
	r := reader{}
	g := &Flow{}
	m := r.object(v, "#", "a flow", "name", "doc", "do")
	r.text(m, "name", "#", &g.Name)
	r.text(m, "doc", "#", &g.Doc)
	if m != nil {
		g.Do = r.child(m, "do", "#", true)
	}
	if len(r.found) > 0 {
		return nil, r.found
	}
	return g, nil
}

// UnmarshalJSON reads a flow.
func (g *Flow) UnmarshalJSON(b []byte) error {
	got, err := Parse(b)
	if err != nil {
		return err
	}
	*g = *got
	return nil
}

// reader makes nodes of values, and notes what does not fit.
type reader struct {
	found Problems
	nodes int
	depth int
}

func (r *reader) wrong(at, format string, args ...any) {
	if len(r.found) < 16 {
		r.found = append(r.found, Problem{at, fmt.Sprintf(format, args...)})
	}
}

// under returns the pointer of a member.
func under(at string, part any) string {
	if s, ok := part.(string); ok {
		return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
	}
	return fmt.Sprintf("%s/%d", at, part)
}

// object returns v as an object that has no other members than these.
func (r *reader) object(v any, at, what string, members ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		r.wrong(at, "is %s; want %s, an object", kindOf(v), what)
		return nil
	}
	for name := range m {
		if slices.Contains(members, name) {
			continue
		}
		hint := "; there is " + strings.Join(members, ", ")
		if s := near.Name(name, members); s != "" {
			hint = fmt.Sprintf("; did you mean %q?", s)
		}
		r.wrong(under(at, name), "is not known%s", hint)
	}
	return m
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	}
	return "an object"
}

func (r *reader) text(m map[string]any, name, at string, to *string) {
	v, ok := m[name]
	if !ok {
		return
	}
	if *to, ok = v.(string); !ok {
		r.wrong(under(at, name), "is %s; want a string", kindOf(v))
	}
}

func (r *reader) flag(m map[string]any, name, at string, to *bool) {
	v, ok := m[name]
	if !ok {
		return
	}
	if *to, ok = v.(bool); !ok {
		r.wrong(under(at, name), "is %s; want true or false", kindOf(v))
	}
}

func (r *reader) count(m map[string]any, name, at string, most int, to *int) {
	v, ok := m[name]
	if !ok {
		return
	}
	num, _ := v.(json.Number)
	n, err := strconv.Atoi(string(num))
	if err != nil || n < 1 || n > most {
		r.wrong(under(at, name), "is no whole number from 1 to %d", most)
		return
	}
	*to = n
}

func (r *reader) texts(v any, at string) (all []string) {
	list, ok := v.([]any)
	if !ok {
		r.wrong(at, "is %s; want a list of strings", kindOf(v))
	}
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			r.wrong(under(at, i), "is %s; want a string", kindOf(e))
		}
		all = append(all, s)
	}
	return all
}

// child reads the node that is a member of m.
func (r *reader) child(m map[string]any, name, at string, needed bool) *Node {
	v, ok := m[name]
	if !ok {
		if needed {
			r.wrong(at, "%q is missing: a node", name)
		}
		return nil
	}
	return r.node(v, under(at, name))
}

// members are those of each kind of node, besides those that all have.
var members = map[Kind][]string{
	KindCall: {"input", "retry", "priority", "onFailure", "delay", "within"}, KindSeq: {}, KindPar: {"need", "limit", "collect"},
	KindMap: {"do", "need", "limit", "collect", "count"}, KindChoice: {"cases", "else"},
	KindWait: {}, KindValue: {}, KindFail: {},
}

var kinds = []Kind{KindCall, KindSeq, KindPar, KindMap, KindChoice, KindWait, KindValue, KindFail}

// node reads a node.
func (r *reader) node(v any, at string) *Node {
	n := &Node{}
	r.nodes++
	r.depth++
	defer func() { r.depth-- }()
	if r.nodes == MaxNodes+1 {
		r.wrong(at, "is one node too many; a flow has at most %d", MaxNodes)
	}
	if r.depth == MaxDepth+1 {
		r.wrong(at, "is nested too deep; at most %d nodes are in each other", MaxDepth)
	}
	if r.nodes > MaxNodes || r.depth > MaxDepth {
		return n
	}
	m, ok := v.(map[string]any)
	if !ok {
		r.wrong(at, "is %s; want a node, an object", kindOf(v))
		return n
	}
	for _, k := range kinds {
		if _, has := m[string(k)]; has && n.Kind == "" {
			n.Kind = k
		} else if has {
			r.wrong(at, "is both %s and %s: a node is one", n.Kind, k)
		}
	}
	if n.Kind == "" {
		r.kindless(m, at)
		return n
	}
	r.object(m, at, "a node", append([]string{string(n.Kind), "name", "catch", "undo"}, members[n.Kind]...)...)
	r.text(m, "name", at, &n.Name)
	r.own(n, m, at)
	if v, ok := m["catch"]; ok {
		r.catches(n, v, under(at, "catch"))
	}
	n.Undone = r.child(m, "undo", at, false)
	return n
}

// kindless says what may have been meant.
func (r *reader) kindless(m map[string]any, at string) {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	for name := range m {
		if hint := near.Name(name, names); hint != "" {
			r.wrong(under(at, name), "is not known; did you mean %q?", hint)
			return
		}
	}
	r.wrong(at, "is no node: it has none of %s", strings.Join(names, ", "))
}

// own reads what nodes of a kind have.
func (r *reader) own(n *Node, m map[string]any, at string) {
	v := m[string(n.Kind)]
	here := under(at, string(n.Kind))
	switch n.Kind {
	case KindCall:
		r.call(n, m, at)
	case KindSeq, KindPar:
		list, ok := v.([]any)
		if !ok || len(list) == 0 {
			r.wrong(here, "want a list of nodes, not empty")
		}
		for i, e := range list {
			n.Nodes = append(n.Nodes, r.node(e, under(here, i)))
		}
	case KindMap:
		n.Over = v
		n.Body = r.child(m, "do", at, true)
		r.flag(m, "count", at, &n.Drop)
	case KindChoice:
		n.On = v
		r.cases(n, m["cases"], under(at, "cases"))
		n.Else = r.child(m, "else", at, false)
	case KindWait:
		n.Until = v
	case KindValue:
		n.Value = v
	case KindFail:
		f := r.object(v, here, "a failure", "code", "message")
		r.text(f, "code", here, &n.Code)
		n.Message = f["message"]
	}
	if n.Kind == KindPar || n.Kind == KindMap {
		r.count(m, "need", at, 1<<30, &n.Need)
		r.count(m, "limit", at, MaxLimit, &n.Most)
		r.flag(m, "collect", at, &n.Collect)
	}
}

func (r *reader) call(n *Node, m map[string]any, at string) {
	here := under(at, "call")
	switch to := m["call"].(type) {
	case string:
		a, err := policy.ParseTarget(to)
		if err != nil {
			r.wrong(here, "%s", plain(err))
			break
		}
		if n.Target = (Target{Type: a.Type, Key: a.Key, Method: a.Method}); a.Function() {
			n.Target = Target{Function: a.Method}
		}
	case map[string]any:
		if _, ok := to["function"]; ok {
			r.object(to, here, "a function", "function")
			r.text(to, "function", here, &n.Target.Function)
			break
		}
		r.object(to, here, "a method", "type", "key", "method")
		r.text(to, "type", here, &n.Target.Type)
		r.text(to, "method", here, &n.Target.Method)
		n.Target.Key = to["key"]
	default:
		r.wrong(here, `is %s; want "type/key.method", the name of a function, or {"type":…,"key":…,"method":…}`, kindOf(to))
	}
	n.Input, n.Delay, n.Deadline = m["input"], m["delay"], m["within"]
	r.text(m, "priority", at, &n.Priority)
	r.text(m, "onFailure", at, &n.OnFailure)
	if v, ok := m["retry"]; ok {
		b, err := json.Marshal(v)
		retry, bad := policy.ParseRetry(string(b))
		if err == nil {
			err = bad
		}
		if err != nil {
			r.wrong(under(at, "retry"), "%s", plain(err))
		}
		n.Retry = &retry
	}
}

func (r *reader) cases(n *Node, v any, at string) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		r.wrong(at, "want a list of cases, not empty")
	}
	for i, e := range list {
		here := under(at, i)
		m := r.object(e, here, "a case", "is", "fits", "do")
		c := Case{Is: m["is"]}
		_, is := m["is"]
		fits, schemed := m["fits"]
		if is == schemed {
			r.wrong(here, `has "is", a value, or "fits", a JSON Schema: one of them`)
		}
		if schemed {
			b, err := json.Marshal(fits)
			if err == nil {
				_, err = schema.Compile(b)
			}
			if err != nil {
				r.wrong(under(here, "fits"), "is no JSON Schema: %v", err)
			}
			c.Fits = b
		}
		c.Do = r.child(m, "do", here, true)
		n.Cases = append(n.Cases, c)
	}
}

func (r *reader) catches(n *Node, v any, at string) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		r.wrong(at, "want a list of handlers, not empty")
	}
	for i, e := range list {
		here := under(at, i)
		m := r.object(e, here, "a handler", "codes", "do")
		c := Catch{Do: r.child(m, "do", here, true)}
		if codes, ok := m["codes"]; ok {
			c.Codes = r.texts(codes, under(here, "codes"))
		}
		n.Catches = append(n.Catches, c)
	}
}
