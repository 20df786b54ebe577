package codec

import (
	"encoding"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Traits is what there is to know of a type before its values are stored.
type Traits struct {
	Flat  bool   // a copy of a value shares nothing that could be changed through it
	Loose bool   // whether a value can be decoded again depends on the value
	Unfit string // why no value can be encoded, or none be decoded again; "" if they can
}

// Own says what a type is that its owner knows best.
type Own int

// What a type can be.
const (
	Ordinary Own = iota // nothing special
	Sound               // it encodes itself, and copies of it share nothing
	Apart               // it encodes as a mark, and is kept elsewhere: it cannot be a part
)

var known sync.Map // reflect.Type to Traits

// TraitsOf returns the traits of t. The function own is the same in every call.
func TraitsOf(t reflect.Type, own func(reflect.Type) Own) Traits {
	if tr, ok := known.Load(t); ok {
		return tr.(Traits)
	}
	w := walk{own: own, seen: map[reflect.Type]bool{}}
	w.look(t)
	w.Flat = w.flat(t)
	known.Store(t, w.Traits)
	return w.Traits
}

// Store returns *v as CBOR to be stored. What would not be decoded again,
// because it is nested too deep or holds what its type does not tell, is an
// error before it is on disk.
func Store[T any](v *T, tr Traits) ([]byte, error) {
	b, err := Encode(v)
	switch {
	case err != nil || tr.Flat:
	case tr.Loose:
		err = Decode(b, new(T))
	default:
		err = Check(b)
	}
	return b, err
}

type walk struct {
	Traits
	own  func(reflect.Type) Own
	seen map[reflect.Type]bool
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	decodeTypes = []reflect.Type{reflect.TypeFor[cbor.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler]()}
)

// look finds out whether values of t can be decoded again.
func (w *walk) look(t reflect.Type) {
	if w.seen[t] || w.Unfit != "" || t == timeType {
		return
	}
	w.seen[t] = true
	switch w.own(t) {
	case Sound:
		return
	case Apart:
		w.Unfit = fmt.Sprintf("a container (%v) that is not a field of the state itself", t)
		return
	}
	for _, d := range decodeTypes {
		if reflect.PointerTo(t).Implements(d) {
			w.Loose = true
			return
		}
	}
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		w.Unfit = fmt.Sprintf("a %v, which cannot be encoded", t)
	case reflect.Interface:
		w.Loose = true
		if t.NumMethod() > 0 {
			w.Unfit = fmt.Sprintf("the interface %v, and what it held could not be told when it is decoded", t)
		}
	case reflect.Map:
		w.look(t.Key())
		w.look(t.Elem())
	case reflect.Pointer, reflect.Slice, reflect.Array:
		w.look(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); (f.IsExported() || f.Anonymous) && f.Tag.Get("json") != "-" {
				w.look(f.Type)
			}
		}
	}
}

func (w *walk) flat(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Float64 && k != reflect.Uintptr || k == reflect.String:
		return true
	case k == reflect.Array:
		return w.flat(t.Elem())
	case k == reflect.Struct:
		if t == timeType || w.own(t) == Sound {
			return true
		}
		for i := range t.NumField() {
			if !w.flat(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}
