package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// Deploy takes an archive: its content becomes a version of the deployment, unless it
// is one, and takes over as the plan says if it is to. Before that its program runs,
// and says what it has. When Deploy returns without an error, all that is durable; if
// it returns one, nothing has changed.
func (f *Fleet) Deploy(ctx context.Context, name string, archive io.Reader, zip bool, promote bool, plan deploy.Plan) (api.Deployed, error) {
	if err := bundle.CheckName(name); err != nil {
		return api.Deployed{}, err
	}
	b, err := f.cfg.Bundles.Put(archive, bundle.Upload{Name: name, Zip: zip})
	if err != nil {
		return api.Deployed{}, err
	}
	d := f.deployed(name)
	d.acting.Lock()
	defer d.acting.Unlock()
	out, err := f.deploy(ctx, d, b, promote, plan)
	if err != nil {
		f.forsake(d, b)
	}
	return out, err
}

// forsake removes what a deploy that failed left.
func (f *Fleet) forsake(d *deployed, b bundle.Bundle) {
	if d.state.Last == 0 {
		f.mu.Lock()
		delete(f.all, d.name)
		f.mu.Unlock()
		d.gone = true
	}
	if err := f.drop([]deploy.Version{{Bundle: b.ID}}); err != nil {
		f.cfg.Log.Error("a bundle that nobody has cannot be removed", "bundle", b.ID, "error", err)
	}
}

func (f *Fleet) deploy(ctx context.Context, d *deployed, b bundle.Bundle, promote bool, plan deploy.Plan) (api.Deployed, error) {
	if d.gone {
		return api.Deployed{}, fault.New(fault.Conflict, "deploy", d.name, "it has just been deleted: try again")
	}
	v := deploy.Version{Bundle: b.ID, Number: d.state.Last + 1}
	add := deploy.Act{Add: &deploy.Add{Version: v, Promote: promote, Plan: plan}}
	known := slices.IndexFunc(d.state.Versions, func(v deploy.Version) bool { return v.Bundle == b.ID })
	if known >= 0 {
		v = d.state.Versions[known]
	}
	next := d.state.Clone()
	if err := next.Do(d.name, add, time.Now()); err != nil { // before a process is started for it
		return api.Deployed{}, err
	}
	if d.runs[v.Number] == nil {
		if err := f.ready(ctx, d, &v, b); err != nil {
			return api.Deployed{}, err
		}
	}
	add.Add.Version.Program = v.Program
	state, err := f.do(ctx, d, add)
	if err != nil {
		return api.Deployed{}, cmp.Or(f.settle(d, time.Now()), err)
	}
	return api.Deployed{Name: d.name, Version: programOf(d.name, &v), Number: v.Number, New: known < 0, Weight: state.Weight(v.Number)}, err
}

// ready starts a version that is to take over, before it does.
func (f *Fleet) ready(ctx context.Context, d *deployed, v *deploy.Version, b bundle.Bundle) error {
	f.starting.Lock()
	defer f.starting.Unlock()
	r, err := f.start(ctx, d, v, b)
	if err != nil {
		return err
	}
	m := f.cfg.Node.Program(r.program).Manifest()
	if err := f.fits(d, m); err != nil {
		f.cfg.Node.Forget(r.program)
		r.stop()
		<-r.done
		return err
	}
	if v.Program, err = json.Marshal(m); err != nil {
		return fault.Wrap(fault.Internal, "deploy", d.name, err)
	}
	d.mu.Lock()
	d.runs[v.Number] = r
	d.mu.Unlock()
	return nil
}

// fits refuses a version that cannot read what those before it wrote.
func (f *Fleet) fits(d *deployed, m *host.Manifest) error {
	for _, sh := range d.state.Live {
		was := &host.Manifest{}
		if v := d.state.Version(sh.Version); v == nil || json.Unmarshal(v.Program, was) != nil {
			continue
		}
		if err := readable(was, m); err != nil {
			return err
		}
	}
	return nil
}

// Act does to a deployment what act says of its state, and returns how it is then.
// Errors are those of act, and of deploy.State.Do: then nothing has changed.
func (f *Fleet) Act(ctx context.Context, name string, act func(*deploy.State) (deploy.Act, error)) (api.Deployment, error) {
	d := f.find(name)
	if d == nil {
		return api.Deployment{}, absent(name)
	}
	d.acting.Lock()
	defer d.acting.Unlock()
	if d.gone {
		return api.Deployment{}, absent(name)
	}
	a, err := act(&d.state)
	if err != nil {
		return api.Deployment{}, err
	}
	next := d.state.Clone()
	if err := next.Do(name, a, time.Now()); err != nil {
		return api.Deployment{}, err
	}
	for _, sh := range next.Live { // what takes over is ready before it does
		if d.runs[sh.Version] != nil {
			continue
		}
		v := *d.state.Version(sh.Version)
		b, err := f.cfg.Bundles.Get(v.Bundle)
		if err != nil {
			return api.Deployment{}, err
		}
		if err := f.ready(ctx, d, &v, b); err != nil {
			return api.Deployment{}, err
		}
	}
	if _, err := f.do(ctx, d, a); err != nil {
		return api.Deployment{}, err
	}
	if now := time.Now(); d.state.Ended(now) {
		doc, err := f.show(ctx, d)
		if err != nil {
			return doc, err
		}
		return doc, f.end(ctx, d)
	}
	return f.show(ctx, d)
}

// find returns the deployment with that name, nil if there is none.
func (f *Fleet) find(name string) *deployed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[name]
}

func absent(name string) error {
	return fault.New(fault.NotFound, "deployment", name, "there is no such deployment")
}

// public returns an error of a turn with its kind.
func public(err error) error {
	if e, ok := errors.AsType[*situ.Error](err); ok {
		return &fault.Error{Kind: fault.ParseKind(e.Kind), Msg: e.Message, Code: e.Code}
	}
	return err
}

// scopes returns what can be called of a deployment.
func (d *deployed) scopes() (all []wire.Scope) {
	seen := map[wire.Scope]bool{}
	for i := range d.state.Versions {
		m := &host.Manifest{}
		if json.Unmarshal(d.state.Versions[i].Program, m) != nil || d.state.Weight(d.state.Versions[i].Number) == 0 {
			continue
		}
		for what, name := range m.Names() {
			s := wire.Scope{Type: name}
			if what == "function" {
				s = wire.Scope{Function: name}
			}
			if !seen[s] {
				seen[s] = true
				all = append(all, s)
			}
		}
	}
	return all
}

// reason is why what a deployment has is paused.
func (d *deployed) reason() string { return "the deployment " + d.name + " is off" }

// park has what arrives parked if the deployment is off, and lets it go if it is not.
func (f *Fleet) park(ctx context.Context, d *deployed) error {
	paused, err := f.cfg.Node.Pauses(ctx)
	if err != nil {
		return err
	}
	for _, s := range d.scopes() {
		at := slices.IndexFunc(paused, func(p wire.Pause) bool { return p.Scope == s && !p.Draining })
		switch {
		case d.state.Off != nil && at < 0:
			err = f.cfg.Node.Pause(ctx, s, d.reason())
		case d.state.Off == nil && at >= 0 && paused[at].Reason == d.reason():
			err = f.cfg.Node.Resume(ctx, s, d.state.Rate)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
