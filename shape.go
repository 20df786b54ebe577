package situ

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/schema"
)

// shape is what the code needs to know of a state struct.
type shape struct {
	traits     // of the struct without what is in containers
	containers []containerField
}

type containerField struct {
	name  string // durable: the json names on the way, joined by dots
	index []int
}

var (
	containerType = reflect.TypeFor[container]()
	timeType      = reflect.TypeFor[time.Time]()
	promiseType   = reflect.TypeFor[interface{ Waiting() bool }]()
)

// shapeOf inspects S. The error says what S cannot be.
func shapeOf[S any]() (*shape, error) {
	t := reflect.TypeFor[S]()
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the state %v is not a struct", t)
	}
	sh := &shape{traits: traits{flat: true}}
	return sh, sh.walk(t, nil, "", false)
}

// walk looks at the fields of t, which are at index in the state and have
// names that begin with path. What is hidden is not encoded.
func (sh *shape) walk(t reflect.Type, index []int, path string, hidden bool) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		off := hidden || f.Tag.Get("json") == "-" || !f.IsExported() && !f.Anonymous
		kept := isContainer(f.Type) || f.Type.Implements(promiseType)
		switch {
		case kept && f.Anonymous:
			return fmt.Errorf("%s embeds a %s, which would be all that is encoded of it: give it a name", t, f.Name)
		case kept && off:
			return fmt.Errorf("%s.%s is not exported, or below a field that is not, so it would not be durable", t, f.Name)
		case isContainer(f.Type):
			if err := sh.add(t, f, path+fieldName(f), at); err != nil {
				return err
			}
		case kept || f.Type == timeType:
		case f.Type.Kind() == reflect.Struct:
			next := path + fieldName(f) + "."
			if f.Anonymous && f.Tag.Get("json") == "" {
				next = path
			}
			if err := sh.walk(f.Type, at, next, off); err != nil {
				return err
			}
		default:
			tr := traitsOf(f.Type)
			if tr.unfit != "" && !off {
				return fmt.Errorf("%s.%s has %s", t, f.Name, tr.unfit)
			}
			sh.flat, sh.loose = sh.flat && tr.flat, sh.loose || tr.loose && !off
		}
	}
	return nil
}

func (sh *shape) add(t reflect.Type, f reflect.StructField, name string, at []int) error {
	for _, other := range sh.containers {
		if other.name == name {
			return fmt.Errorf("%s.%s has the durable name %q of another container", t, f.Name, name)
		}
	}
	_, elem := containerOf(f.Type).element()
	if why := traitsOf(elem).unfit; why != "" {
		return fmt.Errorf("an element of %s.%s has %s", t, f.Name, why)
	}
	sh.containers = append(sh.containers, containerField{name, at})
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

func isContainer(t reflect.Type) bool { return reflect.PointerTo(t).Implements(containerType) }

func containerOf(t reflect.Type) container { return reflect.New(t).Interface().(container) }

// isFlat reports whether a copy of a value of type t shares nothing that could
// be changed through it.
func isFlat(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Float64 || k == reflect.String:
		return true
	case k == reflect.Array:
		return isFlat(t.Elem())
	case k == reflect.Struct:
		if t == timeType || t.Implements(promiseType) {
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

// traits is what the code needs to know of a type whose values are stored.
type traits struct {
	flat  bool   // a copy shares nothing
	loose bool   // it depends on the value whether it can be decoded again
	unfit string // why no value can be stored, or not be decoded again
}

var known sync.Map // reflect.Type to traits

func traitsOf(t reflect.Type) traits {
	if tr, ok := known.Load(t); ok {
		return tr.(traits)
	}
	tr := traits{flat: isFlat(t)}
	tr.look(t, map[reflect.Type]bool{})
	known.Store(t, tr)
	return tr
}

// store returns *v as CBOR to be stored. What would not be decoded again,
// because it is nested too deep or holds what its type does not tell, is an
// error before it is on disk.
func store[T any](v *T, tr traits) ([]byte, error) {
	b, err := codec.Encode(v)
	switch {
	case err != nil || tr.flat:
	case tr.loose:
		err = codec.Decode(b, new(T))
	default:
		err = codec.Check(b)
	}
	return b, err
}

// look finds out whether values of t can be decoded again.
func (tr *traits) look(t reflect.Type, seen map[reflect.Type]bool) {
	p := reflect.PointerTo(t)
	switch {
	case seen[t] || tr.unfit != "" || t == timeType:
		return
	case isContainer(t):
		tr.unfit = fmt.Sprintf("a container (%v) that is not a field of the state itself", t)
		return
	case p.Implements(reflect.TypeFor[cbor.Unmarshaler]()), p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()),
		p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]()):
		tr.loose = tr.loose || !t.Implements(promiseType)
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		tr.unfit = fmt.Sprintf("a %v, which cannot be encoded", t)
	case reflect.Interface:
		tr.loose = true
		if t.NumMethod() > 0 {
			tr.unfit = fmt.Sprintf("the interface %v, and what it held could not be told when it is decoded", t)
		}
	case reflect.Map:
		tr.look(t.Key(), seen)
		tr.look(t.Elem(), seen)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		tr.look(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-" {
				tr.look(f.Type, seen)
			}
		}
	}
}

// schemaOf returns the JSON Schema of T, or nil where T has none.
func schemaOf[T any]() json.RawMessage { return schema.Of(reflect.TypeFor[T](), special) }

// special describes containers, which look like the value that they stand for,
// and promises.
func special(t reflect.Type) *jsonschema.Schema {
	if t.Implements(promiseType) {
		return &jsonschema.Schema{Types: []string{"null", "string"}, Description: "a waiting caller"}
	}
	if !isContainer(t) {
		return nil
	}
	switch kind, elem := containerOf(t).element(); kind {
	case kindCounter:
		return &jsonschema.Schema{Type: "integer"}
	case kindList:
		return &jsonschema.Schema{Type: "array", Items: schema.Part(elem, special)}
	default:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: schema.Part(elem, special)}
	}
}
