package situ

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
)

// container is a Map, List or Counter: a field of a state struct that does
// nothing but point to what is kept apart from the struct.
type container interface {
	// kept returns what the container points to, and makes it if need be.
	kept() tracked
	// point makes the container point to k.
	point(k tracked)
	// adopt does so too, and makes the elements of k those that were there.
	adopt(k tracked)
	// element returns the type of the elements, for the schema.
	element() (containerKind, reflect.Type)
}

// tracked is what is in a container. Its elements are rows of their own.
type tracked interface {
	// load adds a stored element.
	load(key, value []byte) error
	// begin starts a turn: from here rollback takes changes back. Changing a
	// container in a read-only turn panics.
	begin(readOnly bool)
	// rollback reports whether all is as it was: an element that is not flat
	// may have been changed in place.
	rollback() bool
	// collect appends the elements changed since the last collect.
	collect(field string, c *turn.Change) error
	// bytes returns the size of all elements at the last collect.
	bytes() int
	// reset forgets everything, as if it had never been used.
	reset()
}

// containerKind stands in the root's encoding where a container is, under tag
// containerTag, so that state can be shown without its program. Append only.
type containerKind uint64

const (
	kindMapText containerKind = 1 // keys are texts
	kindMapInt  containerKind = 2
	kindMapUint containerKind = 3
	kindList    containerKind = 4
	kindCounter containerKind = 5

	containerTag = 40500 // unassigned in the IANA registry of CBOR tags when chosen
)

// marks are what stands in a root, by kind.
var marks = func() (m [kindCounter + 1][]byte) {
	for k := range m {
		var err error
		m[k], err = codec.Encode(cbor.Tag{Number: containerTag, Content: uint64(k)})
		must(err)
	}
	return m
}()

func (k containerKind) marshal() ([]byte, error) { return marks[k], nil }

// Key is what the keys of a Map can be.
type Key interface {
	~string | ~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func keyKind[K Key]() containerKind {
	switch k := reflect.TypeFor[K]().Kind(); {
	case k == reflect.String:
		return kindMapText
	case k >= reflect.Uint && k <= reflect.Uint64:
		return kindMapUint
	}
	return kindMapInt
}

// encodeKey returns a key so that the order of bytes is the order of keys.
func encodeKey[K Key](k K) []byte {
	if s, ok := any(k).(string); ok {
		return []byte(s)
	}
	v := reflect.ValueOf(&k).Elem()
	switch {
	case v.Kind() == reflect.String:
		return []byte(v.String())
	case v.CanInt():
		return binary.BigEndian.AppendUint64(nil, uint64(v.Int())^1<<63)
	}
	return binary.BigEndian.AppendUint64(nil, v.Uint())
}

func decodeKey[K Key](b []byte) (k K, err error) {
	v := reflect.ValueOf(&k).Elem()
	if v.Kind() == reflect.String {
		v.SetString(string(b))
		return k, nil
	}
	if len(b) != 8 {
		return k, fmt.Errorf("a key of %d bytes is not a number", len(b))
	}
	n := binary.BigEndian.Uint64(b)
	if signed := int64(n ^ 1<<63); v.CanInt() && !v.OverflowInt(signed) {
		v.SetInt(signed)
	} else if v.CanUint() && !v.OverflowUint(n) {
		v.SetUint(n)
	} else {
		return k, fmt.Errorf("the key %x does not fit %T", b, k)
	}
	return k, nil
}

func noWrite(readOnly bool) {
	if readOnly {
		panic("situ: a read-only method changed a container")
	}
}
