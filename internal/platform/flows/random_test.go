package flows_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/situtest"
)

// writer makes random flows of which it is known what comes out: whatever may fail
// beside others is caught, because which others have begun by then is chance.
type writer struct {
	*rand.Rand
	names int
	adds  int // what a flow adds to the tally, along the way that it goes
}

// outcome is what a node comes to.
type outcome struct {
	v    any
	code string // of its failure
}

// scope is what a node may refer to.
type scope struct {
	names  map[string]any
	item   any
	inside bool // of a map
	depth  int
	live   bool // it is carried out
	times  int  // so often
}

func (w *writer) ref(sc scope) (template, v any) {
	names := make([]string, 0, len(sc.names))
	for n := range sc.names {
		names = append(names, n)
	}
	slices.Sort(names)
	switch {
	case sc.inside && w.IntN(2) == 0:
		return graph.Ref("#/item"), sc.item
	case len(names) > 0 && w.IntN(4) > 0:
		n := names[w.IntN(len(names))]
		return graph.Ref("#/steps/" + n), sc.names[n]
	}
	return graph.Ref("#/input"), 7
}

// node makes a node and says what it comes to. In a map the values of an element may be others
// each time, so values are made of constants there, but for the item itself.
func (w *writer) node(sc scope) (*graph.Node, outcome) {
	n, out := w.kind(sc)
	if w.IntN(3) == 0 && out.code == "" && !sc.inside {
		w.names++
		n.As(fmt.Sprintf("s%d", w.names))
		sc.names[n.Name] = out.v
	}
	if w.IntN(4) == 0 {
		inner := sc
		inner.live = sc.live && out.code == "c"
		h, caught := w.kind(scope{names: map[string]any{}, depth: 9, live: inner.live, times: sc.times})
		n.Catch(h, "c")
		if out.code == "c" {
			if n.Name != "" {
				delete(sc.names, n.Name)
			}
			out = caught
		}
	}
	return n, out
}

func (w *writer) kind(sc scope) (*graph.Node, outcome) {
	sc.depth++
	pick := w.IntN(9)
	if sc.depth > 4 {
		pick %= 5
	}
	switch pick {
	case 0:
		t, v := w.ref(sc)
		return graph.Value([]any{t, 1}), outcome{v: []any{v, 1}}
	case 1:
		if sc.live {
			w.adds += sc.times
		}
		return graph.Object("tally", "r", "add", map[string]int{"by": 1}).Catch(graph.Value(0)).Retries(situ.Retry{Attempts: 3}), outcome{v: "added"}
	case 2:
		k := w.IntN(100)
		return graph.Function("twice", k), outcome{v: 2 * k}
	case 3:
		return graph.Wait(time.Duration(w.IntN(5000)) * time.Millisecond), outcome{}
	case 4:
		if sc.inside {
			return graph.Value("x"), outcome{v: "x"}
		}
		code := []string{"c", "d"}[w.IntN(2)]
		if w.IntN(2) == 0 {
			return graph.Function("refuse", code), outcome{code: code}
		}
		return graph.Fail(code, "it is so"), outcome{code: code}
	case 5, 6:
		return w.seq(sc)
	case 7:
		return w.par(sc)
	}
	if w.IntN(2) == 0 {
		return w.choice(sc)
	}
	return w.loop(sc)
}

func (w *writer) seq(sc scope) (*graph.Node, outcome) {
	var nodes []*graph.Node
	out := outcome{}
	for range 1 + w.IntN(4) {
		n, o := w.node(sc)
		nodes = append(nodes, n)
		if out.code == "" {
			if out = o; out.code != "" {
				sc.live = false
			}
		}
	}
	return graph.Seq(nodes...), out
}

// par collects failures, so that all of it is carried out.
func (w *writer) par(sc scope) (*graph.Node, outcome) {
	var nodes []*graph.Node
	var list []any
	shown := map[string]any{}
	for range 1 + w.IntN(4) {
		inner := sc
		inner.names = map[string]any{}
		for k, v := range sc.names {
			inner.names[k] = v
		}
		n, o := w.node(inner)
		nodes = append(nodes, n)
		if o.code != "" {
			list = append(list, map[string]any{"error": o.code})
			continue
		}
		list = append(list, map[string]any{"value": o.v})
		for k, v := range inner.names {
			shown[k] = v
		}
	}
	for k, v := range shown {
		sc.names[k] = v
	}
	return graph.Par(nodes...).Failures().Limit(1 + w.IntN(3)), outcome{v: list}
}

