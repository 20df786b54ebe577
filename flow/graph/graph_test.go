package graph_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow/graph"
)

// problems returns what is wrong with a document, one a line.
func problems(doc string, targets graph.Targets) string {
	g, err := graph.Parse([]byte(doc))
	if err == nil {
		if _, found := g.Check(targets); len(found) > 0 {
			err = found
		}
	}
	if err == nil {
		return ""
	}
	found, ok := errors.AsType[graph.Problems](err)
	if !ok {
		return "! " + err.Error()
	}
	var lines []string
	for _, p := range found {
		lines = append(lines, p.Pointer+" "+p.Detail)
	}
	return strings.Join(lines, "\n")
}

func targets(typ, method string) (json.RawMessage, error) {
	switch {
	case typ == "" && method == "pay":
		return json.RawMessage(`{"type":"object","properties":{"cents":{"type":"integer"}},"required":["cents"],"additionalProperties":false}`), nil
	case typ == "stock" && method == "reserve":
		return nil, nil
	}
	return nil, fmt.Errorf("there is no %s.%s", typ, method)
}

// Whatever is wrong is said with its place, before anything is done.
func TestProblems(t *testing.T) {
	deep := strings.Repeat(`{"seq":[`, 40) + `{"value":1}` + strings.Repeat(`]}`, 40)
	many := `{"seq":[` + strings.Repeat(`{"value":1},`, 1000) + `{"value":1}]}`
	for _, c := range []struct{ do, want string }{
		{`{"call":"pay","input":{"cents":1}}`, ""},
		{`{"call":"stock/lamp.reserve"}`, ""},
		{`{"call":{"type":"stock","key":{"$ref":"#/input/item"},"method":"reserve"}}`, ""},
		{`7`, "#/do is a number; want a node, an object"},
		{`{"cal":"pay"}`, `#/do/cal is not known; did you mean "call"?`},
		{`{}`, "#/do is no node: it has none of call, seq, par, map, choice, wait, value, fail"},
		{`{"call":"pay","seq":[]}`, "#/do is both call and seq: a node is one"},
		{`{"call":"pay","inputt":1}`, `#/do/inputt is not known; did you mean "input"?`},
		{`{"call":"pai"}`, "#/do/call there is no .pai"},
		{`{"call":"stock/lamp.sell"}`, "#/do/call there is no stock.sell"},
		{`{"call":"stock/lamp"}`, "#/do/call stock/lamp: the method is missing"},
		{`{"call":{"type":"stock","method":"reserve"}}`, "#/do/call/key is null; want a string"},
		{`{"call":{"type":"stock","key":"","method":"reserve"}}`, "#/do/call/key the key is empty"},
		{`{"call":{"function":"pay","key":"x"},"input":{"cents":1}}`, "#/do/call/key is not known"},
		{`{"call":"pay","input":{"cents":"1"}}`, `#/do/input/cents is the string "1"; want a whole number`},
		{`{"call":"pay"}`, "#/do/input/cents is missing"},
		{`{"call":"pay","input":{"cents":{"$ref":"#/input"}}}`, ""},
		{`{"call":"pay","input":{"cents":1},"retry":{"attempts":-1}}`, "#/do/retry policy: attempts: -1 is not between"},
		{`{"call":"pay","input":{"cents":1},"retry":{"atempts":1}}`, `did you mean "attempts"?`},
		{`{"call":"pay","input":{"cents":1},"retry":3,"priority":"low","onFailure":"pay"}`, ""},
		{`{"call":"pay","input":{"cents":1},"priority":"urgent"}`, "there is low, normal and high"},
		{`{"call":"pay","input":{"cents":1},"onFailure":"nobody"}`, "#/do/onFailure there is no .nobody"},
		{`{"call":"pay","input":{"cents":1},"within":"soon"}`, `#/do/within "soon" is neither a duration`},
		{`{"call":"pay","input":{"cents":1},"within":0}`, `#/do/within a deadline of 0s is past`},
		{`{"call":"pay","input":{"cents":1},"within":"1m","delay":60}`, `#/do/within the deadline, 1m0s, is before the call is delivered, after 1m0s`},
		{`{"call":"pay","input":{"cents":1},"delay":"soon"}`, `#/do/delay "soon" is neither a duration`},
		{`{"seq":[]}`, "#/do/seq want a list of nodes, not empty"},
		{`{"seq":[{"name":"a","value":1},{"value":{"$ref":"#/steps/a"}}]}`, ""},
		{`{"seq":[{"value":{"$ref":"#/steps/a"}},{"name":"a","value":1}]}`, `#/do/seq/0/value the step "a" does not come before this one`},
		{`{"seq":[{"name":"alpha","value":1},{"value":{"$ref":"#/steps/alhpa"}}]}`, `#/do/seq/1/value there is no step "alhpa"; did you mean "alpha"?`},
		{`{"seq":[{"name":"a","value":1},{"name":"a","value":2}]}`, `#/do/seq/1/name the name "a" is that of #/do/seq/0, too`},
		{`{"name":"a","value":{"$ref":"#/steps/a"}}`, `#/do/value the step "a" refers to itself, in a circle`},
		{`{"par":[{"name":"a","value":{"$ref":"#/steps/b"}},{"name":"b","value":1}]}`, ""},
		{`{"par":[{"name":"a","value":{"$ref":"#/steps/b"}},{"name":"b","value":{"$ref":"#/steps/c"}},{"name":"c","value":{"$ref":"#/steps/a"}}]}`,
			"#/do/par/0 the steps refer to each other in a circle: a needs b needs c needs a"},
		{`{"par":[{"seq":[{"name":"x","value":{"$ref":"#/steps/y"}}]},{"seq":[{"name":"y","value":1},{"value":{"$ref":"#/steps/x"}}]}]}`,
			"the steps refer to each other in a circle: x needs y needs x"},
		{`{"par":[{"value":1}],"need":2}`, "#/do/need is more than there are nodes"},
		{`{"par":[{"value":1}],"limit":0}`, "#/do/limit is no whole number from 1 to 10000"},
		{`{"map":3,"do":{"value":1}}`, "#/do/map is a number; want a list"},
		{`{"map":[1]}`, `#/do "do" is missing: a node`},
		{`{"map":[1],"do":{"value":{"$ref":"#/item"}}}`, ""},
		{`{"map":{"$ref":"#/item"},"do":{"value":1}}`, "#/do/map #/item: there is an item only inside a map"},
		{`{"seq":[{"map":[1],"do":{"name":"x","value":1}},{"value":{"$ref":"#/steps/x"}}]}`, `the step "x" is in a map, and there is one for each element`},
		{`{"map":[1],"do":{"value":1},"count":true,"collect":true}`, `#/do/count stands alone`},
		{`{"map":[1],"do":{"value":1},"need":1,"collect":true}`, `#/do/collect is for all results`},
		{`{"choice":1,"cases":[]}`, "#/do/cases want a list of cases, not empty"},
		{`{"choice":1,"cases":[{"do":{"value":1}}]}`, `#/do/cases/0 has "is", a value, or "fits"`},
		{`{"choice":1,"cases":[{"fits":{"type":"strin"},"do":{"value":1}}]}`, ""},
		{`{"choice":1,"cases":[{"fits":{"type":7},"do":{"value":1}}]}`, "#/do/cases/0/fits is no JSON Schema"},
		{`{"wait":"1h30m"}`, ""}, {`{"wait":90}`, ""}, {`{"wait":"2026-01-02T15:04:05Z"}`, ""},
		{`{"wait":"tomorrow"}`, `#/do/wait "tomorrow" is neither`}, {`{"wait":null}`, "#/do/wait is null"}, {`{"wait":[1]}`, "#/do/wait is a list; want a duration"},
		{`{"value":{"$ref":"input"}}`, `#/do/value "input" is no pointer`},
		{`{"value":{"$ref":"#/inputs"}}`, `#/do/value #/inputs: there is #/input, #/steps/NAME`},
		{`{"value":{"$ref":"#/error"}}`, "there is an error only inside a catch"},
		{`{"value":[{"$rf":"#/input"}]}`, `#/do/value/0 there is no "$rf"`},
		{`{"value":{"$ref":7}}`, "#/do/value $ref is no string"},
		{`{"value":{"$join":"a"}}`, "#/do/value/$join want a list"},
		{`{"value":{"$literal":{"$x":1}}}`, ""},
		{`{"fail":{"kode":"x"}}`, `#/do/fail/kode is not known; did you mean "code"?`},
		{`{"value":1,"catch":[]}`, "#/do/catch want a list of handlers"},
		{`{"value":1,"catch":[{"codes":[7],"do":{"value":{"$ref":"#/error"}}}]}`, "#/do/catch/0/codes/0 is a number; want a string"},
		{`{"name":"a","value":1,"undo":{"value":{"$ref":"#/steps/a"}}}`, ""},
		{`{"name":"a b","value":1}`, `#/do/name step: the name "a b" has`},
		{deep, "is nested too deep; at most 32 nodes are in each other"},
		{many, "is one node too many; a flow has at most 1000"},
	} {
		got := problems(`{"do":`+c.do+`}`, targets)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%.200s:\n%s\nwant\n%s", c.do, got, c.want)
		}
	}
	for doc, want := range map[string]string{
		`{`: "! the text ends", `[]`: "# is a list; want a flow", `{"do":{"value":1},"nane":""}`: `#/nane is not known; did you mean "name"?`,
		`{"name":"x"}`: `# "do" is missing`, `{"do":{"value":1},"do":{"value":2}}`: "! ", strings.Repeat(" ", graph.MaxBytes+1): "at most 262144 are allowed",
	} {
		if got := problems(doc, nil); !strings.Contains(got, want) {
			t.Errorf("%.100s: %s, want %s", doc, got, want)
		}
	}
}

