package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// The components of these tests: a tree of calls. Each node of it calls its
// children, at once or later, and undoes what it did if one of them fails.
var (
	treeType = situ.NewType("tree")
	grow     = situ.NewMethod[branch, int](treeType, "grow")
	grown    = situ.NewMethod[situ.Reply[int, branch], int](treeType, "grown")
	undo     = situ.NewMethod[string, situ.None](treeType, "undo")
	counts   = situ.NewMethod[situ.None, tree](treeType, "counts", situ.ReadOnly)
)

// branch is a node of a tree. It calls its children one after another.
type branch struct {
	Name  string
	After time.Duration // its children are called so much later
	Next  []branch
	At    int // of Next
	Sum   int
}

type tree struct{ Grown, Undone, Told int }

func trees(began *sync.Map) []situ.Component {
	step := func(t *situ.Turn, b branch) (int, error) {
		if b.At == len(b.Next) {
			return b.Sum + 1, nil
		}
		next := b.Next[b.At]
		b.At++
		return situ.Then(t, grow.To(next.Name, next).After(b.After), grown, b)
	}
	return []situ.Component{situ.Object(treeType,
		situ.On(grow, func(o *tree, t *situ.Turn, b branch) (int, error) {
			if began != nil {
				began.Store(b.Name, time.Now())
			}
			o.Grown++
			return step(t, b)
		}),
		situ.On(grown, func(o *tree, t *situ.Turn, r situ.Reply[int, branch]) (int, error) {
			if err := r.Err(); err != nil {
				o.Told++
				situ.Send(t, undo.To(t.Key(), "because").After(time.Second))
				var p situ.Promise[int]
				out, moved := situ.Hold(t, &p) // returning an error would undo the rest of the turn
				situ.Reject(t, &p, err)
				return out, moved
			}
			b := r.Carry
			b.Sum += r.Value
			return step(t, b)
		}),
		situ.On(undo, func(o *tree, _ *situ.Turn, _ string) (situ.None, error) { o.Undone++; return situ.None{}, nil }),
		situ.On(counts, func(o *tree, _ *situ.Turn, _ situ.None) (tree, error) { return *o, nil }))}
}

func (r *rig) cancel(id wire.InvocationID, reason string) error {
	return r.node.Cancel(context.Background(), id, reason)
}

// TestCancel cancels a chain whose next call is due in an hour. What waited is
// told and cleans up; what had not run never does.
func TestCancel(t *testing.T) {
	for name, crash := range map[string]bool{"running": false, "crashed": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, node.Config{Store: store.Options{Shards: 3}}, trees(nil), func(r *rig) {
				deep := branch{Name: "a", Next: []branch{{Name: "b", After: time.Hour, Next: []branch{{Name: "c"}}}}}
				id := begin(r, grow.To("a", deep), deep)
				pass(time.Minute)
				waits := make(chan *wire.Invocation, 1)
				if !crash {
					go func() {
						inv, err := r.node.Invocation(context.Background(), id, time.Minute)
						if err != nil {
							t.Error(err)
						}
						waits <- inv
					}()
				}
				pass(time.Millisecond)
				if err := r.cancel(id, "no need"); err != nil {
					t.Fatal(err)
				}
				if crash {
					r.crash()
					waits <- r.record(id)
				}
				if inv := <-waits; inv.Fail == nil || inv.Fail.Kind != "canceled" || inv.Fail.Message != "the call "+string(id)+" was cancelled: no need" {
					t.Errorf("it was answered %+v", inv.Fail)
				}
				pass(10 * time.Second)
				for key, want := range map[string]tree{"a": {Grown: 1, Undone: 1, Told: 1}, "b": {Grown: 1, Undone: 1, Told: 1}, "c": {}} {
					if got := do(r, counts.To(key, situ.None{})); got != want {
						t.Errorf("%s: %+v, want %+v", key, got, want)
					}
				}
				if n := r.stats().Timers; n != 0 {
					t.Errorf("%d timers are left", n)
				}
				err := r.cancel(id, "")
				if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "the call is over: it was cancelled") {
					t.Errorf("cancelled twice: %v", err)
				}
				pass(25 * time.Hour)
				if err := r.cancel(id, ""); !fault.Is(err, fault.NotFound) {
					t.Errorf("cancelled when it is forgotten: %v", err)
				}
			})
		})
	}
}

// TestCancelOver refuses to cancel what is answered, and what there is not.
func TestCancelOver(t *testing.T) {
	bubble(t, node.Config{}, trees(nil), func(r *rig) {
		id := begin(r, grow.To("a", branch{Name: "a"}), branch{Name: "a"})
		pass(time.Second)
		if err := r.cancel(id, ""); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "it was answered") {
			t.Error(err)
		}
		for _, id := range []wire.InvocationID{"", "x", "0000-nobody", "ffff-x"} {
			if err := r.cancel(id, ""); !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
		if err := r.cancel(id, strings.Repeat("x", 1001)); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
	})
}

