package situ

import (
	"encoding/json"
	"reflect"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/element"
	"github.com/situ-dev/situ/internal/shape"
)

var (
	containerType = reflect.TypeFor[container]()
	promiseType   = reflect.TypeFor[interface{ Waiting() bool }]()
)

// kinds tells which types of a state are this package's own.
var kinds = shape.Kinds{
	Container: func(t reflect.Type) (element.Kind, reflect.Type, bool) {
		if !reflect.PointerTo(t).Implements(containerType) {
			return 0, nil, false
		}
		kind, elem := reflect.New(t).Interface().(container).element()
		return kind, elem, true
	},
	Promise: func(t reflect.Type) bool { return t.Implements(promiseType) },
}

// shapeOf inspects S. The error says what S cannot be.
func shapeOf[S any]() (*shape.Shape, error) { return kinds.Of(reflect.TypeFor[S]()) }

// containerOf returns a container of a state, of which s is the address.
func containerOf(s any, field *shape.Container) container {
	return reflect.ValueOf(s).Elem().FieldByIndex(field.Index).Addr().Interface().(container)
}

func traitsOf(t reflect.Type) codec.Traits { return kinds.TraitsOf(t) }

// schemaOf returns the JSON Schema of T, or nil where T has none.
func schemaOf[T any]() json.RawMessage { return kinds.Schema(reflect.TypeFor[T]()) }
