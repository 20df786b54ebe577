// Package schema makes JSON Schemas of Go types, for programs to announce, and
// checks JSON texts against what was announced. Doors call it before a call is accepted, so it is fast (one pass
// over the bytes that finds malformed JSON, repeated names and misfits alike)
// and says what is wrong in words for people, every misfit with its place.
//
// It compiles the keywords that the SDK generates. What it does not know
// (anyOf, patternProperties and the like) is left to a general validator,
// which runs after the pass and tells less. It never changes a value.
package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sort"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/situ-dev/situ/internal/fault"
)

// Schema is a compiled JSON Schema. The nil Schema admits everything.
type Schema struct {
	root  *node
	whole *jsonschema.Resolved // set if there is more to check than root knows
}

// Misfit is one thing in a text that its schema does not admit.
type Misfit struct {
	Pointer string `json:"pointer"` // RFC 6901, as a URI fragment: "#/seats/0"
	Detail  string `json:"detail"`
}

// Compile compiles a JSON Schema. Empty means nil, which admits everything.
// The error is of kind fault.Invalid.
func Compile(raw json.RawMessage) (*Schema, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	js := new(jsonschema.Schema)
	if err := json.Unmarshal(raw, js); err != nil {
		return nil, fault.Wrap(fault.Invalid, "schema.compile", "", err)
	}
	resolved, err := js.Resolve(&jsonschema.ResolveOptions{})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "schema.compile", "", err)
	}
	if anyEndless(js) {
		return nil, fault.New(fault.Invalid, "schema.compile", "", "a reference leads back to itself without an end")
	}
	c := compiler{root: js, known: map[*jsonschema.Schema]*node{}, done: map[*jsonschema.Schema]bool{}}
	s := &Schema{root: c.compile(js)}
	if c.partial {
		s.whole = resolved
	}
	return s, nil
}

// kinds is a set of JSON types.
type kinds uint8

const (
	isNull kinds = 1 << iota
	isBool
	isInt // a whole number
	isNumber
	isString
	isArray
	isObject
)

// node is a compiled schema. The nil node admits everything.
type node struct {
	kinds    kinds // 0 is all
	never    bool
	props    map[string]*property
	required []string
	closed   bool  // no other properties than props
	others   *node // of properties that are not in props
	items    *node
	enum     []any
	pattern  *regexp.Regexp
	bytes    bool // a list of bytes, which JSON writes as a base64 string

	min, max, above, below       *float64
	minLength, maxLength         *int
	minItems, maxItems           *int
	minProperties, maxProperties *int
}

type property struct {
	*node
	need int // index in required, or -1
}

type compiler struct {
	root    *jsonschema.Schema
	known   map[*jsonschema.Schema]*node
	done    map[*jsonschema.Schema]bool // nodes that are complete, to be copied
	partial bool
}

var kindNames = map[string]kinds{"null": isNull, "boolean": isBool, "integer": isInt,
	"number": isInt | isNumber, "string": isString, "array": isArray, "object": isObject}

func (c *compiler) compile(js *jsonschema.Schema) *node {
	if js == nil {
		return nil
	}
	if n := c.known[js]; n != nil {
		return n
	}
	n := new(node)
	c.known[js] = n
	defer func() { c.done[js] = true }()
	if js.Not != nil && reflect.DeepEqual(js.Not, &jsonschema.Schema{}) {
		n.never = true
		return n
	}
	if js.Ref != "" {
		if target := c.resolve(js.Ref); target != nil && bare(js) {
			*n = *c.compile(target)
			return n
		}
		c.partial = true
	}
	for _, name := range append(js.Types, js.Type) {
		n.kinds |= kindNames[name]
	}
	c.object(n, js)
	c.array(n, js)
	c.scalar(n, js)
	if beyond(js) {
		c.partial = true
	}
	return n
}

// resolve returns the schema that a reference within the document names, nil
// for any other.
func (c *compiler) resolve(ref string) *jsonschema.Schema {
	if ref == "#" {
		return nil // an endless copy of itself: the general validator's
	}
	for prefix, defs := range map[string]map[string]*jsonschema.Schema{"#/$defs/": c.root.Defs, "#/definitions/": c.root.Definitions} {
		if len(ref) > len(prefix) && ref[:len(prefix)] == prefix {
			if js := defs[ref[len(prefix):]]; js != nil && (c.known[js] == nil || c.done[js]) {
				return js
			}
		}
	}
	return nil
}

