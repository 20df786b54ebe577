package element

import (
	"encoding/binary"
	"fmt"
	"reflect"
)

// Key is what the keys of a Map can be.
type Key interface {
	~string | ~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// KindOf returns the kind of maps with keys K.
func KindOf[K Key]() Kind {
	switch k := reflect.TypeFor[K]().Kind(); {
	case k == reflect.String:
		return MapText
	case k >= reflect.Uint && k <= reflect.Uint64:
		return MapUint
	}
	return MapInt
}

// EncodeKey returns a key so that the order of bytes is the order of keys.
func EncodeKey[K Key](k K) []byte {
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

// DecodeKey returns the key that EncodeKey made b of. The error says why there
// is no such K.
func DecodeKey[K Key](b []byte) (k K, err error) {
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
