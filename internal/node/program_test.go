package node_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// own is an object of a second program, with the name of one of the
// platform's: it adds, asks things, and tells others.
type own struct{ N int }

type ownTold struct {
	Keys []string
	Add  int
}

var (
	ownType  = situ.NewType("situ.tally")
	ownAdd   = situ.NewMethod[int, int](ownType, "add")
	ownTell  = situ.NewMethod[ownTold, int](ownType, "tell")
	ownPush  = situ.NewMethod[string, int](ownType, "push")
	ownPlain = situ.NewFunc[int, int]("situ.plain")
)

func owns() []situ.Component {
	return []situ.Component{
		situ.Object(ownType,
			situ.On(ownAdd, func(o *own, _ *situ.Turn, n int) (int, error) { o.N += n; return o.N, nil }),
			situ.On(ownTell, func(o *own, t *situ.Turn, in ownTold) (int, error) {
				for _, k := range in.Keys {
					situ.Send(t, ownAdd.To(k, in.Add))
				}
				o.N++
				return o.N, nil
			}),
			situ.On(ownPush, func(_ *own, t *situ.Turn, key string) (int, error) { return situ.Tail(t, push.To(key, 7)) })),
		situ.Function(ownPlain, func(_ *situ.Turn, n int) (int, error) { return n + 1, nil }),
	}
}

// withOwn runs owns as the program of the platform.
func withOwn(r *rig) {
	r.t.Helper()
	set, err := situ.Assemble(owns()...)
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := platform.Run(r.node.Program(node.Platform), set, host.Config{}, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.after = append(r.after, l.Close)
}

// mute is a host that takes frames and says nothing, until it is told to.
type mute struct {
	mu      sync.Mutex
	frames  []*turn.Frame
	reports chan *turn.Report
}

func newMute() *mute { return &mute{reports: make(chan *turn.Report, 8)} }

func (m *mute) Submit(f *turn.Frame) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frames = append(m.frames, f)
}

func (m *mute) Reports() <-chan *turn.Report { return m.reports }

func (m *mute) Cancel(uint64, int) {}

func (m *mute) taken() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.frames)
}

// useMain gives the main program another host for all shards.
func useMain(r *rig, h shard.Host) {
	r.t.Helper()
	m := r.set.Manifest()
	if err := r.node.Program(node.Main).SetHosts(func(wire.ShardID) shard.Host { return h }, &m); err != nil {
		r.t.Error(err)
	}
}

// TestProgramsApart has one program hang with a frame, and die with it, while
// another goes on: its turns run, are committed and answered, also across
// shards, and reads, lists and calls that are to be answered later work.
func TestProgramsApart(t *testing.T) {
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			bubble(t, node.Config{Store: store.Options{Shards: shards}}, components(), func(r *rig) {
				withOwn(r)
				hung := newMute()
				useMain(r, hung)
				const stuck = 16
				for i := range stuck {
					if _, err := r.node.Invoke(context.Background(), &wire.Request{To: wire.Address{Type: "thing", Key: fmt.Sprint(i), Method: "push"},
						Body: wire.Payload{Format: wire.JSON, Data: []byte("1")}, Async: true}); err != nil {
						t.Fatal(err)
					}
				}
				pass(time.Millisecond)
				if hung.taken() == 0 {
					t.Fatal("the other program has no frame")
				}
				// It takes milliseconds, not until the hung frame is given up.
				began := time.Now()
				var keys []string
				for i := range 40 {
					keys = append(keys, fmt.Sprint("k", i))
				}
				do(r, ownTell.To("root", ownTold{keys, 3}))
				for i := range 10 {
					if n := do(r, ownAdd.To("one", 1)); n != i+1 {
						t.Fatalf("one is %d, want %d", n, i+1)
					}
				}
				pass(time.Second)
				for _, k := range keys {
					if _, info, err := r.node.Object(context.Background(), wire.ObjectID{Type: "situ.tally", Key: k}); err != nil || info.Size == 0 {
						t.Errorf("%s: %v", k, err)
					}
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				close(hung.reports) // it dies
				pass(time.Second)
				r.setHosts()
				pass(10 * time.Second) // each of them was a suspect, and is tried
				for i := range stuck {
					if got := do(r, logged.To(fmt.Sprint(i), situ.None{})); len(got) != 1 {
						t.Errorf("thing %d: %v, want one turn", i, got)
					}
				}
				if n := do(r, ownAdd.To("one", 1)); n != 11 {
					t.Errorf("one is %d, want 11", n)
				}
			})
		})
	}
}

// TestFramesOfTwoPrograms has a frame of each of two programs out at once. One
// program is lost: the other's frame counts, and what both did is committed.
func TestFramesOfTwoPrograms(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		a, b := newMute(), newMute()
		set, err := situ.Assemble(owns()...)
		if err != nil {
			t.Fatal(err)
		}
		m := set.Manifest()
		if err := r.node.Program(node.Platform).SetHosts(func(wire.ShardID) shard.Host { return a }, &m); err != nil {
			t.Fatal(err)
		}
		useMain(r, b)
		one, two := make(chan string, 1), make(chan string, 1)
		call := func(to wire.Address, got chan string) {
			resp, err := r.node.Invoke(context.Background(), &wire.Request{To: to, Body: wire.Payload{Format: wire.JSON, Data: []byte("1")}, Want: wire.JSON})
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(resp.Body.Data)
		}
		go call(wire.Address{Type: "situ.tally", Key: "k", Method: "add"}, one)
		go call(wire.Address{Type: "thing", Key: "k", Method: "push"}, two)
		pass(time.Millisecond)
		if a.taken() != 1 || b.taken() != 1 {
			t.Fatalf("%d and %d frames are out, want one each", a.taken(), b.taken())
		}
		close(b.reports)
		pass(time.Millisecond)
		a.reports <- &turn.Report{Frame: a.frames[0].Seq, Changes: []turn.Change{{Slot: a.frames[0].Tasks[0].Slot, Root: []byte{0xa1, 0x61, 'N', 5}, Size: 4}},
			Results: []turn.Result{{Outcome: turn.Done, Answer: wire.Payload{Format: wire.JSON, Data: []byte("5")}}}}
		pass(time.Millisecond)
		select {
		case got := <-one:
			if got != "5" {
				t.Errorf("the answer is %s, want 5", got)
			}
		default:
			t.Error("a frame of another program was lost, and this one's answer does not come")
		}
		r.setHosts()
		if got := <-two; got != "1" {
			t.Errorf("what was lost answers %s, want 1", got)
		}
		r.crash()
		if _, info, err := r.node.Object(context.Background(), wire.ObjectID{Type: "situ.tally", Key: "k"}); err != nil || info.Size != 4 {
			t.Errorf("after a crash: %+v, %v", info, err)
		}
	})
}

