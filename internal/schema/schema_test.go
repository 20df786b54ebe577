package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

type seat struct {
	Row    int    `json:"row"`
	Letter string `json:"letter,omitempty"`
}

type input struct {
	Name   string          `json:"name"`
	Age    uint8           `json:"age"`
	Big    int64           `json:"big,omitempty"`
	Seats  []seat          `json:"seats,omitempty"`
	By     map[string]*int `json:"by,omitempty"`
	Score  float64         `json:"score,omitempty"`
	Picked *bool           `json:"picked,omitempty"`
	Raw    []byte          `json:"raw,omitempty"`
	Any    any             `json:"any,omitempty"`
}

func compiled[T any](t testing.TB) *Schema {
	t.Helper()
	js, err := jsonschema.For[T](nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(js)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Compile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if s.whole != nil {
		t.Errorf("the schema of %T is not compiled in full: %s", *new(T), raw)
	}
	return s
}

func lines(found []Misfit, bad *Malformed) string {
	if bad != nil {
		return bad.Error()
	}
	var all []string
	for _, m := range found {
		all = append(all, m.Pointer+" "+m.Detail)
	}
	return strings.Join(all, "\n")
}

func TestCheck(t *testing.T) {
	s := compiled[input](t)
	for _, c := range []struct{ doc, want string }{
		{`{"name":"x","age":1}`, ""},
		{` { "name" : "x" , "age" : 255 , "seats":[{"row":1},{"row":2,"letter":"A"}], "by":{"a":null,"b":7}, "score":1, "picked":null, "raw":"aGk=" } `, ""},
		{`{"name":"x","age":1,"raw":[1,2],"by":null,"seats":null,"any":{"x":[1]}}`, ""},
		{`{}`, "#/name is missing; want a string\n#/age is missing; want a whole number"},
		{`{"name":"x"}`, "#/age is missing; want a whole number"},
		{`{"name":1,"age":"1"}`, "#/name is the number 1; want a string\n#/age is the string \"1\"; want a whole number"},
		{`{"name":"x","age":256}`, "#/age is 256; at most 255 is allowed"},
		{`{"name":"x","age":-1}`, "#/age is -1; at least 0 is allowed"},
		{`{"name":"x","age":1.0}`, "#/age is 1.0; want a whole number, written without a fraction or exponent"},
		{`{"name":"x","age":1,"big":9223372036854775807}`, ""},
		{`{"name":"x","age":1,"big":99223372036854775807}`, "#/big is 99223372036854775807, which does not fit into 64 bits"},
		{`{"name":"x","age":1,"nmae":2}`, `#/nmae is not known; did you mean "name"?`},
		{`{"name":"x","age":1,"zzzzzzzz":2}`, `#/zzzzzzzz is not known; known: age, any, big, by, name, picked, raw, score, seats`},
		{`{"name":"x","age":1,"seats":[{"row":1},{"row":true},7]}`, "#/seats/1/row is true; want a whole number\n#/seats/2 is the number 7; want an object"},
		{`{"name":"x","age":1,"by":{"a/b~c":"s"}}`, `#/by/a~1b~0c is the string "s"; want a whole number or null`},
		{`[]`, "#/ is a list; want an object"},
		{`null`, "# is null; want an object"},
		{`{"name":{"a":1},"age":1}`, "#/name is an object; want a string"},
		{`{"name":"x","age":1,"picked":"yes"}`, `#/picked is the string "yes"; want true or false or null`},
		{`{"name":"x","age":1,"raw":5}`, "#/raw is the number 5; want a base64 string or a list of bytes or null"},
	} {
		want := strings.Replace(c.want, "#/ ", "# ", 1)
		if got := lines(s.Check([]byte(c.doc))); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.doc, got, want)
		}
	}
}

func TestShown(t *testing.T) {
	s := compiled[input](t)
	if got := lines(s.CheckShown([]byte(`{"name":null,"age":null,"seats":[null],"by":{"x":null}}`))); got != "" {
		t.Error(got)
	}
	if got := lines(s.CheckShown([]byte(`{"name":1,"age":null,"x":null}`))); got != "#/name is the number 1; want a string\n#/x is not known; known: age, any, big, by, name, picked, raw, score, seats" {
		t.Error(got)
	}
}

