package situ

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"
)

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

func (k containerKind) marshal() ([]byte, error) {
	return encMode.Marshal(cbor.Tag{Number: containerTag, Content: uint64(k)})
}

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
	if v.CanInt() {
		v.SetInt(int64(n ^ 1<<63))
	} else {
		v.SetUint(n)
	}
	return k, nil
}

func noWrite(readOnly bool) {
	if readOnly {
		panic("situ: a read-only method changed a container")
	}
}
