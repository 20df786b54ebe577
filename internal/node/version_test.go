package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform"
)

// tallied is an object of a deployment: its state says which versions wrote it.
type tallied struct {
	N  int
	By map[string]int
}

type meterOut struct {
	N  int
	By string // the version that ran this
}

var (
	meterType  = situ.NewType("tallied")
	meterAdd   = situ.NewMethod[int, meterOut](meterType, "add")
	meterSlow  = situ.NewMethod[time.Duration, meterOut](meterType, "slow")
	meterRelay = situ.NewMethod[int, situ.None](meterType, "relay")
	meterWho   = situ.NewFunc[situ.None, string]("tally-who")
)

// version returns the components of a version.
func version(name string) []situ.Component {
	add := func(o *tallied, n int) (meterOut, error) {
		if o.By == nil {
			o.By = map[string]int{}
		}
		o.N += n
		o.By[name]++
		return meterOut{o.N, name}, nil
	}
	return []situ.Component{
		situ.Object(meterType,
			situ.On(meterAdd, func(o *tallied, _ *situ.Turn, n int) (meterOut, error) { return add(o, n) }),
			situ.On(meterSlow, func(o *tallied, _ *situ.Turn, d time.Duration) (meterOut, error) {
				time.Sleep(d)
				return add(o, 1)
			}),
			situ.On(meterRelay, func(_ *tallied, t *situ.Turn, n int) (situ.None, error) {
				for i := range n {
					situ.Send(t, meterAdd.To(fmt.Sprint("r", i), 1))
				}
				return situ.None{}, nil
			})),
		situ.Function(meterWho, func(*situ.Turn, situ.None) (string, error) { return name, nil }),
	}
}

// withVersions runs versions of one deployment, with weights.
func withVersions(r *rig, weights map[string]float64) {
	r.t.Helper()
	for _, v := range []string{"v1", "v2"} {
		set, err := situ.Assemble(version(v)...)
		if err != nil {
			r.t.Fatal(err)
		}
		l, err := platform.Run(r.node.Program("tally@"+v), set, host.Config{}, r.beside)
		if err != nil {
			r.t.Fatal(err)
		}
		r.after = append(r.after, l.Close)
	}
	weigh(r, weights)
}

func weigh(r *rig, weights map[string]float64) {
	r.t.Helper()
	if err := r.node.SetWeights(weights); err != nil {
		r.t.Fatal(err)
	}
}

func only(v string) map[string]float64 {
	w := map[string]float64{"tally@v1": 0, "tally@v2": 0}
	w["tally@"+v] = 1
	return w
}

// Objects have their part of the weights, stick to their version, and move only as
// many as must, with their state.
func TestVersionsShareObjects(t *testing.T) {
	const n = 2000
	bubble(t, node.Config{}, nil, func(r *rig) {
		withVersions(r, only("v1"))
		had, turns := map[string]string{}, 0
		ask := func() (share float64, moved int) {
			turns++
			for i := range n {
				key := fmt.Sprint("k", i)
				out := do(r, meterAdd.To(key, 1))
				if out.N != turns {
					t.Fatalf("%s has %d after %d turns", key, out.N, turns)
				}
				if was := had[key]; was != out.By && was != "" {
					moved++
				}
				if had[key] = out.By; out.By == "v2" {
					share += 1. / n
				}
			}
			return share, moved
		}
		for _, c := range []struct{ weight, most float64 }{{0, 0}, {0.1, 0.13}, {0.3, 0.23}, {0.3, 0}, {1, 0.73}, {0, 1}} {
			weigh(r, map[string]float64{"tally@v1": 1 - c.weight, "tally@v2": c.weight})
			share, moved := ask()
			if share < c.weight-0.03 || share > c.weight+0.03 || float64(moved) > c.most*n {
				t.Errorf("weight %v: v2 has %v of the objects, and %d moved", c.weight, share, moved)
			}
		}
	})
}