func TestMalformed(t *testing.T) {
	var s *Schema
	for _, c := range []struct {
		doc  string
		at   int
		want string
	}{
		{``, 0, "ends where a value should be"},
		{`{"a":1`, 6, "ends inside an object"},
		{`{"a":1,}`, 7, "'}' instead of a name"},
		{`{a:1}`, 1, "'a' instead of a name in double quotes"},
		{`{'a':1}`, 1, `'\'' instead of a name`},
		{`{"a" 1}`, 5, "no ':' after"},
		{`{"a":1 "b":2}`, 7, "instead of ',' or '}'"},
		{`[1,]`, 3, "not the beginning of a value"},
		{`[1 2]`, 3, "instead of ',' or ']'"},
		{`{"a":1,"b":2,"a":3}`, 13, "is there twice"},
		{`{"a":1,"\u0061":3}`, 7, "is there twice"},
		{`1 2`, 2, "more after the value"},
		{`{} x`, 3, "more after the value"},
		{`tru`, 0, `not "true"`},
		{`01`, 1, "malformed number"},
		{`1.`, 2, "malformed number"},
		{`-`, 1, "malformed number"},
		{`1e`, 2, "malformed number"},
		{`"abc`, 0, "without an end"},
		{`"a` + "\n" + `"`, 2, "control character"},
		{`"\x"`, 1, "malformed escape"},
		{`"\u12g4"`, 1, "malformed escape"},
		{"\"\xff\"", 0, "not valid UTF-8"},
		{strings.Repeat("[", 1000), maxDepth, "levels deep"},
	} {
		found, bad := s.Check([]byte(c.doc))
		if bad == nil || bad.Offset != c.at || !strings.Contains(bad.Why, c.want) || found != nil {
			t.Errorf("%q: got %v, %v; want offset %d, %q", c.doc, found, bad, c.at, c.want)
		}
	}
	for _, doc := range []string{`0`, `-0.5e+10`, `"\ud83d\ude00\n\/"`, "\t[ ]\r\n", `{"a":{"a":1}}`, `"é"`} {
		if _, bad := s.Check([]byte(doc)); bad != nil {
			t.Errorf("%s: %v", doc, bad)
		}
	}
}

func TestOtherKeywords(t *testing.T) {
	for _, c := range []struct{ schema, doc, want string }{
		{`{"enum":["red","green"]}`, `"red"`, ""},
		{`{"enum":["red","green"]}`, `"gren"`, `# is "gren"; want one of "red", "green"; did you mean "green"?`},
		{`{"const":1}`, `1.0`, ``},
		{`{"type":"string","minLength":2,"maxLength":3}`, `"é"`, "# has 1 characters; at least 2 are needed"},
		{`{"type":"string","pattern":"^a+$"}`, `"b"`, `# is "b", which does not match the pattern ^a+$`},
		{`{"type":"array","minItems":1,"maxItems":1}`, `[1,2]`, "# has 2 elements; at most 1 are allowed"},
		{`{"type":"object","maxProperties":0}`, `{"a":1}`, "# has 1 properties; at most 0 are allowed"},
		{`{"exclusiveMinimum":1,"exclusiveMaximum":3}`, `1`, "# is 1; more than 1 is needed"},
		{`{"exclusiveMinimum":1,"exclusiveMaximum":3}`, `3`, "# is 3; less than 3 is needed"},
		{`{"$defs":{"n":{"type":"integer"}},"type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/$defs/n"}}}`, `{"a":1,"b":"x"}`, `#/b is the string "x"; want a whole number`},
		{`true`, `[1]`, ""},
		{`false`, `1`, "# is not allowed"},
		{`{"properties":{"a":false}}`, `{"a":"x"}`, "#/a is not allowed"},
		{`{"type":["string","null"]}`, `1`, "# is the number 1; want a string or null"},
	} {
		s, err := Compile([]byte(c.schema))
		if err != nil {
			t.Fatal(c.schema, err)
		}
		if got := lines(s.Check([]byte(c.doc))); got != c.want || s.whole != nil {
			t.Errorf("%s on %s: got %s, want %s (general: %t)", c.schema, c.doc, got, c.want, s.whole != nil)
		}
	}
}