// sample has everything that a flow can have.
func sample() *graph.Flow {
	return graph.New("all", graph.Seq(
		graph.Object("stock", graph.Join("k-", graph.Ref("#/input/item")), "reserve", map[string]any{"n": 1}).As("left").
			Retries(situ.Retry{Attempts: 3, Backoff: time.Second, MaxAge: time.Hour, On: []string{"busy"}}).
			Undo(graph.Function("give", graph.Ref("#/steps/left"))),
		graph.Par(graph.Function("pay", nil), graph.Wait("1h").As("late")).First(1).Limit(2).Catch(graph.Value(nil), "timeout"),
		graph.Map(graph.Ref("#/input/list"), graph.Value([]int{1})).Failures(),
		graph.Map([]int{1, 2}, graph.Value(1)).Count().Limit(7),
		graph.Choice(graph.Ref("#/steps/left"), graph.Fail("odd", "it is odd"), graph.Is(1, graph.Value("one")), graph.Fits(`{"minimum":2}`, graph.Value(2.5)))))
}

// What is built in Go, its JSON, and what is read of that are the same.
func TestRoundTrip(t *testing.T) {
	first, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(g)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("%s\nbecame\n%s, %v", first, again, err)
	}
	a, found := sample().Check(nil)
	b, found2 := g.Check(nil)
	if len(found)+len(found2) > 0 || len(a.Steps) != len(b.Steps) {
		t.Errorf("%v, %v", found, found2)
	}
	if err := graph.Run[int]("k", sample(), func() {}).Err(); err == nil {
		t.Error("an input that cannot be written was taken")
	}
	if err := graph.Run[int]("k", graph.New("x", graph.Seq()), nil).Err(); err == nil || !strings.Contains(err.Error(), "has no nodes") {
		t.Errorf("a flow that is wrong: %v", err)
	}
	if err := graph.Run[int]("", sample(), nil).Err(); err == nil {
		t.Error("no key was taken")
	}
}

