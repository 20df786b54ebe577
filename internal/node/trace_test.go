package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

var (
	clerkType = situ.NewType("clerk", situ.Retries(situ.RetryPolicy(3, time.Second, time.Second)))
	clerkAsk  = situ.NewMethod[string, string](clerkType, "ask")
	clerkGot  = situ.NewMethod[situ.Reply[string, string], string](clerkType, "got")
	clerkTell = situ.NewMethod[string, string](clerkType, "tell")
	clerkHold = situ.NewMethod[string, string](clerkType, "hold")
	clerkFree = situ.NewMethod[string, string](clerkType, "free")
	clerkOn   = situ.NewMethod[string, string](clerkType, "on")
	clerkOdd  = situ.NewMethod[string, string](clerkType, "odd")
	clerkMany = situ.NewMethod[int, string](clerkType, "many")
)

type clerk struct {
	P situ.Promise[string]
}

func work(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }

// clerks ask each other: "ask a,b,c" takes 10 ms, asks a with "b,c", and the
// answer takes 5 ms more. The last one is told, a second later, in 30 ms.
func clerks() []situ.Component {
	return []situ.Component{situ.Object(clerkType,
		situ.On(clerkAsk, func(_ *clerk, t *situ.Turn, path string) (string, error) {
			work(10)
			next, rest, more := strings.Cut(path, ",")
			if more {
				return situ.Then(t, clerkAsk.To(next, rest), clerkGot, "carried")
			}
			return situ.Then(t, clerkTell.To(next, "x").After(time.Second), clerkGot, "carried")
		}),
		situ.On(clerkGot, func(_ *clerk, _ *situ.Turn, r situ.Reply[string, string]) (string, error) {
			work(5)
			return r.Value + "!", r.Err()
		}),
		situ.On(clerkTell, func(*clerk, *situ.Turn, string) (string, error) { work(30); return "told", nil }),
		situ.On(clerkHold, func(c *clerk, t *situ.Turn, _ string) (string, error) { work(10); return situ.Hold(t, &c.P) }),
		situ.On(clerkFree, func(c *clerk, t *situ.Turn, s string) (string, error) { situ.Resolve(t, &c.P, s); return s, nil }),
		situ.On(clerkOn, func(_ *clerk, t *situ.Turn, to string) (string, error) {
			work(10)
			return situ.Tail(t, clerkHold.To(to, ""))
		}),
		situ.On(clerkOdd, func(_ *clerk, t *situ.Turn, _ string) (string, error) {
			work(10)
			if t.Attempt() < 2 {
				panic("odd")
			}
			return "even", nil
		}),
		situ.On(clerkMany, func(_ *clerk, t *situ.Turn, n int) (string, error) {
			for i := range n {
				situ.Send(t, clerkTell.To(fmt.Sprint("m", i), "x"))
			}
			return "sent", nil
		}))}
}

// start makes an asynchronous call and returns its name.
func (r *rig) start(to wire.Address, in string) wire.InvocationID {
	r.t.Helper()
	resp, err := r.node.Invoke(r.t.Context(), &wire.Request{To: to, Async: true, Body: wire.Payload{Format: wire.JSON, Data: []byte(in)}, Want: wire.JSON})
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.ID
}

