package flows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/platform/flows"
	"github.com/situ-dev/situ/situtest"
)

// A program with a tally, a function that adds, and one that fails.
type add struct {
	By int `json:"by"`
}

type sum struct {
	Total int `json:"total"`
}

type tallyState struct {
	Total int                `json:"total"`
	Calls int                `json:"calls"`
	Log   []string           `json:"log"`
	Held  *situ.Promise[int] `json:"held,omitempty"`
}

var (
	tally  = situ.NewType("tally")
	addTo  = situ.NewMethod[add, sum](tally, "add")
	takeIt = situ.NewMethod[add, sum](tally, "take")
	note   = situ.NewMethod[string, situ.None](tally, "note")
	never  = situ.NewMethod[situ.None, int](tally, "wait") // never answers
	twice  = situ.NewFunc[int, int]("twice")
	refuse = situ.NewFunc[string, int]("refuse")
)

func program() []situ.Component {
	return []situ.Component{
		situ.Object(tally,
			situ.On(addTo, func(s *tallyState, _ *situ.Turn, a add) (sum, error) {
				if a.By < 0 {
					return sum{}, situ.Errorf("negative", "%d is negative", a.By)
				}
				s.Total += a.By
				s.Calls++
				return sum{s.Total}, nil
			}),
			situ.On(takeIt, func(s *tallyState, _ *situ.Turn, a add) (sum, error) {
				s.Total -= a.By
				s.Log = append(s.Log, fmt.Sprint("take ", a.By))
				return sum{s.Total}, nil
			}),
			situ.On(never, func(s *tallyState, t *situ.Turn, _ situ.None) (int, error) {
				s.Held = new(situ.Promise[int])
				return situ.Hold(t, s.Held)
			}),
			situ.On(note, func(s *tallyState, _ *situ.Turn, text string) (situ.None, error) {
				s.Log = append(s.Log, text)
				return situ.None{}, nil
			})),
		situ.Function(twice, func(_ *situ.Turn, n int) (int, error) { return 2 * n, nil }),
		situ.Function(refuse, func(_ *situ.Turn, code string) (int, error) { return 0, situ.Errorf(code, "it is %s", code) }),
	}
}

