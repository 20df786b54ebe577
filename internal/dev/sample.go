package dev

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/situ-dev/situ/internal/host"
)

// Try returns the arguments of `situ call` for a call that is worth trying
// first: of a function, or else of a method. It is empty if there is nothing
// to call.
func Try(m *host.Manifest) []string {
	var best []string
	rank := 99
	// A function needs no key to be guessed.
	offer := func(target []string, op *host.MethodManifest, base int) {
		if op.Internal {
			return
		}
		if base += score(op); base < rank {
			rank, best = base, target
			if input := Sample(op.In); input != "{}" {
				best = append(best, input)
			}
		}
	}
	for i := range m.Functions {
		offer([]string{m.Functions[i].Name}, &m.Functions[i], 0)
	}
	for i := range m.Types {
		t := &m.Types[i]
		for j := range t.Methods {
			offer([]string{t.Name + "/" + strings.ToLower(t.Name) + "-1", t.Methods[j].Name}, &t.Methods[j], 3)
		}
	}
	return best
}

// score is lower the better a first call is: one that changes something, takes
// little, and above all whose input need not be guessed: a number or a choice
// is most likely right, a text is not.
func score(op *host.MethodManifest) int {
	var in node
	if json.Unmarshal(op.In, &in) == nil && len(in.Examples) > 0 {
		return -10 // its author says so
	}
	sample := Sample(op.In)
	n := min(len(sample)/40, 3)
	var v any
	if json.Unmarshal([]byte(sample), &v) == nil {
		n += 2 * min(texts(v), 4)
	}
	if op.ReadOnly {
		n += 2
	}
	return n
}

// texts counts the texts in a decoded value.
func texts(v any) (n int) {
	switch v := v.(type) {
	case string:
		return 1
	case []any:
		for _, e := range v {
			n += texts(e)
		}
	case map[string]any:
		for _, e := range v {
			n += texts(e)
		}
	}
	return n
}

// Quote makes one argument of a POSIX shell of s.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// node is the part of a JSON Schema that a sample is made from.
type node struct {
	Ref      string           `json:"$ref"`
	Defs     map[string]*node `json:"$defs"`
	Type     any              `json:"type"`
	Format   string           `json:"format"`
	Enum     []any            `json:"enum"`
	Const    any              `json:"const"`
	Default  json.RawMessage  `json:"default"`
	Examples []any            `json:"examples"`
	Minimum  *float64         `json:"minimum"`
	MinItems int              `json:"minItems"`
	AnyOf    []*node          `json:"anyOf"`
	OneOf    []*node          `json:"oneOf"`

	Properties map[string]*node `json:"properties"`
	Required   []string         `json:"required"`
	Items      *node            `json:"items"`
}

// UnmarshalJSON takes a schema that is true or false for an empty one.
func (n *node) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '{' {
		return nil
	}
	type plain node
	return json.Unmarshal(b, (*plain)(n))
}

// Sample returns a value that fits a JSON Schema, as JSON on one line; "{}" if
// it says nothing.
func Sample(schema json.RawMessage) string {
	var root node
	if len(schema) == 0 || json.Unmarshal(schema, &root) != nil {
		return "{}"
	}
	var b bytes.Buffer
	s := sampler{&root, &b}
	s.write(&root, "", 0)
	return b.String()
}

type sampler struct {
	root *node
	b    *bytes.Buffer
}

const deepest = 6 // a schema may contain itself

func (s *sampler) write(n *node, name string, depth int) {
	if n != nil && n.Ref != "" {
		if def := s.root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]; def != nil {
			n = def
		} else if n.Ref == "#" {
			n = s.root
		}
	}
	if n == nil || depth > deepest {
		s.b.WriteString("{}")
		return
	}
	switch {
	case len(n.Examples) > 0:
		s.value(n.Examples[0])
		return
	case len(n.Default) > 0 && !bytes.Equal(n.Default, []byte("null")):
		s.b.Write(n.Default)
		return
	case n.Const != nil:
		s.value(n.Const)
		return
	case len(n.Enum) > 0:
		s.value(n.Enum[0])
		return
	}
	for _, alternative := range append(n.AnyOf, n.OneOf...) {
		if alternative.kind() != "null" {
			s.write(alternative, name, depth+1)
			return
		}
	}
	s.plain(n, name, depth)
}

func (s *sampler) plain(n *node, name string, depth int) {
	switch n.kind() {
	case "object":
		s.object(n, depth)
	case "array":
		s.b.WriteByte('[')
		for i := range max(1, min(n.MinItems, 3)) {
			if i > 0 {
				s.b.WriteByte(',')
			}
			s.write(n.Items, strings.TrimSuffix(name, "s"), depth+1)
		}
		s.b.WriteByte(']')
	case "string":
		s.value(word(n.Format, name))
	case "integer", "number":
		if n.Minimum != nil {
			s.value(*n.Minimum)
			return
		}
		s.b.WriteString("10")
	case "boolean":
		s.b.WriteString("true")
	case "null":
		s.b.WriteString("null")
	default:
		s.b.WriteString("{}")
	}
}

// object writes the required properties.
func (s *sampler) object(n *node, depth int) {
	names := n.Required
	s.b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			s.b.WriteByte(',')
		}
		s.value(name)
		s.b.WriteByte(':')
		s.write(n.Properties[name], name, depth+1)
	}
	s.b.WriteByte('}')
}

func (s *sampler) value(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte("null")
	}
	s.b.Write(b)
}

// kind returns the first type that n admits and that is not null.
func (n *node) kind() string {
	switch t := n.Type.(type) {
	case string:
		return t
	case []any:
		for _, v := range t {
			if s, ok := v.(string); ok && s != "null" {
				return s
			}
		}
	}
	if len(n.Properties) > 0 {
		return "object"
	}
	return ""
}

// word is an example of a text of that format and name.
func word(format, name string) string {
	switch format {
	case "date-time":
		return "2026-01-02T15:04:05Z"
	case "date":
		return "2026-01-02"
	case "uri":
		return "https://example.com"
	case "email":
		return "ann@example.com"
	}
	if name == "" {
		return "text"
	}
	return name
}
