package wire

import (
	"reflect"
	"slices"
	"testing"
)

// A request with anything but a target, an input and where it comes from is not
// plain: who asks must not leave out what it asks for.
func TestPlain(t *testing.T) {
	plain := []string{"To", "Body", "Want", "Trace"}
	typ := reflect.TypeFor[Request]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		var r Request
		v := reflect.ValueOf(&r).Elem().Field(i)
		switch v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int64, reflect.Int32, reflect.Int:
			v.SetInt(1)
		case reflect.Uint8, reflect.Uint32, reflect.Uint64:
			v.SetUint(1)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		case reflect.Struct:
		default:
			t.Fatalf("%s is a %s: say what makes it more than nothing", f.Name, v.Kind())
		}
		if r.Plain() != slices.Contains(plain, f.Name) {
			t.Errorf("with %s, Plain is %v", f.Name, r.Plain())
		}
	}
}
