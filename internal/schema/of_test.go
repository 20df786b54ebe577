package schema

import (
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

type mark struct{}

// TestOf checks that what encoding/json writes of a value fits the schema of
// its type, and that something else does not.
func TestOf(t *testing.T) {
	special := func(t reflect.Type) *jsonschema.Schema {
		if t == reflect.TypeFor[mark]() {
			return &jsonschema.Schema{Type: "integer"}
		}
		return nil
	}
	for _, c := range []struct {
		v     any
		other string
	}{
		{struct{ B []byte }{[]byte{1, 2}}, `{"B":[1,2]}`},
		{struct{ B []byte }{}, `{"B":5}`},
		{map[int]string{1: "a"}, `{"1":1}`},
		{struct{ B map[string][][]byte }{map[string][][]byte{"a": {{1}}}}, `{"B":{"a":[5]}}`},
		{struct{ R json.RawMessage }{json.RawMessage(`{"x":1}`)}, `{}`},
		{struct{ N, M *big.Int }{big.NewInt(5), nil}, `{"N":5}`},
	} {
		doc, err := json.Marshal(c.v)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Compile(Of(reflect.TypeOf(c.v), special))
		if err != nil {
			t.Fatal(err)
		}
		if misfits, bad := s.Check(doc); len(misfits) > 0 || bad != nil {
			t.Errorf("%s does not fit %T: %v %v", doc, c.v, misfits, bad)
		}
		if misfits, bad := s.Check([]byte(c.other)); len(misfits) == 0 || bad != nil {
			t.Errorf("%s fits %T, %v", c.other, c.v, bad)
		}
	}
	if got := string(Of(reflect.TypeFor[struct{ M mark }](), special)); got != `{"type":"object","properties":{"M":{"type":"integer"}},"required":["M"],"additionalProperties":false}` {
		t.Errorf("special: %s", got)
	}
}

// inner is part of itself, in a map whose keys are no strings.
type inner struct {
	Name string
	Kids map[int]inner
	own  *inner
}

// A type that is part of itself has a schema, or none; it is not looked for for ever.
func TestOfItself(t *testing.T) {
	_ = inner{}.own
	got := string(Of(reflect.TypeFor[inner](), func(reflect.Type) *jsonschema.Schema { return nil }))
	if !strings.Contains(got, `"Name"`) || !strings.Contains(got, `"Kids"`) || strings.Contains(got, `"own"`) {
		t.Errorf("%s", got)
	}
}