func (r *rig) tree(id wire.InvocationID) *span.Tree {
	r.t.Helper()
	tr, err := r.node.Trace(context.Background(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return span.Build(tr)
}

// lines shows a tree: where each call is, its times since the chain began, in
// milliseconds: made, begun, ended, answered; own active time and the time it
// would be billed if callers waited.
func lines(t *span.Tree) string {
	var b strings.Builder
	ms := func(at wire.Time) int64 {
		if at == 0 {
			return -1
		}
		return time.Duration(at - t.Record.Created).Milliseconds()
	}
	for _, n := range t.Nodes {
		fmt.Fprintf(&b, "%s%s %s %d %d %d %d own=%d sync=%d runs=%d\n", strings.Repeat("  ", n.Depth), n.To, n.Where,
			ms(n.Made), ms(n.Begun), ms(n.Ended), ms(n.Answered), time.Duration(n.Own).Milliseconds(), time.Duration(n.Sync(t.Now)).Milliseconds(), n.Runs)
	}
	fmt.Fprintf(&b, "active=%d wall=%d sync=%d left=%d", time.Duration(t.Active).Milliseconds(), time.Duration(t.Wall).Milliseconds(), time.Duration(t.Sync).Milliseconds(), t.Left)
	return b.String()
}

func askOf(key string) wire.Address { return wire.Address{Type: "clerk", Key: key, Method: "ask"} }

// TestTrace follows a chain over shards, while it waits and when it is over.
func TestTrace(t *testing.T) {
	bubble(t, node.Config{}, clerks(), func(r *rig) {
		id := r.start(askOf("1"), `"2,3"`)
		time.Sleep(500 * time.Millisecond)
		waits := `clerk/1.ask waiting 0 0 10 -1 own=10 sync=500 runs=1
  clerk/2.ask waiting 10 10 20 -1 own=10 sync=490 runs=1
    clerk/3.tell delayed 20 -1 -1 -1 own=0 sync=0 runs=0
active=20 wall=500 sync=990 left=0`
		r.traced(id, waits)
		r.crash()
		r.traced(id, waits)
		time.Sleep(time.Minute)
		r.traced(id, `clerk/1.ask done 0 0 10 1050 own=15 sync=1050 runs=1
  clerk/2.ask done 10 10 20 1045 own=15 sync=1035 runs=1
    clerk/3.tell done 20 1010 1040 1040 own=30 sync=30 runs=1
    clerk/2.got done 1040 1040 1045 1045 own=0 sync=0 runs=1
  clerk/1.got done 1045 1045 1050 1050 own=0 sync=0 runs=1
active=60 wall=1050 sync=2115 left=0`)
	})
}

// TestTraceOfAPromise shows a callback that is handed on, and held, until a call
// of another chain answers.
func TestTraceOfAPromise(t *testing.T) {
	bubble(t, node.Config{}, clerks(), func(r *rig) {
		id := r.start(wire.Address{Type: "clerk", Key: "1", Method: "on"}, `"2"`)
		time.Sleep(100 * time.Millisecond)
		r.traced(id, `clerk/1.on handed-on 0 0 10 -1 own=10 sync=100 runs=1
  clerk/2.hold held 10 10 20 -1 own=10 sync=90 runs=1
active=20 wall=100 sync=190 left=0`)
		do(r, clerkFree.To("2", "free"))
		r.traced(id, `clerk/1.on done 0 0 10 100 own=10 sync=100 runs=1
  clerk/2.hold done 10 10 20 100 own=10 sync=90 runs=1
active=20 wall=100 sync=190 left=0`)
	})
}

// TestTraceOfAToken shows a call that waits for a callback token as a call of its
// own, without the token, also when the waiting call was handed on.
func TestTraceOfAToken(t *testing.T) {
	typ := situ.NewType("asker")
	ask := situ.NewMethod[bool, string](typ, "ask")
	got := situ.NewMethod[situ.Reply[string, string], string](typ, "got")
	var token string
	c := situ.Object(typ,
		situ.On(ask, func(_ *struct{}, t *situ.Turn, tail bool) (string, error) {
			var call situ.Call[string]
			call, token = situ.Token[string](t, time.Hour)
			if tail {
				return situ.Tail(t, call)
			}
			return situ.Then(t, call, got, "")
		}),
		situ.On(got, func(_ *struct{}, _ *situ.Turn, r situ.Reply[string, string]) (string, error) { return r.Value, r.Err() }))
	bubble(t, node.Config{}, []situ.Component{c}, func(r *rig) {
		for _, x := range []struct{ in, waits, done string }{
			{"false", `asker/a.ask waiting 0 0 0 -1 own=0 sync=2000 runs=1
  callback token waiting 0 -1 -1 -1 own=0 sync=0 runs=0
active=0 wall=2000 sync=2000 left=0`, `asker/a.ask done 0 0 0 2000 own=0 sync=2000 runs=1
  callback token done 0 -1 -1 2000 own=0 sync=0 runs=0
  asker/a.got done 2000 2000 2000 2000 own=0 sync=0 runs=1
active=0 wall=2000 sync=2000 left=0`},
			{"true", `asker/a.ask handed-on 0 0 0 -1 own=0 sync=2000 runs=1
  callback token waiting 0 -1 -1 -1 own=0 sync=0 runs=0
active=0 wall=2000 sync=2000 left=0`, `asker/a.ask done 0 0 0 2000 own=0 sync=2000 runs=1
  callback token done 0 -1 -1 2000 own=0 sync=0 runs=0
active=0 wall=2000 sync=2000 left=0`},
		} {
			id := r.start(wire.Address{Type: "asker", Key: "a", Method: "ask"}, x.in)
			time.Sleep(2 * time.Second)
			r.traced(id, x.waits)
			for _, row := range r.tree(id).Rows {
				if strings.Contains(fmt.Sprintf("%+v", row), token) {
					t.Errorf("the token is in %+v", row)
				}
			}
			if err := r.node.AnswerToken(context.Background(), wire.InvocationID(token), wire.Payload{Format: wire.JSON, Data: []byte(`"x"`)}, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			r.traced(id, x.done)
		}
	})
}

// TestTraceOfFailures shows a call that fails twice, and runs in between.
func TestTraceOfFailures(t *testing.T) {
	bubble(t, node.Config{}, clerks(), func(r *rig) {
		id := r.start(wire.Address{Type: "clerk", Key: "1", Method: "odd"}, `""`)
		time.Sleep(5 * time.Millisecond)
		r.traced(id, `clerk/1.odd running 0 -1 -1 -1 own=0 sync=0 runs=0
active=0 wall=5 sync=0 left=0`)
		time.Sleep(500 * time.Millisecond)
		tree := r.traced(id, `clerk/1.odd retrying 0 0 10 -1 own=10 sync=505 runs=1
active=10 wall=505 sync=505 left=0`)
		if n := tree.Nodes[0]; n.Fail == nil || n.Fail.Message != "panic: odd" || n.Until-tree.Record.Created < 1e9 {
			t.Errorf("%+v", n)
		}
		r.crash()
		time.Sleep(10 * time.Second)
		tree = r.traced(id, "")
		if n := tree.Nodes[0]; n.Where != span.Done || n.Runs != 3 || n.Own != 30e6 || n.Begun != tree.Record.Created {
			t.Errorf("%+v", n)
		}
	})
}

// TestTraceHasABound leaves out what is over it, and says how much.
func TestTraceHasABound(t *testing.T) {
	bubble(t, node.Config{Shard: shard.Config{MaxSpans: 10}}, clerks(), func(r *rig) {
		id := r.start(wire.Address{Type: "clerk", Key: "1", Method: "many"}, `100`)
		time.Sleep(time.Minute)
		tree := r.tree(id)
		if len(tree.Nodes) != 20 || tree.Left != 81 || tree.Nodes[0].Missing != 81 {
			t.Errorf("%d calls, %d left out, %d missing", len(tree.Nodes), tree.Left, tree.Nodes[0].Missing)
		}
	})
}

// TestTraceGoes with the record of its chain, and not before.
func TestTraceGoes(t *testing.T) {
	bubble(t, node.Config{Limits: node.Limits{KeepAnswers: time.Hour}}, clerks(), func(r *rig) {
		long := r.start(wire.Address{Type: "clerk", Key: "1", Method: "hold"}, `""`)
		short := r.start(wire.Address{Type: "clerk", Key: "2", Method: "many"}, `5`)
		pass(30 * time.Minute)
		if n := len(r.tree(short).Nodes); n != 6 {
			t.Fatalf("%d calls", n)
		}
		pass(3 * time.Hour)
		if _, err := r.node.Trace(t.Context(), short); !fault.Is(err, fault.NotFound) {
			t.Errorf("there is a trace without a record: %v", err)
		}
		if n := len(r.tree(long).Nodes); n != 1 {
			t.Errorf("a chain that waits has %d calls", n)
		}
		do(r, clerkFree.To("1", "free"))
		pass(3 * time.Hour)
		r.stop()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		rows := 0
		st, err := store.Open("data", store.Options{FS: r.fs})
		if err != nil {
			t.Fatal(err)
		}
		for i := range st.Shards() {
			err := st.Shard(wire.ShardID(i)).Scan(store.Spans, nil, nil, func(k, _ []byte) (bool, error) {
				t.Logf("%q", k)
				rows++
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if rows != 0 {
			t.Errorf("%d rows are left", rows)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		r.open()
	})
}

// traced compares a tree with what it should be, unless want is "".
func (r *rig) traced(id wire.InvocationID, want string) *span.Tree {
	r.t.Helper()
	tree := r.tree(id)
	if got := lines(tree); got != want && want != "" {
		r.t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	return tree
}
