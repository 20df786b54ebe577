package wire

import (
	"fmt"
	"strings"
	"testing"
)

func TestWaiters(t *testing.T) {
	a, b := Address{"t", "a", "m"}, Address{"t", "b.c/d", "m"}
	w := Waiters(nil).And(a).And(b)
	if w.Words(a) != "t/a.m waits for t/b.c/d.m waits for t/a.m" {
		t.Error(w.Words(a))
	}
	if w.Cycle(ObjectID{"t", "x"}) != nil || len(w.Cycle(a.Object())) != 2 || len(w.Cycle(b.Object())) != 1 || w.Cycle(ObjectID{"t", "b"}) != nil {
		t.Errorf("%v", w)
	}
	for i := range 40 {
		w = w.And(Address{"t", fmt.Sprint(i), "m"})
	}
	if len(w) != maxWaiters || w[len(w)-1] != "t/39.m" {
		t.Errorf("%d waiters: %v", len(w), w)
	}
	if w = w.And(Address{"t", strings.Repeat("k", MaxKey), "m"}).And(Address{"t", strings.Repeat("l", MaxKey), "m"}); len(strings.Join(w, "")) > maxPathBytes {
		t.Errorf("a path of %d bytes", len(strings.Join(w, "")))
	}
	env := &Envelope{Lineage: &Lineage{Path: Waiters{"t/0.run"}}, Back: &Callback{Kind: ToMethod, To: Address{"t", "2", "c"}, Parent: &Callback{Kind: ToMethod, To: Address{"t", "0", "flow-reply"}}}}
	if got := strings.Join(env.Waiting(), " "); got != "t/0.run t/2.c" {
		t.Error(got)
	}
}

func TestScope(t *testing.T) {
	for name, s := range map[string]Scope{"function:f": {Function: "f"}, "type:t": {Type: "t"}, "object:t/k/l:m": {Type: "t", Key: "k/l:m"}} {
		if got, err := ParseScope(name); err != nil || got != s || s.String() != name {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "t", "type:", "object:t", "object:/k", "function:a b", "kind:x"} {
		if s, err := ParseScope(name); err == nil {
			t.Errorf("%q is %+v", name, s)
		}
	}
	all := []Address{{"", "", "f"}, {"t", "k", "f"}, {"t", "l", "m"}, {"u", "k", "m"}}
	for s, want := range map[Scope]string{{Function: "f"}: "[true false false false]", {Type: "t"}: "[false true true false]", {Type: "t", Key: "k"}: "[false true false false]"} {
		var got []bool
		for _, a := range all {
			got = append(got, s.Covers(a))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%v covers %v", s, got)
		}
	}
}