func parse(t *testing.T, doc string) *graph.Flow {
	t.Helper()
	g, err := graph.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// runDoc carries a document out and returns its result, or its error.
func runDoc(t *testing.T, rt *situtest.Runtime, key, doc string, input any) string {
	t.Helper()
	v, err := situ.Do(context.Background(), rt, graph.Run[json.RawMessage](key, parse(t, doc), input))
	if err != nil {
		return "! " + situ.CodeOf(err) + " " + err.Error()
	}
	return string(v)
}

func TestFlows(t *testing.T) {
	for name, c := range map[string]struct {
		doc, input, want string
	}{
		"call":      {`{"do":{"call":"twice","input":{"$ref":"#/input"}}}`, `4`, `8`},
		"seq":       {`{"do":{"seq":[{"name":"a","call":"twice","input":3},{"call":"twice","input":{"$ref":"#/steps/a"}}]}}`, ``, `12`},
		"object":    {`{"do":{"seq":[{"call":{"type":"tally","key":{"$join":["k-",{"$ref":"#/input/n"}]},"method":"add"},"input":{"by":5}},{"call":"tally/k-1.add","input":{"by":1}}]}}`, `{"n":1}`, `{"total":6}`},
		"par":       {`{"do":{"par":[{"call":"twice","input":1},{"value":{"x":[1,2.50]}},{"wait":"1h"}]}}`, ``, `[2,{"x":[1,2.50]},null]`},
		"par needs": {`{"do":{"par":[{"name":"b","call":"twice","input":{"$ref":"#/steps/a"}},{"name":"a","call":"twice","input":1}]}}`, ``, `[4,2]`},
		"first":     {`{"do":{"par":[{"wait":"1h"},{"seq":[{"wait":"1m"},{"value":"x"}]},{"call":"refuse","input":"no"}],"need":1}}`, ``, `[{"index":1,"value":"x"}]`},
		"map":       {`{"do":{"map":{"$ref":"#/input"},"limit":2,"do":{"seq":[{"name":"d","call":"twice","input":{"$ref":"#/item"}},{"value":[{"$ref":"#/index"},{"$ref":"#/steps/d"}]}]}}}`, `[5,6,7]`, `[[0,10],[1,12],[2,14]]`},
		"nested map": {`{"do":{"map":{"$ref":"#/input"},"do":{"seq":[{"name":"row","value":{"$ref":"#/item"}},{"map":{"$ref":"#/item"},"do":{"value":[{"$ref":"#/item"},{"$ref":"#/steps/row/0"}]}}]}}}`,
			`[[1,2],[3]]`, `[[[1,1],[2,1]],[[3,3]]]`},
		"empty map":     {`{"do":{"map":[],"do":{"value":1}}}`, ``, `[]`},
		"collect":       {`{"do":{"map":[1,-1],"collect":true,"do":{"call":"tally/c.add","input":{"by":{"$ref":"#/item"}}}}}`, ``, `[{"value":{"total":1}},{"error":{"kind":"failed","code":"negative","message":"-1 is negative"}}]`},
		"count":         {`{"do":{"map":[1,-1,2],"count":true,"do":{"call":"tally/n.add","input":{"by":{"$ref":"#/item"}}}}}`, ``, `{"done":2,"failed":1}`},
		"map fails":     {`{"do":{"map":[1,-1],"limit":1,"do":{"call":"tally/c.add","input":{"by":{"$ref":"#/item"}}}}}`, ``, `! negative -1 is negative`},
		"choice":        {`{"do":{"choice":{"$ref":"#/input/n"},"cases":[{"is":1,"do":{"value":"one"}},{"fits":{"type":"integer","minimum":10},"do":{"value":"many"}}],"else":{"value":"some"}}}`, `{"n":1.0}`, `"one"`},
		"choice 2":      {`{"do":{"choice":{"$ref":"#/input/n"},"cases":[{"is":1,"do":{"value":"one"}},{"fits":{"type":"integer","minimum":10},"do":{"value":"many"}}],"else":{"value":"some"}}}`, `{"n":12}`, `"many"`},
		"choice 3":      {`{"do":{"choice":{"$ref":"#/input/n"},"cases":[{"is":1,"do":{"value":"one"}}]}}`, `{"n":2}`, `null`},
		"fail":          {`{"do":{"fail":{"code":"stop","message":{"$join":["because of ",{"$ref":"#/input"}]}}}}`, `"rain"`, `! stop because of rain`},
		"catch":         {`{"do":{"call":"refuse","input":"no","catch":[{"codes":["other"],"do":{"value":1}},{"codes":["no"],"do":{"value":{"$ref":"#/error/message"}}}]}}`, ``, `"it is no"`},
		"not caught":    {`{"do":{"call":"refuse","input":"no","catch":[{"codes":["other"],"do":{"value":1}}]}}`, ``, `! no it is no`},
		"catch of many": {`{"do":{"par":[{"wait":"1h"},{"call":"refuse","input":"no"}],"catch":[{"do":{"value":{"$ref":"#/error/code"}}}]}}`, ``, `"no"`},
		"handler fails": {`{"do":{"call":"refuse","input":"no","catch":[{"do":{"call":"refuse","input":"again"}}]}}`, ``, `! again it is again`},
		"no member":     {`{"do":{"value":{"$ref":"#/input/a/b"}}}`, `{"a":1}`, `! reference #/do: #/input/a/b: #/input/a is a number, which has no members`},
		"default":       {`{"do":{"value":{"$ref":"#/input/a/b","default":"none"}}}`, `{"a":1}`, `"none"`},
		"literal":       {`{"do":{"value":{"$literal":{"$ref":"#/input"}}}}`, ``, `{"$ref":"#/input"}`},
		"unknown":       {`{"do":{"call":"nobody"}}`, ``, `!  run nobody: the program has no such function`},
		"bad key":       {`{"do":{"call":{"type":"tally","key":{"$ref":"#/input"},"method":"add"}}}`, `""`, `!  tally/.add: wire.key: the key is empty`},
		"within":        {`{"do":{"call":"tally/silent.wait","input":null,"within":{"$ref":"#/input"},"catch":[{"codes":["timeout"],"do":{"value":{"$ref":"#/error/kind"}}}]}}`, `"5m"`, `"timeout"`},
		"within, met":   {`{"do":{"call":"twice","input":4,"within":"5m","delay":"1m"}}`, ``, `8`},
		"within, past":  {`{"do":{"call":"twice","input":4,"within":{"$ref":"#/input"},"catch":[{"do":{"value":{"$ref":"#/error"}}}]}}`, `"1999-01-02T00:00:00Z"`, `{"kind":"timeout","message":"#/do/within: the deadline, 1999-01-02T00:00:00Z, is past, or before the call is delivered: it was not made"}`},
		"exact":         {`{"do":{"value":{"$ref":"#/input"}}}`, `[12345678901234567890,1e400,0.10]`, `[12345678901234567890,1e400,0.10]`},
	} {
		t.Run(name, func(t *testing.T) {
			situtest.Run(t, program(), func(t *testing.T, rt *situtest.Runtime) {
				var in any
				if c.input != "" {
					in = json.RawMessage(c.input)
				}
				if got := runDoc(t, rt, "f", c.doc, in); got != c.want && !(strings.HasPrefix(c.want, "! ") && strings.HasPrefix(got, c.want)) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if dead := rt.DeadLetters(); dead != "" {
					t.Errorf("dead letters: %s", dead)
				}
				if got := runDoc(t, rt, "f", c.doc, in); !strings.HasPrefix(got, c.want) {
					t.Errorf("again: %s", got)
				}
			})
		})
	}
}

// A flow that is over is kept for a day, with its result only.
func TestKept(t *testing.T) {
	doc := `{"do":{"map":{"$ref":"#/input"},"do":{"name":"a","call":"twice","input":{"$ref":"#/item"}}}}`
	situtest.Run(t, program(), func(t *testing.T, rt *situtest.Runtime) {
		if got := runDoc(t, rt, "f", doc, []int{1, 2}); got != "[2,4]" {
			t.Error(got)
		}
		if got := rt.State(flows.Type, "f"); !strings.HasSuffix(got, `"frames":{},"values":{"result":"[2,4]"}}`) {
			t.Errorf("kept: %s", got)
		}
		if got := runDoc(t, rt, "f", doc, 1); !strings.Contains(got, "was used by another flow") {
			t.Errorf("another input: %s", got)
		}
		rt.Pass(flows.Keep + time.Minute)
		if left := rt.State(flows.Type, "f"); left != "" {
			t.Errorf("kept for too long: %s", left)
		}
		if got := runDoc(t, rt, "f", doc, []int{3}); got != "[6]" {
			t.Errorf("the key is used again: %s", got)
		}
	})
}

// A flow that fails undoes what was done, last first, also what came late.
func TestUndo(t *testing.T) {
	doc := `{"do":{"seq":[
		{"name":"a","call":"tally/u.add","input":{"by":5},"undo":{"call":"tally/u.take","input":{"by":{"$ref":"#/steps/a/total"}}}},
		{"map":[1,2],"limit":1,"do":{"name":"m","call":"tally/u.add","input":{"by":{"$ref":"#/item"}},"undo":{"call":"tally/u.take","input":{"by":{"$ref":"#/item"}}}}},
		{"par":[{"call":"refuse","input":"no"},{"call":"tally/u.add","input":{"by":7},"delay":"1h","undo":{"call":"tally/u.take","input":{"by":7}}}]}]}}`
	situtest.Run(t, program(), func(t *testing.T, rt *situtest.Runtime) {
		began := time.Now()
		if got := runDoc(t, rt, "f", doc, nil); got != "! no it is no" {
			t.Errorf("got %s", got)
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %v, and what is under way may have to be undone", took)
		}
		if got := rt.State(tally, "u"); got != `{"total":0,"calls":4,"log":["take 2","take 1","take 5","take 7"]}` {
			t.Errorf("undone: %s", got)
		}
	})
}

func TestStatusAndCancel(t *testing.T) {
	doc := `{"name":"slow","do":{"seq":[{"call":"tally/u.add","input":{"by":5},"undo":{"call":"tally/u.take","input":{"by":5}}},{"map":[1,2,3],"limit":2,"do":{"name":"pause","wait":"2h"}}]}}`
	situtest.Run(t, program(), func(t *testing.T, rt *situtest.Runtime) {
		ch := make(chan string, 2)
		for range 2 { // two callers
			go func() { ch <- runDoc(t, rt, "f", doc, nil) }()
		}
		rt.Pass(time.Hour)
		rt.Crash()
		<-ch
		<-ch // told of the crash
		go func() { ch <- runDoc(t, rt, "f", doc, nil) }()
		rt.Settle()
		in := situtest.Do(rt, flows.Status.To("f", situ.None{}))
		var steps []string
		for _, s := range in.Steps {
			steps = append(steps, fmt.Sprintf("%s %s %d/%d", s.Step, s.Kind, s.Done, s.Total))
		}
		if got := strings.Join(steps, ", "); in.Status != "running" || in.Name != "slow" || got != "#/do seq 0/0, #/do/seq/1 map 0/3, pause[0] wait 0/0, pause[1] wait 0/0" {
			t.Errorf("status %+v: %s", in, got)
		}
		if got := runDoc(t, rt, "f", doc, 1); !strings.Contains(got, "under way with another") {
			t.Errorf("another input: %s", got)
		}
		situtest.Do(rt, flows.Cancel.To("f", situ.None{}))
		if got := <-ch; got != "!  the flow f was cancelled" {
			t.Errorf("cancelled: %s", got)
		}
		if got := rt.State(tally, "u"); got != `{"total":0,"calls":1,"log":["take 5"]}` {
			t.Errorf("undone: %s", got)
		}
		if err := situtest.DoErr(rt, flows.Cancel.To("f", situ.None{})); situ.CodeOf(err) != "over" {
			t.Errorf("cancelled twice: %v", err)
		}
		rt.Pass(3 * time.Hour) // timers that nobody waits for
		if in := situtest.Do(rt, flows.Status.To("f", situ.None{})); in.Status != "failed" || in.Error == nil {
			t.Errorf("status %+v", in)
		}
	})
}