// TestCancelWhatIsParked cancels a chain whose call is parked: it is not run when
// that is let go.
func TestCancelWhatIsParked(t *testing.T) {
	bubble(t, node.Config{}, trees(nil), func(r *rig) {
		c := wire.Scope{Type: "tree", Key: "c"}
		r.pause(c)
		b := branch{Name: "a", Next: []branch{{Name: "c"}}}
		id := begin(r, grow.To("a", b), b)
		pass(time.Second)
		if got := r.pauses(); got != "object:tree/c 1" {
			t.Fatal(got)
		}
		if err := r.cancel(id, ""); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if got := r.pauses(); got != "object:tree/c 0" {
			t.Errorf("paused: %s", got)
		}
		r.resume(c, 0)
		pass(time.Second)
		for key, want := range map[string]tree{"a": {Grown: 1, Undone: 1, Told: 1}, "c": {}} {
			if got := do(r, counts.To(key, situ.None{})); got != want {
				t.Errorf("%s: %+v, want %+v", key, got, want)
			}
		}
	})
}

// randomBranch makes a tree of up to so many branches.
func randomBranch(rnd *rand.Rand, tag string, size *int) branch {
	*size--
	b := branch{Name: fmt.Sprintf("%s%d", tag, *size)}
	if rnd.IntN(2) == 0 {
		b.After = time.Duration(rnd.IntN(2000)) * time.Millisecond
	}
	for *size > 0 && rnd.IntN(3) > 0 {
		b.Next = append(b.Next, randomBranch(rnd, tag, size))
	}
	return b
}

func (b *branch) each(f func(*branch)) {
	f(b)
	for i := range b.Next {
		b.Next[i].each(f)
	}
}

// TestCancelRandom cancels chains, each a random tree of calls, at random points,
// with crashes. Each is answered once; of one that was cancelled nothing begins any
// more when that is durable everywhere; who was told of it cleans up, and nobody
// twice; of one that was not, all is done.
func TestCancelRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(seed.New(t), 2))
	var began sync.Map
	var fuse atomic.Int64
	cfg := node.Config{Store: store.Options{Shards: 3}, Shard: shard.Config{BeforeCommit: func(wire.Seq) error {
		if fuse.Load() != 0 && fuse.Add(-1) == 0 {
			return errCrash
		}
		return nil
	}}}
	bubble(t, cfg, trees(&began), func(r *rig) {
		for round := range 25 {
			size := 1 + rnd.IntN(12)
			b := randomBranch(rnd, fmt.Sprintf("r%d-", round), &size)
			total := 0
			b.each(func(*branch) { total++ })
			id := begin(r, grow.To(b.Name, b), b)
			pass(time.Duration(rnd.IntN(4000)) * time.Millisecond)
			if rnd.IntN(2) == 0 {
				r.crash()
			}
			if rnd.IntN(3) == 0 {
				fuse.Store(1 + rnd.Int64N(4)) // dies while the cancel spreads
			}
			err := r.cancel(id, "at random")
			if fuse.Store(0); r.ended() || err != nil && !fault.Is(err, fault.Conflict) {
				r.crash()
			}
			pass(time.Millisecond)
			if r.ended() {
				r.crash()
			}
			pass(2 * time.Second) // it is everywhere
			inv := r.record(id)
			durable, cancelled := time.Now(), inv.Finished != 0 && inv.Fail != nil
			pass(5 * time.Minute) // long after the last of them, of which each looks at all the rows there are every 2 s
			if again := r.record(id); cancelled && (again.Finished != inv.Finished || again.Fail.Kind != "canceled") || again.Finished == 0 {
				t.Fatalf("round %d: the answer was %+v and is %+v", round, inv, again)
			}
			if inv = r.record(id); !cancelled && (inv.Fail != nil || string(inv.Body.Data) != string(cborInt(total))) {
				t.Fatalf("round %d: a chain of %d that was not cancelled answered %x, %+v", round, total, inv.Body.Data, inv.Fail)
			}
			b.each(func(b *branch) {
				at, ran := began.Load(b.Name)
				got := do(r, counts.To(b.Name, situ.None{}))
				switch {
				case got.Grown > 1 || got.Undone != got.Told || got.Told > 1:
					t.Errorf("round %d: %s: %+v", round, b.Name, got)
				case cancelled && ran && at.(time.Time).After(durable):
					t.Errorf("round %d: %s began %v after the cancel was durable", round, b.Name, at.(time.Time).Sub(durable))
				case !cancelled && (got != tree{Grown: 1}):
					t.Errorf("round %d: %s of a chain that was not cancelled: %+v", round, b.Name, got)
				}
			})
		}
	})
}

// cborInt encodes a small number.
func cborInt(n int) []byte {
	if n < 24 {
		return []byte{byte(n)}
	}
	return []byte{0x18, byte(n)}
}
