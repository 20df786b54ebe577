package view

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/frugal"
	"github.com/situ-dev/situ/internal/turn"
)

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	m, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano, TimeTag: cbor.EncTagRequired}.EncMode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{struct {
			Z int    `json:"z"`
			A string `json:"a"`
		}{1, "x"}, `{"z":1,"a":"x"}`},
		{uint64(math.MaxUint64), "18446744073709551615"},
		{int64(math.MinInt64), "-9223372036854775808"},
		{-1, "-1"},
		{1 << 53, "9007199254740992"},
		{[]byte("hello"), `"aGVsbG8="`},
		{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), `"2026-01-02T03:04:05.000000006Z"`},
		{map[int]string{-7: "x"}, `{"-7":"x"}`},
		{map[bool]int{true: 1}, `{"true":1}`},
		{map[float64]int{math.Inf(1): 1}, `{"Infinity":1}`},
		{[]any{nil, true, false, 1.5, math.NaN(), math.Inf(-1), float32(0.25)}, `[null,true,false,1.5,"NaN","-Infinity",0.25]`},
		{"a\"b\\c\n\x00\u2028é", "\"a\\\"b\\\\c\\n\\u0000\u2028é\""},
		{[]int{}, "[]"},
		{cbor.Tag{Number: 99, Content: "t"}, `"t"`},
		{cbor.Tag{Number: 1, Content: 1}, `"1970-01-01T00:00:01Z"`},
		{cbor.Tag{Number: 1, Content: "no time"}, `"no time"`},
		{cbor.Tag{Number: tagContainer, Content: 1}, "1"}, // not in a state
		{map[[2]int]int{{1, 2}: 3}, `{"ggEC":3}`},
	} {
		got, err := Value(marshal(t, c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%#v: got %s, %v; want %s", c.in, got, err, c.want)
		}
	}
}

func TestValueRaw(t *testing.T) {
	for in, want := range map[string]string{
		"c249010000000000000000": "18446744073709551616",
		"c349010000000000000000": "-18446744073709551617",
		"3bffffffffffffffff":     "-18446744073709551616",
		"f93c00":                 "1",
		"f90001":                 "5.960464477539063e-8",
		"f97c00":                 `"Infinity"`,
		"f97e00":                 `"NaN"`,
		"9f0102ff":               "[1,2]",
		"bf61610161629f01ffff":   `{"a":1,"b":[1]}`,
		"7f61616162ff":           `"ab"`,
		"5f4101ff":               `"AQ=="`,
		"62c328":                 "\"\ufffd(\"",
		"f8ff":                   `"simple(255)"`,
		"f7":                     "null",
		"c1f95000":               `"1970-01-01T00:00:32Z"`,
	} {
		b, _ := hex.DecodeString(in)
		got, err := Value(b)
		// Exponents are written as Go's strconv does.
		if s := strings.Replace(string(got), "e-0", "e-", 1); err != nil || s != want {
			t.Errorf("%s: got %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestDamage(t *testing.T) {
	deep := bytes.Repeat([]byte{0x81}, 10000)
	tags := bytes.Repeat([]byte{0xc6}, 10000)
	for _, b := range [][]byte{{}, {0x18}, {0x61}, {0x81}, {0xa1, 0x01}, {0x01, 0x01}, {0x1c}, {0xff}, {0x9f},
		{0x5f, 0x61, 0x61, 0xff}, {0x9b, 255, 255, 255, 255, 255, 255, 255, 254}, {0x7b, 255, 255, 255, 255, 255, 255, 255, 254}, deep, tags} {
		if got, err := Value(b); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%.20x: got %.40s, %v", b, got, err)
		}
	}
}

func be(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func TestState(t *testing.T) {
	at := func(kind int) cbor.Tag { return cbor.Tag{Number: tagContainer, Content: kind} }
	type inner struct {
		Log cbor.Tag `json:"log"`
	}
	root := marshal(t, struct {
		Name  string   `json:"name"`
		Seats cbor.Tag `json:"seats"`
		Ages  cbor.Tag `json:"ages"`
		IDs   cbor.Tag `json:"ids"`
		In    inner    `json:"in"`
		Hits  cbor.Tag `json:"hits"`
		None  cbor.Tag `json:"none"`
	}{"x", at(1), at(2), at(3), inner{at(4)}, at(5), at(5)})
	one := marshal(t, 1)
	st := &turn.State{Root: root, Entries: []turn.Entry{
		{Field: "ages", Key: be(1 << 63), Value: one},
		{Field: "ages", Key: be(1<<63 - 5), Value: marshal(t, "minus five")},
		{Field: "hits", Value: marshal(t, 42)},
		{Field: "ids", Key: be(math.MaxUint64), Value: one},
		{Field: "in.log", Key: be(0), Value: marshal(t, map[string]int{"a": 1})},
		{Field: "in.log", Key: be(1), Value: one},
		{Field: "seats", Key: []byte("12A"), Value: marshal(t, "ann")},
		{Field: "seats", Key: []byte("12B"), Value: nil},
		{Field: "gone", Key: []byte("k"), Value: one},
	}}
	got, err := State(st)
	want := `{"name":"x","seats":{"12A":"ann"},"ages":{"-5":"minus five","0":1},"ids":{"18446744073709551615":1},` +
		`"in":{"log":[{"a":1},1]},"hits":42,"none":0,"gone":{"k":1}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	for _, c := range []struct {
		st   *turn.State
		want string
	}{
		{&turn.State{}, "null"},
		{nil, "null"},
		{&turn.State{Root: []byte{0xa0}}, "{}"},
		{&turn.State{Entries: st.Entries[2:3]}, `{"hits":{"":42}}`},
	} {
		if got, err := State(c.st); err != nil || string(got) != c.want {
			t.Errorf("got %s, %v; want %s", got, err, c.want)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add(marshal(f, map[string]any{"a": []any{1, "b", 2.5, nil}, "t": cbor.Tag{Number: tagContainer, Content: 1}}), "t", []byte("k"), []byte{1})
	f.Add([]byte{0xa1, 0x61, 0x61, 0xd9, 0x9e, 0x34, 0x05}, "a", []byte{}, []byte{0x18, 0x2a})
	f.Add([]byte{0xbf, 0xff}, "a", be(7), []byte{0xf9, 0x7e, 0})
	f.Fuzz(func(t *testing.T, root []byte, field string, key, value []byte) {
		st := &turn.State{Root: root, Entries: []turn.Entry{{Field: field, Key: key, Value: value}}}
		var got json.RawMessage
		var err error
		frugal.Check(t, len(root)+len(field)+len(key)+len(value), func() { got, err = State(st) })
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if !json.Valid(got) {
			t.Errorf("not JSON: %q", got)
		}
		if n := len(root) + len(field) + len(key) + len(value); len(got) > 64+16*n {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	})
}

// FuzzValue shows anything as JSON, or refuses it.
func FuzzValue(f *testing.F) {
	f.Add(marshal(f, map[string]any{"a": []any{1, "b", 2.5, nil}, "c": []byte{1}}))
	f.Add([]byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) // a list that says it is long
	f.Add([]byte{0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x61, 'a', 1})
	f.Add([]byte{0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add(bytes.Repeat([]byte{0x81}, 5000))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got json.RawMessage
		var err error
		frugal.Check(t, len(b), func() { got, err = Value(b) })
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if !json.Valid(got) || len(got) > 64+16*len(b) {
			t.Errorf("%x is shown as %q", b, got)
		}
	})
}
