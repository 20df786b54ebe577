package node_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/wire"
)

// The components of these tests: what breaks as long as broken says so.
var (
	fragileType = situ.NewType("fragile", situ.Retries(situ.RetryPolicy(1, time.Second, time.Second)))
	crack       = situ.NewMethod[int, situ.None](fragileType, "crack")
	cracked     = situ.NewMethod[situ.None, []int](fragileType, "cracked", situ.ReadOnly)
	broken      atomic.Bool
)

type fragile struct{ Log []int }

func fragiles() []situ.Component {
	return []situ.Component{situ.Object(fragileType,
		situ.On(crack, func(o *fragile, _ *situ.Turn, n int) (situ.None, error) {
			if broken.Load() {
				panic(fmt.Sprint("broken ", n))
			}
			o.Log = append(o.Log, n)
			return situ.None{}, nil
		}),
		situ.On(cracked, func(o *fragile, _ *situ.Turn, _ situ.None) ([]int, error) { return o.Log, nil }))}
}

// bury has n messages given up, of each of the objects.
func bury(r *rig, n int, keys ...string) {
	r.t.Helper()
	broken.Store(true)
	for i := range n {
		for _, key := range keys {
			begin(r, crack.To(key, i), i)
		}
	}
	pass(time.Second)
	broken.Store(false)
}

func (r *rig) count(f wire.DeadFilter) int {
	r.t.Helper()
	j, err := r.node.Redrive(context.Background(), wire.Redrive{Filter: f}, true)
	if err != nil {
		r.t.Fatal(err)
	}
	letters, _, err := r.node.Letters(context.Background(), &f, "", 1000)
	if err != nil || len(letters) != j.Total {
		r.t.Fatalf("%d are counted, %d listed, %v", j.Total, len(letters), err)
	}
	return j.Total
}

func TestDeadFilter(t *testing.T) {
	bubble(t, node.Config{}, fragiles(), func(r *rig) {
		bury(r, 5, "a1", "a2", "b")
		middle := wire.Time(time.Now().UnixNano())
		pass(time.Hour)
		bury(r, 3, "b")
		letters, _, err := r.node.Letters(context.Background(), &wire.DeadFilter{Key: "b", Type: "fragile", Since: middle}, "", 1)
		if err != nil || len(letters) != 1 {
			t.Fatal(letters, err)
		}
		chain := letters[0].Envelope.Chain()
		for _, c := range []struct {
			f    wire.DeadFilter
			want int
		}{
			{wire.DeadFilter{}, 18}, {wire.DeadFilter{Type: "fragile"}, 18}, {wire.DeadFilter{Type: "other"}, 0}, {wire.DeadFilter{Function: "crack"}, 0},
			{wire.DeadFilter{Type: "fragile", Key: "a*"}, 10}, {wire.DeadFilter{Type: "fragile", Key: "a"}, 0}, {wire.DeadFilter{Type: "fragile", Key: "a2"}, 5}, {wire.DeadFilter{Method: "crack"}, 18},
			{wire.DeadFilter{Method: "cracked"}, 0}, {wire.DeadFilter{Kind: "crashed"}, 18}, {wire.DeadFilter{Kind: "timeout"}, 0},
			{wire.DeadFilter{Text: "BROKEN 4"}, 3}, {wire.DeadFilter{Since: middle}, 3}, {wire.DeadFilter{Until: middle}, 15},
			{wire.DeadFilter{Chain: chain}, 1}, {wire.DeadFilter{Text: "no such text"}, 0},
		} {
			if got := r.count(c.f); got != c.want {
				t.Errorf("%+v: %d, want %d", c.f, got, c.want)
			}
		}
		for _, f := range []wire.DeadFilter{{Key: "a"}, {Function: "f", Type: "t"}, {Kind: "odd"}, {Since: 5, Until: 5}} {
			if _, err := r.node.Redrive(context.Background(), wire.Redrive{Filter: f}, true); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", f, err)
			}
		}
	})
}

func (r *rig) redrive(j wire.Redrive) string {
	r.t.Helper()
	j, err := r.node.Redrive(context.Background(), j, false)
	if err != nil {
		r.t.Fatal(err)
	}
	return j.ID
}

func (r *rig) redriven(id string) wire.Redrive {
	r.t.Helper()
	list, err := r.node.Redrives(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, j := range list {
		if j.ID == id {
			return j
		}
	}
	r.t.Fatalf("there is no redrive %s in %+v", id, list)
	return wire.Redrive{}
}

// TestRedrive runs letters again at a rate, across a crash. Each runs once, and
// what dies again is not run for ever.
func TestRedrive(t *testing.T) {
	bubble(t, node.Config{}, fragiles(), func(r *rig) {
		bury(r, 50, "a", "b")
		r.crash()
		id := r.redrive(wire.Redrive{Filter: wire.DeadFilter{Type: "fragile", Key: "a"}, Rate: 10})
		pass(2 * time.Second)
		if j := r.redriven(id); j.Total != 50 || j.Done < 18 || j.Done > 23 || j.Finished != 0 {
			t.Errorf("after 2 seconds: %+v", j)
		}
		r.crash()
		pass(4 * time.Second)
		if j := r.redriven(id); j.Done != 50 || j.Finished == 0 || j.Stopped {
			t.Errorf("in the end: %+v", j)
		}
		for i, n := range do(r, cracked.To("a", situ.None{})) {
			if i != n {
				t.Fatalf("letter %d came at place %d", n, i)
			}
		}
		if got := do(r, cracked.To("a", situ.None{})); len(got) != 50 {
			t.Errorf("%d letters ran", len(got))
		}
		if err := r.node.StopRedrive(context.Background(), id); !fault.Is(err, fault.Conflict) {
			t.Errorf("stopped when it is finished: %v", err)
		}
		if err := r.node.StopRedrive(context.Background(), "r0"); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}

		broken.Store(true) // they die again
		id = r.redrive(wire.Redrive{})
		pass(time.Minute)
		broken.Store(false)
		if j := r.redriven(id); j.Total != 50 || j.Done != 50 || j.Finished == 0 {
			t.Errorf("of those that die again: %+v", j)
		}
		if n := r.count(wire.DeadFilter{}); n != 50 {
			t.Errorf("%d are left", n)
		}
		id = r.redrive(wire.Redrive{Drop: true, Rate: 1})
		pass(10 * time.Second)
		if err := r.node.StopRedrive(context.Background(), id); err != nil {
			t.Error(err)
		}
		pass(time.Minute)
		if j := r.redriven(id); !j.Stopped || j.Done < 8 || j.Done > 14 {
			t.Errorf("stopped: %+v", j)
		}
		id = r.redrive(wire.Redrive{Drop: true})
		pass(time.Second)
		if n := r.count(wire.DeadFilter{}); n != 0 || r.redriven(id).Finished == 0 || len(do(r, cracked.To("b", situ.None{}))) != 0 {
			t.Errorf("%d are left after a drop", n)
		}
	})
}
