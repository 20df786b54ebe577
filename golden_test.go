package situ

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/frugal"
	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

// stateOfAll is a state with a field of every sort that has an encoding of its
// own.
type stateOfAll struct {
	Text   string                `json:"text"`
	Int    int64                 `json:"int"`
	Uint   uint64                `json:"uint"`
	Small  int8                  `json:"small"`
	Float  float64               `json:"float"`
	Yes    bool                  `json:"yes"`
	Bytes  []byte                `json:"bytes"`
	List   []string              `json:"list"`
	Dict   map[string]int        `json:"dict"`
	At     time.Time             `json:"at"`
	Took   time.Duration         `json:"took"`
	In     inner                 `json:"in"`
	Ptr    *inner                `json:"ptr,omitempty"`
	Any    any                   `json:"any"`
	Raw    json.RawMessage       `json:"raw"`
	Held   Promise[string]       `json:"held"`
	ByText Map[string, int]      `json:"byText"`
	ByInt  Map[int32, inner]     `json:"byInt"`
	ByUint Map[uint16, []string] `json:"byUint"`
	Queue  List[string]          `json:"queue"`
	Hits   Counter               `json:"hits"`
	Nested struct {
		Log List[int] `json:"log"`
	} `json:"nested"`
}

// full returns an stateOfAll with nothing left empty.
func full(in *instance[stateOfAll]) {
	s := &in.s
	s.Text, s.Int, s.Uint, s.Small, s.Float, s.Yes = "grüß\x00Gott", -1<<63, 1<<64-1, -5, 2.5, true
	s.Bytes, s.List, s.Dict = []byte{0, 255}, []string{"a", "b"}, map[string]int{"k": 1}
	s.At, s.Took = time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), time.Second
	s.In, s.Ptr, s.Any, s.Raw = inner{"a", 1}, &inner{"b", 2}, []any{"x", map[string]any{"y": true}}, json.RawMessage(`{"z":1}`)
	s.Held = Promise[string]{&wire.Callback{Kind: wire.ToMethod, To: wire.Address{Type: "t", Key: "k", Method: "m"}, Format: wire.CBOR,
		Carry: wire.Payload{Format: wire.CBOR, Data: []byte{1}}, Parent: &wire.Callback{Kind: wire.ToInvocation, ID: "0003-x", Shard: 3, Format: wire.JSON}}}
	s.ByText.Set("b", 2)
	s.ByText.Set("a", 1)
	s.ByInt.Set(-7, inner{"c", 3})
	s.ByInt.Set(7, inner{"d", 4})
	s.ByUint.Set(65535, []string{"e"})
	for _, v := range []string{"gone", "first", "last"} {
		s.Queue.Append(v)
	}
	s.Queue.Shift()
	s.Hits.Add(42)
	s.Nested.Log.Append(-1)
}

// blank returns an instance that is to be loaded.
func blank(t testing.TB) *instance[stateOfAll] {
	t.Helper()
	c := Object[stateOfAll](NewType("stateOfAll"))
	if c.err != nil {
		t.Fatal(c.err)
	}
	return c.typ.New().(*instance[stateOfAll])
}

// loaded returns an instance with the state st.
func loaded(t testing.TB, st *turn.State) *instance[stateOfAll] {
	t.Helper()
	in := blank(t)
	if err := in.Load(st); err != nil {
		t.Fatal(err)
	}
	return in
}

// stored returns the rows of an instance that a turn has changed.
func stored(t testing.TB, in *instance[stateOfAll]) *turn.State {
	t.Helper()
	in.wrote(false)
	var c turn.Change
	if err := in.Changes(&c); err != nil {
		t.Fatal(err)
	}
	st := &turn.State{Root: c.Root}
	for _, e := range c.Entries {
		if e.Value != nil {
			st.Entries = append(st.Entries, e)
		}
	}
	slices.SortFunc(st.Entries, func(a, b turn.Entry) int {
		return bytes.Compare(append([]byte(a.Field+"\x00"), a.Key...), append([]byte(b.Field+"\x00"), b.Key...))
	})
	return st
}

// TestGoldenState holds the encoding of state: the root, and the keys and
// values of the elements of every container. What it was written from is read
// out of it again, and what people are shown of it is beside it.
func TestGoldenState(t *testing.T) {
	in := loaded(t, &turn.State{})
	full(in)
	st := stored(t, in)
	shown, err := view.State(st)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "root %x\n", st.Root)
	for _, e := range st.Entries {
		fmt.Fprintf(&b, "%s %q %x\n", e.Field, hex.EncodeToString(e.Key), e.Value)
	}
	fmt.Fprintf(&b, "shown %s\n", shown)
	golden.File(t, "state.v1.golden", []byte(b.String()))
}

