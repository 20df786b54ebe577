package situ

import (
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/element"
	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

type inner struct {
	Street string `json:"street"`
	Zip    int    `json:"zip,omitempty"`
}

type withText struct{ s string }

func (w withText) MarshalText() ([]byte, error)  { return []byte("<" + w.s + ">"), nil }
func (w *withText) UnmarshalText(b []byte) error { w.s = strings.Trim(string(b), "<>"); return nil }

// everything has a field of each kind that can be in a value.
type everything struct {
	inner
	*Pointed
	Named    inner `json:"named"`
	Plain    string
	Renamed  string        `json:"other"`
	Hidden   string        `json:"-"`
	Empty    string        `json:"empty,omitempty"`
	Zero     time.Time     `json:"zero,omitzero"`
	At       time.Time     `json:"at"`
	For      time.Duration `json:"for"`
	Bytes    []byte        `json:"bytes"`
	NilBytes []byte        `json:"nilBytes"`
	Array    [3]uint8      `json:"array"`
	Nil      []int         `json:"nil"`
	NilMap   map[string]int
	Ints     map[int]string `json:"ints"`
	Max      uint64         `json:"max"`
	Min      int64          `json:"min"`
	Float    float64        `json:"float"`
	Big      big.Int        `json:"big"`
	Ptr      *int           `json:"ptr"`
	Raw      json.RawMessage
	Any      any      `json:"any"`
	Text     withText `json:"text"`
}

type Pointed struct{ Deep bool }

func sample() everything {
	n := 5
	e := everything{inner: inner{"Main", 0}, Pointed: &Pointed{true}, Named: inner{"Side", 7}, Plain: "p", Renamed: "r",
		At: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), For: time.Second, Bytes: []byte{1, 2}, Array: [3]uint8{1, 2, 3},
		Ints: map[int]string{-1: "a", 2: "b"}, Max: math.MaxUint64, Min: math.MinInt64, Float: 0.1, Ptr: &n,
		Raw: json.RawMessage(`{"x":1}`), Any: map[string]any{"a": []any{"b", nil, true, 1.5}}, Text: withText{"t"}}
	e.Big.SetString("123456789012345678901234567890", 10)
	return e
}

// What is stored as CBOR and what callers see as JSON are the same fields with
// the same values, and both read back as what they were.
func TestValuesInBothFormats(t *testing.T) {
	want := sample()
	forms := map[wire.Format]everything{}
	for _, f := range []wire.Format{wire.CBOR, wire.JSON} {
		p, err := codec.Pack(f, &want)
		if err != nil {
			t.Fatal(err)
		}
		var got everything
		if err := codec.Unpack(p, &got); err != nil {
			t.Fatal(err)
		}
		forms[f] = got
	}
	if got := forms[wire.CBOR]; !reflect.DeepEqual(got, want) {
		t.Errorf("CBOR\n got %+v\nwant %+v", got, want)
	}
	if got := forms[wire.JSON]; !reflect.DeepEqual(got, want) {
		t.Errorf("JSON\n got %+v\nwant %+v", got, want)
	}
	b, err := codec.Encode(&want)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := view.Value(b)
	if err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(&want)
	if err != nil {
		t.Fatal(err)
	}
	if names(t, shown) != names(t, js) {
		t.Errorf("the names\n as CBOR %s\n as JSON %s", names(t, shown), names(t, js))
	}
}

