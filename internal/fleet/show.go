package fleet

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/worker"
)

// Deployment tells how a deployment is. The error is of kind fault.NotFound if there
// is none.
func (f *Fleet) Deployment(ctx context.Context, name string) (api.Deployment, error) {
	d := f.find(name)
	if d == nil {
		return api.Deployment{}, absent(name)
	}
	doc, err := f.show(ctx, d)
	for i := range doc.Versions {
		if b, err := f.cfg.Bundles.Get(doc.Versions[i].Bundle); err == nil {
			doc.Versions[i].Manifest = &b.Manifest
		}
	}
	return doc, err
}

// Deployments tells how all deployments are, by name.
func (f *Fleet) Deployments(ctx context.Context) ([]api.Deployment, error) {
	all := []api.Deployment{}
	for _, d := range f.list() {
		doc, err := f.show(ctx, d)
		if err != nil {
			return nil, err
		}
		if len(doc.Versions) > 0 {
			all = append(all, doc)
		}
	}
	return all, nil
}

func (f *Fleet) show(ctx context.Context, d *deployed) (api.Deployment, error) {
	d.mu.Lock()
	state := d.state.Clone()
	doc := api.Deployment{Name: d.name, Versions: []api.DeployedVersion{}, Ends: state.Ends}
	for _, v := range slices.Backward(state.Versions) {
		line := d.runs[v.Number].line()
		line.Version, line.Number, line.Bundle, line.Added = programOf(d.name, &v), v.Number, v.Bundle, v.Added
		if line.Weight = state.Weight(v.Number); line.Weight > 0 {
			name(&doc, &v)
		}
		doc.Versions = append(doc.Versions, line)
	}
	d.mu.Unlock()
	if r := state.Rollout; r != nil {
		doc.Rollout = &api.Rollout{Step: r.Step + 1, Since: r.Since, Version: programOf(d.name, state.Version(r.Version)),
			Steps: r.Steps, Hold: r.Hold.String(), Errors: r.Rule.Errors, Calls: r.Rule.Calls}
		if r.Rule.Latency > 0 {
			doc.Rollout.Latency = r.Rule.Latency.String()
		}
	}
	for _, e := range slices.Backward(state.Events) {
		doc.Events = append(doc.Events, api.DeploymentEvent{At: e.At, What: e.What})
	}
	if state.Off == nil {
		return doc, nil
	}
	doc.Off = &api.DeploymentOff{Since: state.Off.Since, Reason: state.Off.Reason}
	paused, err := f.cfg.Node.Pauses(ctx)
	if err != nil {
		return doc, err
	}
	for _, p := range paused {
		if p.Type != "" && slices.Contains(doc.Types, p.Type) || p.Function != "" && slices.Contains(doc.Functions, p.Function) {
			doc.Off.Parked += p.Parked
		}
	}
	return doc, nil
}

// line tells how a version is doing; a nil run is none.
func (r *run) line() (l api.DeployedVersion) {
	if r == nil {
		l.State = worker.Stopped
		return l
	}
	l.State = worker.Starting
	if r.worker != nil {
		st := r.worker.Status()
		l.State, l.PID, l.Restarts = st.State, st.PID, st.Restarts
	}
	did := r.window.since(time.Time{})
	l.Calls, l.Failed, l.P95MS = did.Calls, did.Failed, float64(did.P95)/1e6
	return l
}

// name adds the names that a version has.
func name(doc *api.Deployment, v *deploy.Version) {
	m := &host.Manifest{}
	if json.Unmarshal(v.Program, m) != nil {
		return
	}
	for what, name := range m.Names() {
		list := &doc.Types
		if what == "function" {
			list = &doc.Functions
		}
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
}
