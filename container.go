package situ

import (
	"reflect"

	"github.com/situ-dev/situ/internal/element"
)

// container is a Map, List or Counter: a field of a state struct that does
// nothing but point to what is kept apart from the struct.
type container interface {
	// kept returns what the container points to, and makes it if need be.
	kept() element.Tracked
	// point makes the container point to k.
	point(k element.Tracked)
	// adopt does so too, and makes the elements of k those that were there.
	adopt(k element.Tracked)
	// element returns the type of the elements, for the schema.
	element() (element.Kind, reflect.Type)
}

// Key is what the keys of a Map can be.
type Key interface {
	~string | ~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}