func (w *writer) choice(sc scope) (*graph.Node, outcome) {
	way := w.IntN(3)
	var outs []outcome
	var nodes []*graph.Node
	for i := range 3 {
		inner := sc
		inner.live = sc.live && i == way
		inner.names = map[string]any{}
		n, o := w.node(inner)
		nodes, outs = append(nodes, n), append(outs, o)
	}
	return graph.Choice(way, nodes[2], graph.Is(0, nodes[0]), graph.Fits(`{"const":1}`, nodes[1])), outs[way]
}

func (w *writer) loop(sc scope) (*graph.Node, outcome) {
	k := w.IntN(6)
	var list, results []any
	for i := range k {
		list = append(list, i)
	}
	inner := scope{names: map[string]any{}, item: mark, inside: true, depth: sc.depth, live: sc.live && k > 0, times: sc.times * max(k, 1)}
	n, o := w.node(inner)
	for i := range k {
		results = append(results, put(o.v, i))
	}
	if k == 0 {
		list, results = []any{}, []any{}
	}
	return graph.Map(list, n).Limit(1 + w.IntN(3)), outcome{v: results}
}

// mark stands for the item of the map around, until it is known.
const mark = "the item"

func put(v any, item int) any {
	switch v := v.(type) {
	case string:
		if v == mark {
			return item
		}
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, put(e, item))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = put(e, item)
		}
		return out
	}
	return v
}

// told makes what came out look like what the writer says: of an error its code, of
// a tally that it was added to.
func told(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["total"]; ok {
			return "added"
		}
		if e, ok := v["error"].(map[string]any); ok {
			return map[string]any{"error": e["code"]}
		}
		out := map[string]any{}
		for k, e := range v {
			out[k] = told(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, told(e))
		}
		return out
	}
	return v
}

// TestRandom carries out random flows, with crashes at any commit: each comes to
// what it should, and does everything once.
func TestRandom(t *testing.T) {
	base := seed.New(t)
	for i := range uint64(60) {
		w := &writer{Rand: rand.New(rand.NewPCG(base, i))}
		node, want := w.node(scope{names: map[string]any{}, live: true, times: 1})
		g := graph.New("random", node)
		if _, found := g.Check(nil); len(found) > 0 {
			b, _ := json.Marshal(node)
			t.Fatalf("flow %d: %s\n%v", i, b, found)
		}
		ok := t.Run(fmt.Sprint(i), func(t *testing.T) {
			situtest.Options{Shards: 1 + int(i%3)}.Run(t, program(), func(t *testing.T, rt *situtest.Runtime) {
				check(t, rt, w, g, want)
			})
		})
		if !ok {
			b, _ := json.Marshal(node)
			t.Fatalf("%s", b)
		}
	}
}

func check(t *testing.T, rt *situtest.Runtime, w *writer, g *graph.Flow, want outcome) {
	call := graph.Run[json.RawMessage]("f", g, 7)
	if _, err := situ.Start(context.Background(), rt, call.Idempotent("k")); err != nil {
		t.Fatal(err)
	}
	for range w.IntN(4) {
		rt.CrashAt(1 + w.IntN(6))
		rt.Pass(time.Duration(w.IntN(4000)) * time.Millisecond)
		rt.Restart()
	}
	got, err := situ.Do(context.Background(), rt, call)
	if code := situ.CodeOf(err); code != want.code || (err != nil) != (want.code != "") {
		t.Fatalf("it ended with %s, %v, want %+v", got, err, want)
	}
	if err == nil {
		v, err := graph.Decode(got)
		b, err2 := json.Marshal(want.v)
		wanted, err3 := graph.Decode(b)
		if err != nil || err2 != nil || err3 != nil || !graph.Equal(told(v), wanted) {
			t.Errorf("it came to\n%s\nwant\n%s", got, b)
		}
	}
	rt.Pass(time.Minute)
	var st tallyState
	if text := rt.State(tally, "r"); text != "" {
		if err := json.Unmarshal([]byte(text), &st); err != nil {
			t.Fatal(err)
		}
	}
	if st.Calls != w.adds {
		t.Errorf("%d calls were made, want %d", st.Calls, w.adds)
	}
	if dead := rt.DeadLetters(); dead != "" {
		t.Errorf("dead letters: %s", dead)
	}
}
