package fleet

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/lambda/adapter"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform/deployment"
	"github.com/situ-dev/situ/internal/worker"
)

// Config says what a Fleet runs. Node and Bundles are required.
type Config struct {
	Node    *node.Node
	Bundles *bundle.Store
	// Worker is how the programs of all versions are run; what a bundle says comes on
	// top.
	Worker  worker.Config
	Adapter adapter.Config // where the programs are that run bundles of other languages
	// Confine returns what makes the command of a bundle's worker one that is kept
	// apart. Default: none is.
	Confine func(bundle.Bundle, adapter.Launch) func(*exec.Cmd) error
	Log     *slog.Logger
}

// Fleet runs what is deployed on a node. Restore it when the node runs, and then Run
// it.
type Fleet struct {
	cfg      Config
	starting sync.Mutex // one new version is started at a time: it may have names that another has
	running  context.Context
	stop     context.CancelFunc
	workers  sync.WaitGroup

	mu  sync.Mutex
	all map[string]*deployed
}

// deployed is a deployment.
type deployed struct {
	name string

	acting sync.Mutex // one act at a time; it is held while a process is started

	mu    sync.Mutex // of what follows, which who acts changes
	state deploy.State
	runs  map[int]*run // by the number of the version
	gone  bool
}

// New returns a fleet. It does nothing until Restore.
func New(cfg Config) *Fleet {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &Fleet{cfg: cfg, all: map[string]*deployed{}}
	f.running, f.stop = context.WithCancel(context.Background())
	return f
}

// Close ends all processes, and returns when they are gone. Call it when the node
// needs them no more. It may be called twice.
func (f *Fleet) Close() {
	f.stop()
	f.workers.Wait()
}

// Hurry makes Close end without waiting for user code.
func (f *Fleet) Hurry() {
	for _, d := range f.list() {
		d.mu.Lock()
		for _, r := range d.runs {
			if r.worker != nil {
				r.worker.Hurry()
			}
		}
		d.mu.Unlock()
	}
}