// names returns the top names of a JSON object.
func names(t *testing.T, b []byte) string {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	var s []string
	for k := range m {
		s = append(s, k)
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

func TestValuesThatDoNotFit(t *testing.T) {
	for in, into := range map[string]any{
		`300`:                  new(int8),
		`1e400`:                new(float64),
		`-1`:                   new(uint),
		`18446744073709551616`: new(uint64),
		`1.5`:                  new(int),
		`"x"`:                  new(time.Time),
		`{"zip":"1"}`:          new(inner),
		`[1] 2`:                new([]int),
		``:                     nil,
	} {
		err := codec.Unpack(wire.Payload{Format: wire.JSON, Data: []byte(in)}, into)
		if (err == nil) != (in == "") {
			t.Errorf("%s into %T: %v", in, into, err)
		}
	}
	var exact int64
	if err := codec.Unpack(wire.Payload{Format: wire.JSON, Data: []byte(`9007199254740993`)}, &exact); err != nil || exact != 9007199254740993 {
		t.Errorf("2^53+1 through JSON is %d, %v", exact, err)
	}
	for _, f := range []wire.Format{wire.JSON, wire.CBOR} {
		if p, err := codec.Pack(f, any(func() {})); err == nil {
			t.Errorf("a function is encoded as %q", p.Data)
		}
	}
	if _, err := codec.Pack(wire.JSON, math.NaN()); err == nil {
		t.Error("JSON has a NaN")
	}
	if err := codec.Unpack(wire.Payload{Format: 9, Data: []byte{1}}, &exact); err == nil || err.Error() != "unknown format 9" {
		t.Errorf("format 9: %v", err)
	}
	if p, err := codec.Pack(wire.None, 5); err != nil || len(p.Data) > 0 || codec.Unpack(p, &exact) != nil {
		t.Errorf("no value is %q, %v", p.Data, err)
	}
}

// holder is a state with an any, for what can be encoded and not decoded.
type holder struct {
	Text string
	Any  any
	Next *link
	Elem Map[string, any]
}

type link struct{ Next *link }

func TestStoredIsLoadable(t *testing.T) {
	typ := NewType("holder")
	put := NewMethod[string, None](typ, "put")
	get := NewMethod[None, string](typ, "get", ReadOnly)
	l := newLab(t, Object(typ,
		On(put, func(h *holder, _ *Turn, what string) (None, error) {
			switch what {
			case "utf8":
				h.Text = "caf\xc3" // cut in the middle of a letter
			case "func":
				h.Any = func() {}
			case "ints":
				h.Any = map[int]int{1: 2}
			case "elem":
				h.Elem.Set("a", map[int]int{1: 2})
			case "deep":
				for range 300 {
					h.Next = &link{h.Next}
				}
			case "json":
				h.Any = map[string]any{"list": []any{map[string]any{"a": "b"}}}
			}
			return None{}, nil
		}),
		On(get, func(h *holder, _ *Turn, _ None) (string, error) {
			b, err := json.Marshal(h.Any)
			return h.Text + string(b), err
		})))
	for what, fail := range map[string]string{
		"func": "invalid: encode state of holder/k: encode situ.holder: cbor: unsupported type: func()",
		"ints": "invalid: encode state of holder/k: cbor: cannot unmarshal positive integer into Go struct field situ.holder.Any of type string",
		"elem": "invalid: encode state of holder/k: cbor: cannot unmarshal positive integer into Go value of type string",
		"deep": "invalid: encode state of holder/k: cbor: exceeded max nested level 256",
	} {
		wantFail(l, put.To("k", what), fail)
		if l.root != nil || len(l.rows) > 0 {
			t.Errorf("%s was stored", what)
		}
	}
	for _, what := range []string{"utf8", "json"} {
		wantFail(l, put.To("k", what), "")
		l.unload()
	}
	want(l, get.To("k", None{}), "caf\xc3"+`{"list":[{"a":"b"}]}`)
}

func TestUnencodable(t *testing.T) {
	l, call := oddLab(t, map[string]odd{"send": func(_ *oddity, t *Turn, _ int) (int, error) {
		Send(t, anything.With(func() {}))
		return 1, nil
	}})
	wantFail(l, call("send", 0), "invalid: encode interface {}: cbor: unsupported type: func()")
	typ := NewType("giver")
	give := NewMethod[None, any](typ, "give")
	l = newLab(t, Object(typ, On(give, func(s *struct{ N int }, _ *Turn, _ None) (any, error) { s.N++; return func() {}, nil })))
	wantFail(l, give.To("k", None{}), "crashed: answer giver/k.give: what it returned cannot be encoded: encode interface {}: cbor: unsupported type: func()")
	if l.root != nil {
		t.Error("a turn whose answer cannot be given was committed")
	}
}

var anything = NewFunc[any, None]("anything")

// What cannot be a state is refused when the program starts.
func TestStatesRefused(t *testing.T) {
	type deep struct{ M Map[string, int] }
	type hidden struct{ M Map[string, int] }
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"no struct", shapeError[int](), "the state int is not a struct"},
		{"unexported", shapeError[struct{ m Map[string, int] }](), "struct { m situ.Map[string,int] }.m is not exported, or below a field that is not, so it would not be durable"},
		{"unexported above", shapeError[struct{ a struct{ M List[int] } }](), "struct { M situ.List[int] }.M is not exported"},
		{"not encoded", shapeError[struct {
			M Counter `json:"-"`
		}](), "struct { M situ.Counter \"json:\\\"-\\\"\" }.M is not exported"},
		{"hidden promise", shapeError[struct{ p Promise[int] }](), "struct { p situ.Promise[int] }.p is not exported"},
		{"embedded", shapeError[struct{ Counter }](), "struct { situ.Counter } embeds a Counter, which would be all that is encoded of it: give it a name"},
		{"behind a pointer", shapeError[struct{ P *deep }](), "struct { P *situ.deep }.P has a container (situ.Map[string,int]) that is not a field of the state itself"},
		{"in a slice", shapeError[struct{ P []Counter }](), "struct { P []situ.Counter }.P has a container (situ.Counter)"},
		{"in a map", shapeError[struct{ P map[string][]deep }](), "struct { P map[string][]situ.deep }.P has a container"},
		{"in an element", shapeError[struct{ M Map[string, deep] }](), "an element of struct { M situ.Map[string,"},
		{"same name", shapeError[struct {
			A struct{ B Counter }
			C Counter `json:"A.B"`
		}](), "struct { A struct { B situ.Counter }; C situ.Counter \"json:\\\"A.B\\\"\" }.C has the durable name \"A.B\" of another container"},
		{"channel", shapeError[struct{ C chan int }](), "struct { C chan int }.C has a chan int, which cannot be encoded"},
		{"function below", shapeError[struct{ F []struct{ G func() } }](), "struct { F []struct { G func() } }.F has a func(), which cannot be encoded"},
		{"interface", shapeError[struct{ E error }](), "struct { E error }.E has the interface error, and what it held could not be told when it is decoded"},
		{"key", shapeError[struct{ K map[complex128]int }](), "struct { K map[complex128]int }.K has a complex128"},
	} {
		if c.err == nil || !strings.HasPrefix(c.err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.name, c.err, c.want)
		}
	}
	for _, err := range []error{
		shapeError[struct{}](), shapeError[flatBox](), shapeError[looseBox](), shapeError[everything](), shapeError[holder](),
		shapeError[struct {
			c chan int
			F func() `json:"-"`
			h *hidden
		}](),
	} {
		if err != nil {
			t.Errorf("a good state: %v", err)
		}
	}
}

