package situ

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/element"
	"github.com/situ-dev/situ/internal/schema"
)

// shape is what the code needs to know of a state struct.
type shape struct {
	codec.Traits // of the struct without what is in containers
	containers   []containerField
}

type containerField struct {
	name   string // durable: the json names on the way, joined by dots
	index  []int
	traits codec.Traits // of the elements
}

// container returns container i of a state, of which s is the address.
func (sh *shape) container(s any, i int) container {
	return reflect.ValueOf(s).Elem().FieldByIndex(sh.containers[i].index).Addr().Interface().(container)
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
	sh := &shape{Traits: codec.Traits{Flat: true}}
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
			if tr.Unfit != "" && !off {
				return fmt.Errorf("%s.%s has %s", t, f.Name, tr.Unfit)
			}
			sh.Flat, sh.Loose = sh.Flat && tr.Flat, sh.Loose || tr.Loose && !off
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
	traits := traitsOf(elem)
	if traits.Unfit != "" {
		return fmt.Errorf("an element of %s.%s has %s", t, f.Name, traits.Unfit)
	}
	sh.containers = append(sh.containers, containerField{name, at, traits})
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

// traitsOf tells of a type what codec knows, and of the types of this package
// what they are.
func traitsOf(t reflect.Type) codec.Traits {
	return codec.TraitsOf(t, func(t reflect.Type) codec.Own {
		switch {
		case isContainer(t):
			return codec.Apart
		case t.Implements(promiseType):
			return codec.Sound
		}
		return codec.Ordinary
	})
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
	case element.CounterKind:
		return &jsonschema.Schema{Type: "integer"}
	case element.ListKind:
		return &jsonschema.Schema{Type: "array", Items: schema.Part(elem, special)}
	default:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: schema.Part(elem, special)}
	}
}