// Objects that work without pause change their version again and again: no call
// fails, none is lost, none counts twice.
func TestVersionsUnderLoad(t *testing.T) {
	bubble(t, node.Config{}, nil, func(r *rig) {
		withVersions(r, only("v1"))
		const callers, calls = 20, 200
		var group sync.WaitGroup
		by := make([]map[string]int, callers)
		for c := range callers {
			by[c] = map[string]int{}
			group.Go(func() {
				key := fmt.Sprint("k", c)
				for i := range calls {
					out, err := situ.Do(context.Background(), r, meterAdd.To(key, 1))
					if err != nil || out.N != i+1 {
						t.Errorf("%s: call %d: %+v, %v", key, i, out, err)
						return
					}
					by[c][out.By]++
					if i%10 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		for i := range 12 {
			time.Sleep(2 * time.Millisecond)
			weigh(r, only([]string{"v2", "v1"}[i%2]))
		}
		group.Wait()
		both := 0
		for _, b := range by {
			if b["v1"] > 0 && b["v2"] > 0 {
				both++
			}
		}
		if both != callers {
			t.Errorf("only %d of %d objects were run by both versions", both, callers)
		}
	})
}

// An object whose turn runs is not moved before that has ended; what waits behind it
// runs on the new version.
func TestVersionMovesAfterTheTurn(t *testing.T) {
	bubble(t, node.Config{}, nil, func(r *rig) {
		withVersions(r, only("v1"))
		var slow, behind meterOut
		var group sync.WaitGroup
		group.Go(func() { slow = do(r, meterSlow.To("k", 10*time.Second)) })
		pass(time.Second)
		group.Go(func() { behind = do(r, meterAdd.To("k", 1)) })
		pass(time.Second)
		weigh(r, only("v2"))
		if other := do(r, meterAdd.To("other", 1)); other.By != "v2" {
			t.Errorf("a new object is run by %s", other.By)
		}
		group.Wait()
		if slow != (meterOut{1, "v1"}) || behind != (meterOut{2, "v2"}) {
			t.Errorf("the turn that ran: %+v; the one behind it: %+v", slow, behind)
		}
	})
}

// Messages that were accepted are run once each, over crashes and switches.
func TestVersionsOverCrashes(t *testing.T) {
	bubble(t, node.Config{}, nil, func(r *rig) {
		withVersions(r, only("v1"))
		const objects = 50
		for round := range 6 {
			if _, err := situ.Start(context.Background(), r, meterRelay.To("relay", objects).Idempotent(fmt.Sprint(round))); err != nil {
				t.Fatal(err)
			}
			weigh(r, only([]string{"v2", "v1"}[round%2]))
			r.dead.Store(true)
			r.close()
			r.dead.Store(false)
			r.reopen()
			withVersions(r, map[string]float64{"tally@v1": 0.5, "tally@v2": 0.5})
			r.setHosts() // last: what is for nobody then is refused
			pass(time.Second)
		}
		for i := range objects {
			if out := do(r, meterAdd.To(fmt.Sprint("r", i), 0)); out.N != 6 {
				t.Errorf("r%d has %d of 6", i, out.N)
			}
		}
	})
}

// A version without a host keeps what is for it until it has one; one that is taken
// away leaves it to the other.
func TestVersionWithoutHost(t *testing.T) {
	bubble(t, node.Config{}, nil, func(r *rig) {
		withVersions(r, only("v1"))
		p := r.node.Program("tally@v2")
		set, _ := situ.Assemble(version("v2")...)
		m := set.Manifest()
		if err := p.SetHosts(nil, &m); err != nil {
			t.Fatal(err)
		}
		weigh(r, only("v2"))
		var out meterOut
		var group sync.WaitGroup
		group.Go(func() { out = do(r, meterAdd.To("k", 1)) })
		pass(time.Minute)
		if out.By != "" {
			t.Fatalf("%s has run it", out.By)
		}
		weigh(r, only("v1"))
		r.node.Forget("tally@v2")
		if group.Wait(); out.By != "v1" {
			t.Errorf("it was run by %q", out.By)
		}
	})
}

// Functions that are called from outside have their parts, too: each caller that says
// who it is always the same.
func TestVersionsShareFunctions(t *testing.T) {
	for _, beside := range []int{0, 8} {
		bubbleBeside(t, node.Config{}, beside, nil, func(r *rig) {
			withVersions(r, map[string]float64{"tally@v1": 0.7, "tally@v2": 0.3})
			const n = 10_000
			got := 0
			for range n {
				if do(r, meterWho.With(situ.None{})) == "v2" {
					got++
				}
			}
			if share := float64(got) / n; share < 0.28 || share > 0.32 {
				t.Errorf("beside the shards %d at once: v2 has %v of the calls", beside, share)
			}
		})
	}
}