// Restore makes known to the node what is deployed, starts what is needed, and removes
// bundles that nobody has. It returns when the node knows all names, so that what is
// not there then is nowhere; processes may still be starting.
func (f *Fleet) Restore(ctx context.Context) error {
	used := map[string]bool{}
	for cursor := ""; ; {
		infos, next, err := f.cfg.Node.List(ctx, deployment.Type.Name(), "", cursor, 100)
		if err != nil {
			return err
		}
		for _, info := range infos {
			st, _, err := f.cfg.Node.Object(ctx, info.ID)
			if fault.Is(err, fault.NotFound) {
				continue
			} else if err != nil {
				return err
			}
			state, err := deployment.Read(st.Root)
			if err != nil {
				return fault.Wrap(fault.Corrupt, "fleet.restore", info.ID.Key, err)
			}
			if state.Last == 0 {
				continue
			}
			d := f.deployed(info.ID.Key)
			d.state = state
			for _, v := range state.Versions {
				used[v.Bundle] = true
			}
			if err := f.restore(ctx, d); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return f.sweep(used)
}

// sweep removes bundles that no version is of: their deploy did not end.
func (f *Fleet) sweep(used map[string]bool) error {
	ids, err := f.cfg.Bundles.List()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !used[id] {
			if err := f.cfg.Bundles.Remove(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// restore brings a deployment to where it was.
func (f *Fleet) restore(ctx context.Context, d *deployed) error {
	d.acting.Lock()
	defer d.acting.Unlock()
	now := time.Now()
	for _, n := range d.state.Needed(now) {
		f.begin(d, d.state.Version(n))
	}
	if err := f.weigh(d); err != nil {
		return err
	}
	return f.park(ctx, d)
}

// deployed returns the deployment with that name, making it known if needed.
func (f *Fleet) deployed(name string) *deployed {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.all[name]
	if d == nil {
		d = &deployed{name: name, runs: map[int]*run{}}
		f.all[name] = d
	}
	return d
}

// list returns all deployments, by name.
func (f *Fleet) list() []*deployed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.all), func(a, b *deployed) int { return cmp.Compare(a.name, b.name) })
}

// look is how often the fleet looks whether something is to be done.
const look = 250 * time.Millisecond

// Run takes versions over, or back, as their plans say, and ends what is not needed
// any more, until ctx is done.
func (f *Fleet) Run(ctx context.Context) {
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, d := range f.list() {
			if err := f.tend(ctx, d, time.Now()); err != nil && ctx.Err() == nil {
				f.cfg.Log.Error("a deployment cannot be seen to; it is tried again", "deployment", d.name, "error", err)
			}
		}
	}
}

// tend does what time and figures ask for. Who acts on the deployment does not wait
// for it.
func (f *Fleet) tend(ctx context.Context, d *deployed, now time.Time) error {
	if !d.acting.TryLock() {
		return nil
	}
	defer d.acting.Unlock()
	if d.gone {
		return nil
	}
	for _, r := range d.runs {
		r.window.look(now)
	}
	if d.state.Ended(now) {
		return f.end(ctx, d)
	}
	if d.state.Rollout != nil {
		judge := deploy.Act{Judge: &deploy.Judge{Figures: d.figures()}}
		next := d.state.Clone()
		if err := next.Do(d.name, judge, now); err != nil {
			return err
		}
		if len(next.Events) > 0 && !slices.Equal(next.Events, d.state.Events) {
			if _, err := f.do(ctx, d, judge); err != nil {
				return err
			}
			f.cfg.Log.Info("a deployment changed", "deployment", d.name, "what", d.state.Events[len(d.state.Events)-1].What)
		}
	}
	return f.settle(d, now)
}

// do does an act and what follows from it. Call it with acting held.
func (f *Fleet) do(ctx context.Context, d *deployed, a deploy.Act) (deploy.State, error) {
	state, failed := situ.Do(ctx, f.cfg.Node, deployment.Do.To(d.name, a))
	if failed != nil { // it may have been done all the same
		var err error
		if state, err = situ.Do(context.WithoutCancel(ctx), f.cfg.Node, deployment.Info.To(d.name, situ.None{})); err != nil {
			return d.state, public(failed)
		}
	}
	d.mu.Lock()
	d.state = state
	d.mu.Unlock()
	if failed != nil {
		return state, public(failed)
	}
	for _, n := range state.Needed(time.Now()) {
		if d.runs[n] == nil {
			f.begin(d, state.Version(n))
		}
	}
	if err := f.weigh(d); err != nil {
		return state, err
	}
	return state, f.park(ctx, d)
}

// weigh tells the node which part each version has.
func (f *Fleet) weigh(d *deployed) error {
	weights := map[string]float64{}
	for n, r := range d.runs {
		weights[r.program] = d.state.Weight(n)
	}
	if len(weights) == 0 {
		return nil
	}
	return f.cfg.Node.SetWeights(weights)
}

// settle ends versions that are not needed any more.
func (f *Fleet) settle(d *deployed, now time.Time) error {
	needed := d.state.Needed(now)
	for n := range d.runs {
		if !slices.Contains(needed, n) {
			f.finish(d, n)
		}
	}
	return nil
}

// end ends a deployment that was deleted.
func (f *Fleet) end(ctx context.Context, d *deployed) error {
	weights := map[string]float64{}
	for _, r := range d.runs {
		weights[r.program] = 0
	}
	if err := f.cfg.Node.SetWeights(weights); err != nil {
		return err
	}
	for n := range d.runs {
		f.finish(d, n)
	}
	if _, err := situ.Do(ctx, f.cfg.Node, deployment.Forget.To(d.name, situ.None{})); err != nil {
		return err
	}
	d.mu.Lock()
	d.gone = true
	d.mu.Unlock()
	f.mu.Lock()
	delete(f.all, d.name)
	f.mu.Unlock()
	f.cfg.Log.Info("a deployment has ended", "deployment", d.name)
	return f.drop(d.state.Versions)
}

// drop removes the bundles of versions that no deployment has.
func (f *Fleet) drop(versions []deploy.Version) error {
	used := map[string]bool{}
	for _, d := range f.list() {
		d.mu.Lock()
		for _, v := range d.state.Versions {
			used[v.Bundle] = true
		}
		d.mu.Unlock()
	}
	for _, v := range versions {
		if !used[v.Bundle] {
			if err := f.cfg.Bundles.Remove(v.Bundle); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
	}
	return nil
}
