package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

// usage returns what was counted, by "type.method".
func (r *rig) usage() map[string]meter.Counts {
	r.t.Helper()
	lines, err := r.node.Usage(r.t.Context(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]meter.Counts{}
	for _, l := range lines {
		all[strings.TrimPrefix(l.Type+"."+l.Method, ".")] = l.Counts
	}
	return all
}

// TestUsageOfAChain has the example of docs/trace.md: what is counted by method
// is what the tree of the chain says.
func TestUsageOfAChain(t *testing.T) {
	bubble(t, node.Config{}, clerks(), func(r *rig) {
		id := r.start(askOf("1"), `"2,3"`)
		pass(time.Minute)
		const ms = 1e6
		want := map[string]meter.Counts{
			"clerk.ask":  {Turns: 2, Active: 20 * ms, Calls: 2, Wall: (1050 + 1035) * ms, Sync: (1050 + 1035) * ms, Own: (15 + 15) * ms},
			"clerk.got":  {Turns: 2, Active: 10 * ms},
			"clerk.tell": {Turns: 1, Active: 30 * ms, Calls: 1, Wall: 1020 * ms, Sync: 30 * ms, Own: 30 * ms},
		}
		got := r.usage()
		for name, w := range want {
			if got[name] != w {
				t.Errorf("%s: got  %+v\nwant %+v", name, got[name], w)
			}
		}
		r.agree(id)
		r.crash()
		pass(2 * time.Second)
		again := r.usage()
		for name := range want {
			if again[name] != got[name] {
				t.Errorf("%s after a crash: %+v", name, again[name])
			}
		}
	})
}

// agree checks that the counts of all methods and the trees of the chains say
// the same.
func (r *rig) agree(ids ...wire.InvocationID) {
	r.t.Helper()
	var active, sync, wall, sumActive, sumSync, sumWall wire.Time
	for _, id := range ids {
		tree := span.Build(must(r.node.Trace(r.t.Context(), id)))
		active, sync = active+tree.Active, sync+tree.Sync
		for _, n := range tree.Nodes {
			if !n.Continuation() {
				wall += n.Wall(tree.Now)
			}
		}
	}
	for _, c := range r.usage() {
		sumActive, sumSync, sumWall = sumActive+wire.Time(c.Own), sumSync+wire.Time(c.Sync), sumWall+wire.Time(c.Wall)
	}
	if active != sumActive || sync != sumSync || wall != sumWall {
		r.t.Errorf("the trees say active %d sync %d wall %d, the counts %d %d %d", active, sync, wall, sumActive, sumSync, sumWall)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestUsageAgreesWithTraces for callbacks that are handed on and held, for calls
// that fail, and for those that nobody waits for.
func TestUsageAgreesWithTraces(t *testing.T) {
	bubble(t, node.Config{}, clerks(), func(r *rig) {
		to := func(key, method string) wire.Address { return wire.Address{Type: "clerk", Key: key, Method: method} }
		ids := []wire.InvocationID{
			r.start(to("1", "on"), `"2"`), r.start(to("3", "odd"), `""`), r.start(to("4", "many"), `7`), r.start(askOf("5"), `"6,7,8,9"`)}
		pass(time.Minute)
		do(r, clerkFree.To("2", "x"))
		pass(time.Minute)
		r.agree(ids...)
		if got := r.usage()["clerk.odd"]; got.Retries != 2 || got.Turns != 1 || got.Active != 30e6 || got.Errors != 0 {
			t.Errorf("odd: %+v", got)
		}
	})
}

// TestCountsAreExact over crashes: of turns with effects, as many are counted as
// there were.
func TestCountsAreExact(t *testing.T) {
	bubble(t, node.Config{}, clerks(), func(r *rig) {
		turns := uint64(0)
		for range 5 {
			for range 20 {
				do(r, clerkTell.To("a", "x"))
				r.start(wire.Address{Type: "clerk", Key: "b", Method: "tell"}, `"x"`)
			}
			pass(time.Minute)
			r.crash()
			if turns += 20; r.usage()["clerk.tell"].Turns < turns {
				t.Errorf("%d turns are counted of %d", r.usage()["clerk.tell"].Turns, turns)
			}
		}
		pass(time.Minute)
		if got := r.usage()["clerk.tell"]; got.Turns != 200 || got.Active != 200*30e6 {
			t.Errorf("%+v", got)
		}
	})
}

// TestCountsOfReads are written within a second, and with no commit before.
func TestCountsOfReads(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		before := r.last()
		do(r, logged.To("x", situ.None{}))
		time.Sleep(500 * time.Millisecond)
		if n := r.last(); n != before {
			t.Errorf("%d commits for a read", n-before)
		}
		pass(2 * time.Second)
		if got := r.usage()["thing.log"]; got.Turns != 1 {
			t.Errorf("%+v", got)
		}
		if n := r.last(); n != before+1 {
			t.Errorf("%d commits", n-before)
		}
	})
}

// last returns the numbers of the last commits of all shards, in sum.
func (r *rig) last() (sum wire.Seq) {
	r.t.Helper()
	for _, st := range must(r.node.Figures(r.t.Context())) {
		sum += st.Seq
	}
	return sum
}

// TestCountsOfFunctions that run beside the shards are written within a second,
// and when the node ends.
func TestCountsOfFunctions(t *testing.T) {
	bubbleBeside(t, node.Config{}, 16, beside(), func(r *rig) {
		const n = 10
		for range n {
			do(r, napFn.With(20))
		}
		pass(2 * time.Second)
		if got := r.usage()["nap"]; got.Turns != n || got.Active != n*20e6 {
			t.Errorf("%+v", got)
		}
		do(r, napFn.With(20))
		do(r, tallyGet.To("a", situ.None{}))
		r.close()
		r.open()
		if got := r.usage()["nap"]; got.Turns != n+1 {
			t.Errorf("after an orderly end: %+v", got)
		}
		if got := r.usage()["tally.get"]; got.Turns != 1 {
			t.Errorf("a read, after an orderly end: %+v", got)
		}
	})
}

var napFn = situ.NewFunc[int, int]("nap")

func beside() []situ.Component {
	return []situ.Component{situ.Object(tallyType, situ.On(tallyAdd, func(_ *tally, _ *situ.Turn, n int) (int, error) { return n, nil }),
		situ.On(tallyGet, func(*tally, *situ.Turn, situ.None) (int, error) { return 0, nil })), situ.Function(napFn, func(_ *situ.Turn, ms int) (int, error) { work(ms); return ms, nil })}
}