// The schema admits what the reader takes, and refuses what it cannot read.
func TestSchema(t *testing.T) {
	js := new(jsonschema.Schema)
	if err := json.Unmarshal(graph.Schema, js); err != nil {
		t.Fatal(err)
	}
	resolved, err := js.Resolve(&jsonschema.ResolveOptions{BaseURI: "http://127.0.0.1/v1/flows.schema.json"})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{string(whole), `{"do":{"call":"pay"}}`, `{"name":"x","doc":"y","do":{"call":{"function":"f"},"retry":3}}`, `{"do":{"wait":90}}`,
		`{"do":{"cal":"pay"}}`, `{"do":{"call":7}}`, `{"do":{"seq":[]}}`, `{"do":{"par":[{"value":1}],"limit":0}}`, `{"do":{"value":1,"catch":[{}]}}`,
		`{"do":{"map":[1]}}`, `{"do":{"choice":1,"cases":[{"do":{"value":1}}]}}`, `{"do":{"call":"pay","seq":[{"value":1}]}}`, `{"do":{"fail":{"kode":""}}}`, `{}`, `7`} {
		var v any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		_, parsed := graph.Parse([]byte(doc))
		if fits := resolved.Validate(v); (fits == nil) != (parsed == nil) {
			t.Errorf("%s:\nschema %v\nreader %v", doc, fits, parsed)
		}
	}
}

