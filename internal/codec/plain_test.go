package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/wire"
)

// Structs with and without a plan.
type (
	small struct {
		B string `json:"b"`
		A uint32 `json:"a,omitempty"`
	}
	named      string
	namedBytes []byte
	Inner      struct {
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
	blob struct {
		Bytes []byte
		Few   []byte `json:"few,omitempty"`
		Sub   struct{ B []byte }
		After string
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
	if planOf(reflect.TypeFor[withSlice]()) != nil || planOf(reflect.TypeFor[struct{ B namedBytes }]()) != nil {
		t.Error("a struct with a slice has a plan")
	}
	if planOf(reflect.TypeFor[blob]()) == nil {
		t.Error("a struct with bytes has no plan")
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
	bytesOf := func() []byte {
		return [][]byte{nil, {}, {1}, []byte(strings.Repeat("b", 255)), []byte(strings.Repeat("c", 70_000))}[r.IntN(5)]
	}
	for range 300 {
		b := &blob{Bytes: bytesOf(), Few: bytesOf(), After: text()}
		b.Sub.B = bytesOf()
		values = append(values, b)
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
	for _, v := range []any{&small{"b", 1}, &large{Name: "n", F: 1, Sub: small{"x", 70_000}}, &blob{Bytes: []byte("b"), After: "x"}, new(string), new(int64)} {
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
		for _, like := range []any{&small{}, &large{}, &blob{}, new(string), new(int64), &empty{}} {
			same(t, b, like)
		}
	})
}

// Structs whose JSON is not for a plan, or not only.
type (
	written  string
	withOwn  struct{ W written }
	inOwn    struct{ withOwner }
	withNum  struct{ N json.Number }
	withName struct {
		A int `json:"a<b"`
	}
	withOwner struct{ N int }
	plainJSON struct {
		Inner
		Name string `json:"name"`
		N    int8   `json:"n,omitempty"`
		U    uint64 `json:"U"`
		Yes  bool
		Sub  small `json:"sub"`
	}
)

func (w written) MarshalJSON() ([]byte, error)  { return []byte(`"own"`), nil }
func (w *withOwner) UnmarshalJSON([]byte) error { w.N = 7; return nil }

func TestWhoHasAPlanForJSON(t *testing.T) {
	for v, want := range map[any]bool{small{}: true, plainJSON{}: true, large{}: false, withOwn{}: false, inOwn{}: false, withNum{}: false,
		withName{}: false, withOwner{}: false, withTag{}: false} {
		p := planOf(reflect.TypeOf(v))
		if got := p != nil && p.json; got != want {
			t.Errorf("%T: %v, want %v", v, got, want)
		}
	}
}

// likeJSON compares what Unpack makes of text with what encoding/json does, and
// what Pack makes of that with what encoding/json does.
func likeJSON(t *testing.T, text []byte) (plain int) {
	t.Helper()
	for _, like := range []any{new(string), new(int), new(int64), new(bool), &small{}, &plainJSON{}, &large{}, &blob{}, &empty{}, &withOwn{}, &inOwn{}, &withNum{}, &withName{}} {
		got, want := reflect.New(reflect.TypeOf(like).Elem()), reflect.New(reflect.TypeOf(like).Elem())
		err, err2 := Unpack(wire.Payload{Format: wire.JSON, Data: text}, got.Interface()), json.Unmarshal(text, want.Interface())
		if len(text) == 0 {
			err2 = nil // Unpack leaves it alone
		}
		if fmt.Sprint(err) != fmt.Sprint(err2) || err == nil && !reflect.DeepEqual(got.Interface(), want.Interface()) {
			t.Errorf("%q is %#v, %v; encoding/json says %#v, %v", text, got.Elem(), err, want.Elem(), err2)
		}
		if err2 != nil {
			continue
		}
		p, err := Pack(wire.JSON, want.Interface())
		b, err2 := json.Marshal(want.Interface())
		if (err == nil) != (err2 == nil) || !bytes.Equal(p.Data, b) {
			t.Errorf("%#v is %q, %v; encoding/json says %q, %v", want.Elem(), p.Data, err, b, err2)
		}
		if decodeJSON(text, reflect.New(reflect.TypeOf(like).Elem()).Interface()) {
			plain++
		}
	}
	return plain
}

// jsonTexts are plain (how many of the types take them so) and not.
var jsonTexts = map[string]int{
	`"x"`: 1, " \"hällo \x7f\" ": 1, `"` + strings.Repeat("é", 300) + `"`: 1, `"<&>"`: 1, "\"\u2028\"": 1, `"\u0041"`: 0, "\"\xff\"": 0, "\"a\nb\"": 0, `"`: 0, `"x" "y"`: 0, ``: 0,
	`0`: 2, `-0`: 2, `17`: 2, ` -9 `: 2, `9223372036854775807`: 2, `-9223372036854775808`: 0, `9223372036854775808`: 0, `1e2`: 0, `1.0`: 0, `01`: 0, `- 1`: 0, `--1`: 0, `-`: 0, `true`: 0, `null`: 0, `1x`: 0,
	`{}`: 3, ` { "b" : "x" , "a" : 7 } `: 1, `{"a":7,"b":"x"}`: 1, `{"A":7}`: 0, `{"b":"x","b":"y"}`: 0, `{"b":null}`: 0, `{"a":-1}`: 0, `{"a":4294967296}`: 0, `{"b":"x",}`: 0, `{"b"}`: 0, `{"b":"x"} x`: 0, `{"c":1}`: 0,
	`{"z":"z","Y":-128,"name":"n","n":1,"U":18446744073709551615,"Yes":true,"sub":{"b":"","a":1}}`: 0,
	`{"z":"z","Y":-128,"name":"n","n":1,"U":9223372036854775807,"Yes":true,"sub":{"b":"","a":1}}`:  1,
	`{"Y":128}`: 0, `{"Yes":false,"n":0}`: 1, `{"Yes":tru}`: 0, `{"sub":{}}`: 1, `{"sub":[]}`: 0, `{"W":"x"}`: 0, `{"N":1}`: 0,
}

func TestPlainJSON(t *testing.T) {
	for text, want := range jsonTexts {
		if got := likeJSON(t, []byte(text)); got != want {
			t.Errorf("%q is plain for %d types, want %d", text, got, want)
		}
	}
}

// FuzzPlainJSON looks for texts that Unpack and encoding/json take differently,
// and values that Pack and encoding/json write differently.
func FuzzPlainJSON(f *testing.F) {
	for text := range jsonTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { likeJSON(t, text) })
}