// bare reports whether js is only a reference.
func bare(js *jsonschema.Schema) bool {
	return reflect.DeepEqual(js, &jsonschema.Schema{Ref: js.Ref, Description: js.Description, Title: js.Title})
}

// beyond reports whether js has keywords that a node does not hold.
func beyond(js *jsonschema.Schema) bool {
	for _, list := range [][]*jsonschema.Schema{js.AllOf, js.AnyOf, js.OneOf, js.PrefixItems, js.ItemsArray} {
		if len(list) > 0 {
			return true
		}
	}
	for _, s := range []*jsonschema.Schema{js.Not, js.If, js.Contains, js.PropertyNames, js.UnevaluatedItems, js.UnevaluatedProperties, js.AdditionalItems} {
		if s != nil {
			return true
		}
	}
	return js.DynamicRef != "" || js.UniqueItems || js.MultipleOf != nil || len(js.PatternProperties) > 0 ||
		len(js.DependentRequired) > 0 || len(js.DependentSchemas) > 0 || len(js.DependencySchemas) > 0 || len(js.DependencyStrings) > 0
}

func (c *compiler) object(n *node, js *jsonschema.Schema) {
	n.required = js.Required
	n.minProperties, n.maxProperties = js.MinProperties, js.MaxProperties
	if len(js.Properties) > 0 {
		n.props = make(map[string]*property, len(js.Properties))
	}
	for name, s := range js.Properties {
		n.props[name] = &property{c.compile(s), slices.Index(js.Required, name)}
	}
	if n.others = c.compile(js.AdditionalProperties); n.others != nil && n.others.never && len(js.PatternProperties) == 0 {
		n.closed, n.others = true, nil
	}
	if len(js.PatternProperties) > 0 {
		n.others = nil
	}
	if n.kinds == isObject && n.props == nil && n.others != nil {
		n.kinds |= isNull // a Go map that is nil
	}
}

func (c *compiler) array(n *node, js *jsonschema.Schema) {
	n.minItems, n.maxItems = js.MinItems, js.MaxItems
	if len(js.PrefixItems) > 0 {
		return
	}
	n.items = c.compile(js.Items)
	if i := n.items; i != nil && n.kinds&isArray != 0 && i.kinds == isInt && i.min != nil && *i.min == 0 && i.max != nil && *i.max == 255 {
		n.bytes = true
		n.kinds |= isString
	}
}

func (c *compiler) scalar(n *node, js *jsonschema.Schema) {
	n.min, n.max, n.above, n.below = js.Minimum, js.Maximum, js.ExclusiveMinimum, js.ExclusiveMaximum
	n.minLength, n.maxLength = js.MinLength, js.MaxLength
	n.enum = js.Enum
	if js.Const != nil {
		n.enum = []any{*js.Const}
	}
	if js.Pattern != "" {
		if re, err := regexp.Compile(js.Pattern); err == nil {
			n.pattern = re
		} else {
			c.partial = true
		}
	}
}

// names returns the names of the properties that n knows.
func (n *node) names() []string {
	names := make([]string, 0, len(n.props))
	for name := range n.props {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// want says what n admits.
func (n *node) want() string {
	if n == nil || n.kinds == 0 {
		return "something else"
	}
	var list []string
	add := func(k kinds, s string) {
		if n.kinds&k != 0 {
			list = append(list, s)
		}
	}
	add(isObject, "an object")
	if n.bytes {
		list = append(list, "a base64 string or a list of bytes")
	} else {
		add(isArray, "a list")
		add(isString, "a string")
	}
	if n.kinds&isNumber != 0 {
		list = append(list, "a number")
	} else {
		add(isInt, "a whole number")
	}
	add(isBool, "true or false")
	add(isNull, "null")
	out := list[0]
	for i, s := range list[1:] {
		if i == len(list)-2 {
			out += " or " + s
		} else {
			out += ", " + s
		}
	}
	return out
}

// general runs the general validator over doc.
func (s *Schema) general(doc []byte) []Misfit {
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return []Misfit{{"#", fmt.Sprintf("cannot be read: %v", err)}}
	}
	if err := s.whole.Validate(v); err != nil {
		return []Misfit{{"#", err.Error()}}
	}
	return nil
}
