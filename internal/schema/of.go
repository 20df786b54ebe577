package schema

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

// Special returns the schema of a type that has one of its own, nil for any
// other type.
type Special func(reflect.Type) *jsonschema.Schema

// Of returns the JSON Schema of the values of t as encoding/json writes them,
// or nil where there is none to be had.
func Of(t reflect.Type, special Special) json.RawMessage {
	s, err := schemaOf(t, special)
	if err != nil || s == nil {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return b
}

// Part returns the schema of a part of a bigger schema: one that allows
// everything where there is none to be had.
func Part(t reflect.Type, special Special) *jsonschema.Schema {
	s, err := schemaOf(t, special)
	if err != nil || s == nil {
		return &jsonschema.Schema{}
	}
	return s
}

func schemaOf(t reflect.Type, special Special) (*jsonschema.Schema, error) {
	return within(t, special, nil)
}

// within returns the schema of a part of those types. There is none of one that is
// part of itself.
func within(t reflect.Type, special Special, outer []reflect.Type) (*jsonschema.Schema, error) {
	if slices.Contains(outer, t) {
		return nil, nil
	}
	w := walk{special: special, found: map[reflect.Type]*jsonschema.Schema{}, seen: map[reflect.Type]bool{}, outer: append(slices.Clone(outer), t)}
	w.look(t)
	return jsonschema.ForType(t, &jsonschema.ForOptions{IgnoreInvalidTypes: true, TypeSchemas: w.found})
}

// walk finds the types below one that jsonschema does not know how to
// describe.
type walk struct {
	special Special
	found   map[reflect.Type]*jsonschema.Schema
	seen    map[reflect.Type]bool
	outer   []reflect.Type // of which this is a part, itself last
}

func (w *walk) look(t reflect.Type) {
	if w.seen[t] {
		return
	}
	w.seen[t] = true
	if s := w.special(t); s != nil {
		w.found[t] = s
		return
	}
	if t != reflect.TypeFor[time.Time]() && marshals(t) {
		// It says itself how it looks. No types at all would become "only
		// null" behind a pointer.
		w.found[t] = &jsonschema.Schema{Types: []string{"null", "boolean", "number", "string", "array", "object"}}
		return
	}
	switch t.Kind() {
	case reflect.Map:
		w.look(t.Elem())
		if t.Key().Kind() != reflect.String {
			w.found[t] = &jsonschema.Schema{Types: []string{"null", "object"}, AdditionalProperties: w.part(t.Elem())}
		}
	case reflect.Pointer, reflect.Slice, reflect.Array:
		w.look(t.Elem())
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !marshals(t.Elem()) {
			w.found[t] = &jsonschema.Schema{Types: []string{"null", "string"}, ContentEncoding: "base64"}
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() || f.Anonymous {
				w.look(f.Type)
			}
		}
	}
}

// part is Part of a type below one that is looked at.
func (w *walk) part(t reflect.Type) *jsonschema.Schema {
	s, err := within(t, w.special, w.outer)
	if err != nil || s == nil {
		return &jsonschema.Schema{}
	}
	return s
}

// marshals reports whether values of t encode themselves as JSON.
func marshals(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() != reflect.Interface && (p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]()))
}

// WithExample returns a JSON Schema with a value that it admits as its
// example; the schema alone if that cannot be done.
func WithExample(raw json.RawMessage, example any) json.RawMessage {
	s := new(jsonschema.Schema)
	if json.Unmarshal(raw, s) != nil {
		return raw
	}
	s.Examples = []any{example}
	b, err := json.Marshal(s)
	if err != nil {
		return raw
	}
	return b
}