// TestGoldenStateDecodes reads every file of state that there has ever been.
func TestGoldenStateDecodes(t *testing.T) {
	paths, err := filepath.Glob("testdata/state.v*.golden")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	in := loaded(t, &turn.State{})
	full(in)
	want := describe(in)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		st := &turn.State{}
		for line := range strings.Lines(string(text)) {
			name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			var key string
			var value []byte
			switch name {
			case "shown":
				if shown, err := view.State(st); err != nil || string(shown) != rest {
					t.Errorf("%s is shown as %s, %v", path, shown, err)
				}
			case "root":
				st.Root = golden.Unhex(t, []byte(rest))
			default:
				if _, err := fmt.Sscanf(rest, "%q %x", &key, &value); err != nil {
					t.Fatal(line, err)
				}
				st.Entries = append(st.Entries, turn.Entry{Field: name, Key: golden.Unhex(t, []byte(key)), Value: value})
			}
		}
		if got := describe(loaded(t, st)); got != want {
			t.Errorf("%s reads as\n%s\nwant\n%s", path, got, want)
		}
	}
}

// describe tells all that is in a state, as Go code sees it.
func describe(in *instance[stateOfAll]) string {
	s := in.s
	var b strings.Builder
	fmt.Fprintf(&b, "%q %d %d %d %v %v %x %q %v %v %v %v %v %v %s %+v", s.Text, s.Int, s.Uint, s.Small, s.Float, s.Yes, s.Bytes, s.List, s.Dict,
		s.At.UTC(), s.Took, s.In, *s.Ptr, s.Any, s.Raw, s.Held.back.Parent)
	for k, v := range s.ByText.All() {
		fmt.Fprintf(&b, " %s=%d", k, v)
	}
	for k, v := range s.ByInt.All() {
		fmt.Fprintf(&b, " %d=%v", k, v)
	}
	for k, v := range s.ByUint.All() {
		fmt.Fprintf(&b, " %d=%v", k, v)
	}
	for i, v := range s.Queue.All() {
		fmt.Fprintf(&b, " %d:%s", i, v)
	}
	for i, v := range s.Nested.Log.All() {
		fmt.Fprintf(&b, " %d:%d", i, v)
	}
	fmt.Fprintf(&b, " %d", s.Hits.Value())
	return b.String()
}

// FuzzState loads anything as the state of an object: it is refused, or reads
// back the same after it was stored again. Nothing that it says makes it take
// long, or much memory.
func FuzzState(f *testing.F) {
	in := loaded(f, &turn.State{})
	full(in)
	st := stored(f, in)
	for _, e := range st.Entries {
		f.Add(st.Root, e.Field, e.Key, e.Value, []byte{})
	}
	f.Add([]byte{0xa0}, "queue", be(0), []byte{0x61, 'a'}, be(2))
	f.Add([]byte{0xa0}, "queue", be(0), []byte{0x61, 'a'}, be(1<<40))
	f.Add([]byte{0xa0}, "queue", be(1<<64-1), []byte{0x61, 'a'}, be(0))
	f.Fuzz(func(t *testing.T, root []byte, field string, key, value, other []byte) {
		st := &turn.State{Root: root, Entries: []turn.Entry{{Field: field, Key: key, Value: value}}}
		if len(other) > 0 && !bytes.Equal(key, other) {
			st.Entries = append(st.Entries, turn.Entry{Field: field, Key: other, Value: value})
		}
		in := blank(t)
		var err error
		frugal.Check(t, len(root)+len(field)+len(key)+len(value)*2+len(other), func() { in = blank(t); err = in.Load(st) })
		if err != nil {
			return
		}
		n := 0
		for range in.s.Queue.All() {
			if n++; n > len(st.Entries) {
				t.Fatalf("a list of %d from %d rows", in.s.Queue.Len(), len(st.Entries))
			}
		}
		var c turn.Change
		in.wrote(false)
		if err := in.Changes(&c); err != nil {
			return // an any can hold what has no encoding
		}
		again := blank(t)
		if err := again.Load(&turn.State{Root: c.Root, Entries: st.Entries}); err != nil {
			t.Fatalf("%x was stored as %x: %v", root, c.Root, err)
		}
		again.wrote(false)
		var c2 turn.Change
		if err := again.Changes(&c2); err != nil || len(c.Root) != len(c2.Root) {
			t.Fatalf("%x was stored as %x, and then as %x, %v", root, c.Root, c2.Root, err)
		}
	})
}

func be(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// FuzzInput decodes anything as the input of a method, in both formats: it
// never panics, and what was decoded can be encoded.
func FuzzInput(f *testing.F) {
	type input struct {
		Name string         `json:"name"`
		N    int            `json:"n"`
		At   time.Time      `json:"at"`
		In   []inner        `json:"in"`
		Map  map[string]any `json:"map"`
	}
	f.Add(true, []byte(`{"name":"x","n":1,"at":"2026-01-02T03:04:05Z","in":[{"street":"a"}],"map":{"a":[1,null]}}`))
	b, err := codec.Encode(&input{Name: "x", In: []inner{{"a", 1}}, Map: map[string]any{"a": 1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(false, b)
	f.Fuzz(func(t *testing.T, text bool, b []byte) {
		p := wire.Payload{Format: wire.CBOR, Data: b}
		if text {
			p.Format = wire.JSON
		}
		var in input
		var err error
		frugal.Check(t, 3*len(b), func() { in = input{}; err = codec.Unpack(p, &in) }) // an element of a slice is larger than its text
		if err != nil {
			return
		}
		if again, err := codec.Encode(&in); err != nil || codec.Decode(again, &in) != nil {
			t.Errorf("%+v cannot be encoded and decoded: %v", in, err)
		}
	})
}
