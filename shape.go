package situ

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/situ-dev/situ/internal/turn"
)

// tracked is a container whose elements are rows of their own.
type tracked interface {
	// load adds a stored element.
	load(key, value []byte) error
	// begin starts a turn: from here rollback takes changes back. Changing a
	// container in a read-only turn panics.
	begin(readOnly bool)
	rollback()
	// collect appends the elements changed since the last collect; all of
	// them if the object was deleted in between.
	collect(field string, all bool, c *turn.Change) error
	// bytes returns the size of all elements at the last collect.
	bytes() int
	// element returns the type of the elements, for the schema.
	element() (kind containerKind, typ reflect.Type)
}

// shape is what the code needs to know of a state struct.
type shape struct {
	flat    bool // copying the struct copies all of the state
	tracked []trackedField
}

type trackedField struct {
	name  string // durable: the json names on the way, joined by dots
	index []int
}

var (
	trackedType = reflect.TypeFor[tracked]()
	timeType    = reflect.TypeFor[time.Time]()
	promiseType = reflect.TypeFor[interface{ Waiting() bool }]()
)

// shapeOf inspects S. The error says what S cannot be.
func shapeOf[S any]() (*shape, error) {
	t := reflect.TypeFor[S]()
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the state %v is not a struct", t)
	}
	sh := &shape{flat: true}
	return sh, sh.walk(t, nil, "")
}

func (sh *shape) walk(t reflect.Type, index []int, path string) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		name := path + fieldName(f)
		switch {
		case reflect.PointerTo(f.Type).Implements(trackedType):
			if !f.IsExported() || strings.HasSuffix(name, "-") && f.Tag.Get("json") == "-" {
				return fmt.Errorf("the container %s.%s is not exported, so it would not be durable", t, f.Name)
			}
			sh.tracked = append(sh.tracked, trackedField{name, at})
		case f.Type.Implements(promiseType) || f.Type == timeType:
		case f.Type.Kind() == reflect.Struct:
			next := name + "."
			if f.Anonymous && f.Tag.Get("json") == "" {
				next = path
			}
			if err := sh.walk(f.Type, at, next); err != nil {
				return err
			}
		default:
			if hidden := f.Type; f.IsExported() && containsTracked(hidden) {
				return fmt.Errorf("%s.%s holds a container behind a pointer, slice or map: containers are fields of the state itself", t, f.Name)
			}
			sh.flat = sh.flat && isFlat(f.Type)
		}
	}
	return nil
}

// fieldName returns the durable name of a field: what its json tag says, or
// its Go name.
func fieldName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return f.Name
}

// isFlat reports whether a copy of a value of type t shares nothing that could
// be changed through it.
func isFlat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Array:
		return isFlat(t.Elem())
	case reflect.Struct:
		if t == timeType {
			return true
		}
		for i := range t.NumField() {
			if !isFlat(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

func containsTracked(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		e := t.Elem()
		return reflect.PointerTo(e).Implements(trackedType) || e.Kind() != reflect.Struct && containsTracked(e)
	}
	return false
}

// schemaOf returns the JSON Schema of T, or nil where T has none.
func schemaOf[T any]() json.RawMessage { return schemaFor(reflect.TypeFor[T]()) }

func schemaFor(t reflect.Type) json.RawMessage {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{IgnoreInvalidTypes: true, TypeSchemas: special(t)})
	if err != nil || s == nil {
		return nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	return b
}

func stateSchema[S any](*shape) json.RawMessage { return schemaOf[S]() }

// special finds the types below t that have a schema of their own: containers,
// which look like the value that they stand for, and promises.
func special(t reflect.Type) map[reflect.Type]*jsonschema.Schema {
	found := map[reflect.Type]*jsonschema.Schema{}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		if reflect.PointerTo(t).Implements(trackedType) {
			found[t] = containerSchema(t)
			return
		}
		if t.Implements(promiseType) {
			found[t] = &jsonschema.Schema{Types: []string{"null", "string"}, Description: "a waiting caller"}
			return
		}
		if t != timeType && marshals(t) {
			found[t] = &jsonschema.Schema{} // it says itself how it looks
			return
		}
		switch t.Kind() {
		case reflect.Map:
			walk(t.Elem())
			if t.Key().Kind() != reflect.String {
				found[t] = &jsonschema.Schema{Types: []string{"null", "object"}, AdditionalProperties: inner(t.Elem())}
			}
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(t.Elem())
		case reflect.Struct:
			for i := range t.NumField() {
				walk(t.Field(i).Type)
			}
		}
	}
	walk(t)
	return found
}

// marshals reports whether values of t encode themselves as JSON.
func marshals(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() != reflect.Interface && (p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]()))
}

// inner returns the schema of the elements of a container.
func inner(t reflect.Type) *jsonschema.Schema {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{IgnoreInvalidTypes: true, TypeSchemas: special(t)})
	if err != nil || s == nil {
		return &jsonschema.Schema{}
	}
	return s
}

func containerSchema(t reflect.Type) *jsonschema.Schema {
	kind, elem := reflect.New(t).Interface().(tracked).element()
	if kind == kindCounter {
		return &jsonschema.Schema{Type: "integer"}
	}
	if kind == kindList {
		return &jsonschema.Schema{Type: "array", Items: inner(elem)}
	}
	return &jsonschema.Schema{Type: "object", AdditionalProperties: inner(elem)}
}
