package situ

import (
	"math/rand" // of testing/quick
	"reflect"
	"testing"
	"testing/quick"
	"time"
	"unsafe"

	"github.com/situ-dev/situ/internal/wire"
)

// TestKeptCall keeps a call of which every field is set, and finds each again, but
// for the key of calls from outside and the error of one that cannot be made. A new field
// of Call that is not kept fails here.
func TestKeptCall(t *testing.T) {
	var c Call[string]
	v := reflect.ValueOf(&c).Elem()
	rnd := rand.New(rand.NewSource(1))
	for i := range v.NumField() {
		f := v.Field(i)
		f = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem() // they are not exported
		switch f.Type() {
		case reflect.TypeFor[error]():
		case reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Unix(rnd.Int63n(1e9), 5).UTC()))
		case reflect.TypeFor[*wire.Policy]():
			f.Set(reflect.ValueOf(&wire.Policy{Attempts: 3, Priority: wire.High, OnFail: wire.Address{Type: "a", Key: "b", Method: "c"}}))
		case reflect.TypeFor[wire.Payload]():
			f.Set(reflect.ValueOf(wire.Payload{Format: wire.CBOR, Data: []byte{1}}))
		case reflect.TypeFor[wire.Format]():
			f.Set(reflect.ValueOf(wire.JSON))
		case reflect.TypeFor[bool]():
			f.SetBool(true)
		default:
			x, ok := quick.Value(f.Type(), rnd)
			for ok && x.IsZero() {
				x, ok = quick.Value(f.Type(), rnd)
			}
			if !ok {
				t.Fatalf("no value for %s", v.Type().Field(i).Name)
			}
			f.Set(x)
		}
	}
	b, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var got Call[string]
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	c.key = ""
	for i := range v.NumField() {
		a, b := v.Field(i), reflect.ValueOf(&got).Elem().Field(i)
		a, b = reflect.NewAt(a.Type(), unsafe.Pointer(a.UnsafeAddr())).Elem(), reflect.NewAt(b.Type(), unsafe.Pointer(b.UnsafeAddr())).Elem()
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			t.Errorf("%s: it was %v, and is %v", v.Type().Field(i).Name, a.Interface(), b.Interface())
		}
	}
}