func shapeError[S any]() error { _, err := shapeOf[S](); return err }

func TestFlat(t *testing.T) {
	for v, flat := range map[reflect.Type]bool{
		reflect.TypeFor[struct {
			A [2]struct{ B string }
			T time.Time
			P Promise[int]
			c float32
		}](): true,
		reflect.TypeFor[[]int](): false, reflect.TypeFor[struct{ a *int }](): false, reflect.TypeFor[any](): false,
		reflect.TypeFor[[2]map[int]int](): false, reflect.TypeFor[big.Int](): false, reflect.TypeFor[func()](): false,
	} {
		if got := traitsOf(v).Flat; got != flat {
			t.Errorf("%v is flat: %v", v, got)
		}
	}
	if sh, err := shapeOf[flatBox](); err != nil || !sh.Flat {
		t.Errorf("a flat box: %+v, %v", sh, err)
	}
	if sh, err := shapeOf[looseBox](); err != nil || sh.Flat || !sh.Loose {
		t.Errorf("a loose box: %+v, %v", sh, err)
	}
}

// A stored state that the program's type cannot take is an error with the
// reason, not a panic and not a guess.
func TestStatesThatDoNotLoad(t *testing.T) {
	root, err := codec.Encode(map[string]any{"codes": 5, "plain": 1})
	if err != nil {
		t.Fatal(err)
	}
	sh, err := shapeOf[flatBox]()
	if err != nil {
		t.Fatal(err)
	}
	one := []byte{1}
	for want, st := range map[string]*turn.State{
		"": {Root: root},
		"the stored state does not fit situ.flatBox: ":                                        {Root: []byte{0xff}},
		`the stored state has elements of a container "gone" that situ.flatBox does not have`: {Entries: []turn.Entry{{Field: "gone", Value: one}}},
		`element of "below.depths": a key of 1 bytes is not a number`:                         {Entries: []turn.Entry{{Field: "below.depths", Key: one, Value: one}}},
		`element of "below.depths": the key 8000000000001000 does not fit situ.level`:         {Entries: []turn.Entry{{Field: "below.depths", Key: element.EncodeKey(4096), Value: one}}},
		`element of "below.tags": the key 0000000000010000 does not fit uint16`:               {Entries: []turn.Entry{{Field: "below.tags", Key: element.EncodeKey(uint(65536)), Value: one}}},
		`element of "codes": at a: cbor: cannot unmarshal`:                                    {Entries: []turn.Entry{{Field: "codes", Key: []byte("a"), Value: []byte{0x61, 'x'}}}},
	} {
		in := &instance[flatBox]{code: &code[flatBox]{shape: sh}}
		err := in.Load(st)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestContainersAreSlicesAndMaps(t *testing.T) {
	var l List[int] // a container works without the platform, in a user's unit test
	if _, ok := l.Shift(); ok || l.Len() != 0 {
		t.Error("an empty list has an element")
	}
	l.Truncate(3)
	for _, f := range []func(){func() { l.At(0) }, func() { l.Set(0, 1) }, func() { l.At(-1) }} {
		if got := catch(f); !strings.HasPrefix(got, "situ: index ") {
			t.Errorf("an index out of range: %q", got)
		}
	}
	for i := range 5 {
		l.Append(i)
	}
	for i, v := range l.All() {
		if i == 2 {
			break
		}
		l.Set(i, v*10)
	}
	l.Truncate(-1)
	var m Map[string, int]
	if _, ok := m.Get("a"); ok || m.Len() != 0 || m.Has("a") {
		t.Error("an empty map has an element")
	}
	m.Delete("a")
	m.Clear()
	for range m.All() {
		t.Error("an empty map has an element")
	}
	for _, k := range []string{"c", "a", "b"} {
		m.Set(k, 1)
	}
	var got string
	for k := range m.All() { // what is deleted meanwhile is not seen, nor is what is new
		got += k
		m.Delete("b")
		m.Set("d", 1)
	}
	if got != "ac" || m.Len() != 3 {
		t.Errorf("saw %q of %d", got, m.Len())
	}
	var c Counter
	if c.Value() != 0 || c.Add(5) != 5 || c.Add(-7) != -2 || c.Value() != -2 {
		t.Errorf("a counter is %d", c.Value())
	}
}

func TestContractsRefused(t *testing.T) {
	typ := NewType("strict")
	a := NewMethod[int, int](typ, "a")
	_ = a
	for want, f := range map[string]func(){
		`situ: wire.name type: the name is empty`:                                   func() { NewType("") },
		`situ: wire.name type: the name "a/b" has "/" at position 1; names are`:     func() { NewType("a/b") },
		`situ: wire.name method: the name "-a" has "-" at position 0`:               func() { NewMethod[int, int](typ, "-a") },
		`situ: wire.name function: the name has 129 bytes; at most 128 are allowed`: func() { NewFunc[int, int](strings.Repeat("a", 129)) },
		`situ: type t: ReadOnly, Relaxed, Timeout and Example are for methods`:      func() { NewType("t", Doc("d"), Timeout(time.Second)) },
		`situ: type u: ReadOnly, Relaxed, Timeout and Example are for methods`:      func() { NewType("u", ReadOnly) },
		`situ: type v: ReadOnly, Relaxed, Timeout and Example are for methods`:      func() { NewType("v", Relaxed) },
		`situ: type w: ReadOnly, Relaxed, Timeout and Example are for methods`:      func() { NewType("w", Example(1)) },
		`situ: type strict declares method a twice`:                                 func() { NewMethod[int, int](typ, "a") },
		`situ: b: the type chan int has a chan int, which cannot be encoded`:        func() { NewMethod[chan int, int](typ, "b") },
		`situ: f: the type struct { M situ.Map[string,int] } has a container`:       func() { NewFunc[int, struct{ M Map[string, int] }]("f") },
	} {
		if got := catch(f); !strings.HasPrefix(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	}
	if got := there.To(strings.Repeat("k", 513), 1).err; got == nil || got.Error() != "wire.key: the key has 513 bytes; at most 512 are allowed" {
		t.Errorf("a long key: %v", got)
	}
}

func TestAssembleRefuses(t *testing.T) {
	typ, other := NewType("one"), NewType("other")
	a, b := NewMethod[int, int](typ, "a"), NewMethod[int, int](typ, "b")
	o := NewMethod[int, int](other, "o")
	h := func(*struct{}, *Turn, int) (int, error) { return 0, nil }
	f := NewFunc[int, int]("f")
	fn := Function(f, func(*Turn, int) (int, error) { return 0, nil })
	good := Object(typ, On(a, h), On(b, h))
	for want, cs := range map[string][]Component{
		"situ: one.b is declared but not bound: add situ.On(…) to situ.Object": {Object(typ, On(a, h))},
		"situ: one.a is bound twice":                                                   {Object(typ, On(a, h), On(a, h), On(b, h))},
		"situ: type one: method o belongs to type other":                               {Object(typ, On(o, h))},
		"situ: type one: the state int is not a struct":                                {Object[int](typ)},
		"situ: type one is hosted twice; function f is hosted twice":                   {good, fn, good, fn},
		"situ: one.a is declared but not bound: add situ.On(…) to situ.Object; type o": {Object[struct{}](typ), Object(other, On(o, h)), Object(other, On(o, h))},
	} {
		if _, err := Assemble(cs...); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if set, err := Assemble(); err != nil || len(set.Types)+len(set.Functions) > 0 {
		t.Errorf("nothing: %v, %v", set, err)
	}
}

// TestGoldenManifest holds what a program announces: the schemas are part of the
// HTTP API.
func TestGoldenManifest(t *testing.T) {
	typ := NewType("box", Doc("A box."), Retries(RetryPolicy(3, time.Second, time.Minute)))
	put := NewMethod[everything, None](typ, "put", Doc("Puts all in."), Timeout(time.Second), Relaxed)
	look := NewMethod[None, []inner](typ, "look", ReadOnly)
	back := NewMethod[Reply[int, string], *inner](typ, "back", Relaxed, Durable)
	fn := NewFunc[map[int]any, [2]bool]("fn", Retries(RetryPolicy(1, 0, 0)))
	type state struct {
		looseBox
		Wait Promise[int] `json:"wait"`
	}
	set, err := Assemble(
		Object(typ,
			On(put, func(*state, *Turn, everything) (None, error) { return None{}, nil }),
			On(look, func(*state, *Turn, None) ([]inner, error) { return nil, nil }),
			On(back, func(*state, *Turn, Reply[int, string]) (*inner, error) { return nil, nil })),
		Function(fn, func(*Turn, map[int]any) ([2]bool, error) { return [2]bool{}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(set.Manifest(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, "manifest.json", append(got, '\n'))
}