// TestProgramReplaced replaces one program while another has a frame out.
func TestProgramReplaced(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		withOwn(r)
		hung := newMute()
		useMain(r, hung)
		go func() {
			_, _ = r.node.Invoke(context.Background(), &wire.Request{To: wire.Address{Type: "thing", Key: "k", Method: "push"}})
		}()
		pass(time.Millisecond)
		if n := do(r, ownAdd.To("k", 1)); n != 1 {
			t.Errorf("%d, want 1", n)
		}
		withOwn(r)
		if n := do(r, ownAdd.To("k", 1)); n != 2 {
			t.Errorf("after it was replaced: %d, want 2", n)
		}
		if n := do(r, ownPlain.With(1)); n != 2 {
			t.Errorf("its function: %d, want 2", n)
		}
		close(hung.reports)
	})
}

// TestBetweenPrograms has one program call another and answer for it.
func TestBetweenPrograms(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 4}}, components(), func(r *rig) {
		withOwn(r)
		for i := range 8 {
			if n := do(r, ownPush.To(fmt.Sprint(i), fmt.Sprint("to", i))); n != 1 {
				t.Errorf("%d, want 1", n)
			}
		}
	})
}

// TestNamesOfPrograms refuses a program that names what another has, or what
// is the platform's to have, and takes nothing of it.
func TestNamesOfPrograms(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		for _, c := range []struct {
			program string
			m       host.Manifest
			kind    fault.Kind
			says    string
		}{
			{"other", host.Manifest{Types: []host.TypeManifest{{Name: "thing"}}}, fault.Conflict, `the program "main" has a type of that name`},
			{"other", host.Manifest{Functions: []host.MethodManifest{{Name: "twice"}}}, fault.Conflict, `the program "main" has a function of that name`},
			{"other", host.Manifest{Functions: []host.MethodManifest{{Name: "situ.x"}}}, fault.Invalid, `"situ." are the platform's`},
			{node.Main, host.Manifest{Types: []host.TypeManifest{{Name: "situ.x"}}}, fault.Invalid, `"situ." are the platform's`},
			{node.Platform, host.Manifest{Types: []host.TypeManifest{{Name: "x"}}}, fault.Invalid, `begins with "situ."`},
		} {
			before := r.node.Manifest()
			err := r.node.Program(c.program).SetHosts(func(wire.ShardID) shard.Host { return newMute() }, &c.m)
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %v that says %s", c.program, err, c.kind, c.says)
			}
			if r.node.Manifest() != before {
				t.Errorf("%s: something of it was taken", c.program)
			}
		}
		// A type and a function may share a name: they never meet.
		m := &host.Manifest{Functions: []host.MethodManifest{{Name: "thing"}}}
		if err := r.node.Program("other").SetHosts(func(wire.ShardID) shard.Host { return newMute() }, m); err != nil {
			t.Error(err)
		}
		if n := do(r, push.To("k", 1)); n != 1 {
			t.Errorf("%d, want 1", n)
		}
	})
}

// TestNoMainYet calls one program before the main one is there: what is not
// known may come yet. Messages for it wait; when it is there and does not have
// what they are for, they are answered.
func TestNoMainYet(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		withOwn(r)
		do(r, ownPush.To("k", "a")) // leaves thing/a
		r.close()
		r.reopen()
		withOwn(r)
		_, err := r.node.Invoke(context.Background(), &wire.Request{To: wire.Address{Type: "thing", Key: "a", Method: "push"}})
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("a type of a program that is not there yet: %v", err)
		}
		if _, err = r.node.Invoke(context.Background(), &wire.Request{To: wire.Address{Type: "situ.tally", Key: "a", Method: "none"}}); !fault.Is(err, fault.NotFound) {
			t.Errorf("a method that a program does not have: %v", err)
		}
		got := make(chan int, 1)
		go func() {
			n, err := situ.Do(context.Background(), r, ownPush.To("k", "a"))
			if err != nil {
				t.Error(err)
			}
			got <- n
		}()
		pass(5 * time.Second)
		if len(got) > 0 {
			t.Error("it was answered by nobody")
		}
		r.setHosts()
		if n := <-got; n != 2 {
			t.Errorf("%d, want 2", n)
		}
		// Now the main program loses the type, and with it what is for it.
		if err := r.node.Program(node.Main).SetHosts(func(wire.ShardID) shard.Host { return newMute() }, &host.Manifest{}); err != nil {
			t.Error(err)
		}
		if _, err := situ.Do(context.Background(), r, ownPush.To("k", "a")); kindOf(err) != fault.NotFound.String() {
			t.Errorf("to a type that nobody has: %v", err)
		}
	})
}
