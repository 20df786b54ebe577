package codec

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Structs with and without a plan.
type (
	small struct {
		B string `json:"b"`
		A uint32 `json:"a,omitempty"`
	}
	named string
	Inner struct {
		Z named `json:"z,omitempty"`
		Y int8
	}
	large struct {
		Inner
		Name    string  `json:"name"`
		Longest string  `json:"a name that has more than twenty-three letters"`
		F       float64 `json:"f,omitempty"`
		I       int64   `json:",omitempty"`
		U       uint16
		Yes     bool `json:"yes"`
		No      bool `json:"no,omitempty"`
		Sub     small
		hidden  int
		Skipped string `json:"-"`
	}
	empty     struct{}
	withSlice struct{ L []int }
	withTime  struct{ T time.Time }
	withTag   struct {
		N int `json:"n,string"`
	}
	withTwins struct {
		A int `json:"x"`
		B int `json:"X"`
	}
)

func TestWhoHasAPlan(t *testing.T) {
	for v, want := range map[any]bool{small{}: true, large{}: true, Inner{}: true, empty{}: true,
		withTime{}: false, withTag{}: false, withTwins{}: false, named(""): false} {
		if got := planOf(reflect.TypeOf(v)) != nil; got != want {
			t.Errorf("%T: %v, want %v", v, got, want)
		}
	}
	if planOf(reflect.TypeFor[withSlice]()) != nil {
		t.Error("a struct with a slice has a plan")
	}
}

// TestPlain compares what is made directly with what the library makes, both
// ways.
func TestPlain(t *testing.T) {
	numbers := []int64{0, 1, 23, 24, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, -1, -24, -25, -128, -256, -257, math.MinInt64}
	texts := []string{"", "x", strings.Repeat("é", 11), strings.Repeat("x", 24), strings.Repeat("y", 255), strings.Repeat("z", 256), "\xff\x00"}
	r := rand.New(rand.NewPCG(1, 2))
	number := func() int64 { return numbers[r.IntN(len(numbers))] }
	text := func() string { return texts[r.IntN(len(texts))] }
	var values []any
	for _, n := range numbers {
		i, u := int(n), uint64(n)
		values = append(values, &n, &i, &u)
	}
	for _, s := range texts {
		values = append(values, &s)
	}
	values = append(values, &empty{}, &struct{}{})
	for range 300 {
		values = append(values, &small{text(), uint32(number())}, &large{Inner: Inner{named(text()), int8(number())}, Name: text(), Longest: text(),
			F: []float64{0, math.Copysign(0, -1), 1.5, math.NaN(), math.Inf(1), 1e300}[r.IntN(6)], I: number(), U: uint16(number()), Yes: r.IntN(2) == 0,
			No: r.IntN(2) == 0, Sub: small{text(), uint32(number())}, hidden: 7, Skipped: "s"})
	}
	for _, v := range values {
		for sorted, mode := range map[bool]interface{ Marshal(any) ([]byte, error) }{false: encMode, true: sortedMode} {
			want, err := mode.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := encodePlain(v, sorted); ok && !bytes.Equal(got, want) {
				t.Errorf("%+v sorted %v:\n% x, the library has\n% x", v, sorted, got, want)
			}
			same(t, want, v)
		}
	}
}

// same compares what Decode makes of b with what the library makes.
func same(t *testing.T, b []byte, like any) {
	t.Helper()
	got, want := reflect.New(reflect.TypeOf(like).Elem()), reflect.New(reflect.TypeOf(like).Elem())
	err, err2 := Decode(b, got.Interface()), decMode.Unmarshal(b, want.Interface())
	if (err == nil) != (err2 == nil) || err == nil && fmt.Sprintf("%#v", got.Elem()) != fmt.Sprintf("%#v", want.Elem()) {
		t.Errorf("% x is\n%#v, %v; the library says\n%#v, %v", b, got.Elem(), err, want.Elem(), err2)
	}
}

// FuzzPlain looks for bytes that Decode and the library take differently.
func FuzzPlain(f *testing.F) {
	for _, v := range []any{&small{"b", 1}, &large{Name: "n", F: 1, Sub: small{"x", 70_000}}, new(string), new(int64)} {
		b, err := EncodeSorted(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x78"))
	f.Add([]byte("\xa2\x61b\x61x\x61b\x61y"))
	f.Add([]byte("\xa1\x61B\x61x"))
	f.Add([]byte("\xa1\x61a\xf6"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, like := range []any{&small{}, &large{}, new(string), new(int64), &empty{}} {
			same(t, b, like)
		}
	})
}
