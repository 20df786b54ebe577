package codec

import (
	"encoding/binary"
	"reflect"
)

// The library finds out by reflection what a value is. For the commonest
// values, which are most elements of containers and many inputs, that costs
// many times their encoding. These are the same bytes, made directly.

// Parts of CBOR (RFC 8949, 3): major types in the upper three bits of a head,
// and whole heads.
const (
	majorMask  = 7 << 5
	majorUint  = 0 << 5
	majorNeg   = 1 << 5
	majorBytes = 2 << 5
	majorText  = 3 << 5
	majorMap   = 5 << 5

	simpleFalse = 0xf4
	simpleTrue  = 0xf5
	simpleNull  = 0xf6
	float64Head = 0xfb
)

// encodePlain returns the encoding of v, a pointer to a text, a number or a
// struct with a plan, and false for all others.
func encodePlain(v any, sorted bool) ([]byte, bool) {
	switch v := v.(type) {
	case *string:
		return appendText(make([]byte, 0, 9+len(*v)), *v), true
	case *int:
		return appendInt(make([]byte, 0, 9), int64(*v)), true
	case *int64:
		return appendInt(make([]byte, 0, 9), *v), true
	case *uint64:
		return appendHead(make([]byte, 0, 9), majorUint, *v), true
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return nil, false
	}
	p := planOf(rv.Type().Elem())
	if p == nil {
		return nil, false
	}
	var few [256]byte
	if p.bytes > 0 {
		if n := p.atMost(rv.Elem()); n > len(few) { // not copied again
			return p.append(make([]byte, 0, n), rv.Elem(), sorted)
		}
	}
	b, ok := p.append(few[:0], rv.Elem(), sorted)
	if !ok {
		return nil, false
	}
	return append(make([]byte, 0, len(b)), b...), true
}

// decodePlain decodes b into v, a pointer, and reports false if the library
// has to do it.
func decodePlain(b []byte, v any) bool {
	switch v := v.(type) {
	case *string:
		major, n, rest, ok := head(b)
		if !ok || major != majorText || n != uint64(len(rest)) {
			return false
		}
		*v = string(rest)
		return true
	case *int64:
		major, n, rest, ok := head(b)
		if !ok || major != majorUint || len(rest) != 0 || int64(n) < 0 {
			return false
		}
		*v = int64(n)
		return true
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return false
	}
	p := planOf(rv.Type().Elem())
	if p == nil {
		return false
	}
	var text string
	if p.texts > 1 && len(b) <= maxShared {
		text = string(b)
	}
	rest, ok := p.decode(b, text, rv.Elem())
	return ok && len(rest) == 0
}

// maxShared bounds what is decoded into texts that share their memory: one
// that is kept keeps all.
const maxShared = 256

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

func appendBytes(b, v []byte) []byte {
	if v == nil {
		return append(b, simpleNull)
	}
	return append(appendHead(b, majorBytes, uint64(len(v))), v...)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorNeg, uint64(-1-n))
	}
	return appendHead(b, majorUint, uint64(n))
}

// appendHead appends a head in its shortest form.
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= 0xff:
		return append(b, major|24, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= 0xffff_ffff:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}