// What the documents and examples show can be taken.
func TestExampleIsFine(t *testing.T) {
	text, err := os.ReadFile("../../examples/hello/greet.flow.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := problems(string(text), nil); got != "" {
		t.Error(got)
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`1`, `1.0`, true}, {`1e2`, `100`, true}, {`0.1`, `0.10`, true}, {`12345678901234567890`, `12345678901234567891`, false}, {`1`, `"1"`, false},
		{`[1,{"a":null}]`, `[1.0,{"a":null}]`, true}, {`{"a":1}`, `{"b":1}`, false}, {`null`, `false`, false}, {`"x"`, `"x"`, true}, {`[1]`, `[1,2]`, false},
		{`1e999999999`, `1e999999999`, true},
	} {
		a, errA := graph.Decode([]byte(c.a))
		b, errB := graph.Decode([]byte(c.b))
		if errA != nil || errB != nil || graph.Equal(a, b) != c.same {
			t.Errorf("%s and %s: %v, %v, %v", c.a, c.b, graph.Equal(a, b), errA, errB)
		}
	}
}

// FuzzParse: what is taken is written as JSON that is read as the same, and
// nothing panics.
func FuzzParse(f *testing.F) {
	whole, _ := json.Marshal(sample())
	f.Add(whole)
	for _, s := range []string{`{"do":{"call":"a/b.c","input":{"$join":[1,{"$ref":"#/input/~1"}]}}}`, `{"do":{"par":[{"name":"a","value":{"$ref":"#/steps/b"}},{"name":"b","value":{"$ref":"#/steps/a"}}]}}`,
		`{"do":{"map":[],"do":{"wait":1e99}}}`, `{"do":{"choice":1,"cases":[{"fits":{"$ref":"#"},"do":{"value":1}}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := graph.Parse(text)
		if err != nil {
			return
		}
		_, found := g.Check(targets)
		b, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > graph.MaxBytes {
			return // what is written out is longer than what was short
		}
		again, err := graph.Parse(b)
		if err != nil {
			t.Fatalf("%s\nwas written as\n%s: %v", text, b, err)
		}
		_, found2 := again.Check(targets)
		if c, err := json.Marshal(again); err != nil || !bytes.Equal(b, c) || len(found) != len(found2) {
			t.Fatalf("%s\nand\n%s, %v\n%v\n%v", b, c, err, found, found2)
		}
	})
}