func TestGeneral(t *testing.T) {
	for _, c := range []struct {
		schema, doc string
		ok          bool
	}{
		{`{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `true`, false},
		{`{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `1`, true},
		{`{"type":"object","properties":{"a":{"type":"array","uniqueItems":true}}}`, `{"a":[1,1]}`, false},
		{`{"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}}}`, `{"next":{"next":{"v":"x"}}}`, false},
		{`{"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}}}`, `{"next":{"next":{"v":1}}}`, true},
		{`{"patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false}`, `{"x1":1}`, true},
		{`{"patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false}`, `{"y":1}`, false},
	} {
		s, err := Compile([]byte(c.schema))
		if err != nil {
			t.Fatal(c.schema, err)
		}
		if found, bad := s.Check([]byte(c.doc)); bad != nil || (len(found) == 0) != c.ok || s.whole == nil {
			t.Errorf("%s on %s: %v, %v", c.schema, c.doc, found, bad)
		}
	}
	for _, raw := range []string{`{"type":5}`, `{"$ref":"#/$defs/none"}`, `{`,
		// What would never end:
		`{"$ref":"#"}`, `{"anyOf":[{"type":"null"},{"$ref":"#"}]}`, `{"items":{"$ref":"#/$defs/a"},"$defs":{"a":{"not":{"$ref":"#/$defs/b"}},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}`} {
		if _, err := Compile([]byte(raw)); err == nil {
			t.Errorf("%s compiled", raw)
		}
	}
}

// Many names, and many misfits, do not take quadratic time or room.
func TestMany(t *testing.T) {
	s := compiled[input](t)
	var b strings.Builder
	b.WriteString(`{"name":"x","age":1`)
	for i := range 50000 {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	found, bad := s.Check([]byte(b.String() + "}"))
	if bad != nil || len(found) != maxMisfits {
		t.Errorf("%d misfits, %v", len(found), bad)
	}
	if _, bad := s.Check([]byte(b.String() + `,"k7":1}`)); bad == nil {
		t.Error("a repeated name among many was not found")
	}
}

// Check and encoding/json agree on what is JSON, but for repeated names,
// strings that are not UTF-8 and depth; and with the general validator on what
// fits, but for what Check is meant to see differently.
func FuzzCheck(f *testing.F) {
	for _, doc := range []string{`{"name":"x","age":1}`, `[1,2,{"a":null}]`, `"\u00e9"`, `-1.5e3`, `{"name":"x","age":300,"seats":[{"row":"1"}]}`} {
		f.Add([]byte(doc))
	}
	s := compiled[input](f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		found, bad := s.Check(doc)
		if bad == nil && !json.Valid(doc) {
			t.Errorf("accepted %q", doc)
		}
		if bad != nil && json.Valid(doc) && !strings.Contains(bad.Why, "twice") && !strings.Contains(bad.Why, "UTF-8") && !strings.Contains(bad.Why, "deep") {
			t.Errorf("refused %q: %v", doc, bad)
		}
		var in input
		if bad == nil && len(found) == 0 && json.Unmarshal(doc, &in) != nil && !strings.Contains(string(doc), `"raw"`) && !strings.Contains(string(doc), "e") {
			t.Errorf("%q fits, but cannot be decoded", doc)
		}
	})
}

// FuzzCompile compiles any text as a schema, which programs bring along, and
// checks values with what comes of it. Neither panics.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":["integer","null"],"minimum":1}},"required":["a"]}`,
		`{"anyOf":[{"type":"string","pattern":"^a+$"},{"enum":[1,null]}]}`, `true`, `{"$ref":"#"}`, `{"items":{"$ref":"#"}}`, `{"type":"array","maxItems":-1}`, `{"properties":{"a":null}}`} {
		f.Add([]byte(s), []byte(`{"a":1,"b":[true,"x"]}`))
	}
	f.Fuzz(func(t *testing.T, raw, doc []byte) {
		s, err := Compile(raw)
		if err != nil {
			return
		}
		if found, bad := s.Check(doc); bad == nil && len(found) > maxMisfits+1 {
			t.Errorf("%d misfits", len(found))
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s := compiled[input](b)
	doc := []byte(`{"name":"somebody","age":33,"seats":[{"row":12,"letter":"A"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if found, bad := s.Check(doc); found != nil || bad != nil {
			b.Fatal(found, bad)
		}
	}
}
