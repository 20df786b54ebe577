// Package shape is what the code needs to know of a state struct: its containers,
// and whether it can be copied, encoded and compared. Containers and promises are
// types of the SDK, which says what they are.
package shape

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

// Kinds tells of a type whether it is one of the SDK's own.
type Kinds struct {
	// Container returns the kind of a container and the type of its elements; false is none.
	Container func(reflect.Type) (element.Kind, reflect.Type, bool)
	// Promise reports whether it is a promise.
	Promise func(reflect.Type) bool
}

// Shape is what there is to know of a state struct.
type Shape struct {
	codec.Traits // of the struct without what is in containers
	Containers   []Container

	kinds Kinds
}

// Container is a field of a state struct that is a container.
type Container struct {
	Name   string // durable: the json names on the way, joined by dots
	Index  []int
	Traits codec.Traits // of the elements
}

var timeType = reflect.TypeFor[time.Time]()

// Of inspects t. The error says what a state cannot be.
func (k Kinds) Of(t reflect.Type) (*Shape, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the state %v is not a struct", t)
	}
	sh := &Shape{Traits: codec.Traits{Flat: true}, kinds: k}
	return sh, sh.walk(t, nil, "", false)
}

// walk looks at the fields of t, which are at index in the state and have
// names that begin with path. What is hidden is not encoded.
func (sh *Shape) walk(t reflect.Type, index []int, path string, hidden bool) error {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		off := hidden || f.Tag.Get("json") == "-" || !f.IsExported() && !f.Anonymous
		_, elem, container := sh.kinds.Container(f.Type)
		kept := container || sh.kinds.Promise(f.Type)
		switch {
		case kept && f.Anonymous:
			return fmt.Errorf("%s embeds a %s, which would be all that is encoded of it: give it a name", t, f.Name)
		case kept && off:
			return fmt.Errorf("%s.%s is not exported, or below a field that is not, so it would not be durable", t, f.Name)
		case container:
			if err := sh.add(t, f, elem, path+fieldName(f), at); err != nil {
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
			tr := sh.kinds.TraitsOf(f.Type)
			if tr.Unfit != "" && !off {
				return fmt.Errorf("%s.%s has %s", t, f.Name, tr.Unfit)
			}
			sh.Flat, sh.Loose = sh.Flat && tr.Flat, sh.Loose || tr.Loose && !off
		}
	}
	return nil
}

func (sh *Shape) add(t reflect.Type, f reflect.StructField, elem reflect.Type, name string, at []int) error {
	for _, other := range sh.Containers {
		if other.Name == name {
			return fmt.Errorf("%s.%s has the durable name %q of another container", t, f.Name, name)
		}
	}
	traits := sh.kinds.TraitsOf(elem)
	if traits.Unfit != "" {
		return fmt.Errorf("an element of %s.%s has %s", t, f.Name, traits.Unfit)
	}
	sh.Containers = append(sh.Containers, Container{name, at, traits})
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

// TraitsOf tells of a type what codec knows, and of the SDK's own types what they
// are.
func (k Kinds) TraitsOf(t reflect.Type) codec.Traits {
	return codec.TraitsOf(t, func(t reflect.Type) codec.Own {
		if _, _, container := k.Container(t); container {
			return codec.Apart
		}
		if k.Promise(t) {
			return codec.Sound
		}
		return codec.Ordinary
	})
}

// Schema returns the JSON Schema of t, or nil where it has none.
func (k Kinds) Schema(t reflect.Type) json.RawMessage { return schema.Of(t, k.special) }

// special describes containers, which look like the value that they stand for,
// and promises.
func (k Kinds) special(t reflect.Type) *jsonschema.Schema {
	if k.Promise(t) {
		return &jsonschema.Schema{Types: []string{"null", "string"}, Description: "a waiting caller"}
	}
	kind, elem, container := k.Container(t)
	switch {
	case !container:
		return nil
	case kind == element.CounterKind:
		return &jsonschema.Schema{Type: "integer"}
	case kind == element.ListKind:
		return &jsonschema.Schema{Type: "array", Items: schema.Part(elem, k.special)}
	default:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: schema.Part(elem, k.special)}
	}
}
