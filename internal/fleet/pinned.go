package fleet

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// counting is how often the workflows are looked through that stay with a version
// which is not needed else. There may be many.
const counting = 10 * time.Second

// flows returns the types of workflows that a version has.
func flows(v *deploy.Version) (types []string) {
	m := &host.Manifest{}
	if json.Unmarshal(v.Program, m) != nil {
		return nil
	}
	for i := range m.Types {
		if slices.ContainsFunc(m.Types[i].Methods, func(m host.MethodManifest) bool { return m.Name == wire.FlowCancel }) {
			types = append(types, m.Types[i].Name)
		}
	}
	return types
}

// pinned returns the versions, by number, with which workflows stay that began there
// and are not forgotten yet.
func (f *Fleet) pinned(ctx context.Context, d *deployed) (all []int, err error) {
	programs, types := map[string]int{}, []string(nil)
	for i := range d.state.Versions {
		v := &d.state.Versions[i]
		has := flows(v)
		if len(has) > 0 {
			programs[programOf(d.name, v)] = v.Number
		}
		types = append(types, has...)
	}
	slices.Sort(types)
	for _, typ := range slices.Compact(types) {
		for cursor := ""; ; {
			infos, next, err := f.cfg.Node.List(ctx, typ, "", cursor, 1000)
			if err != nil {
				return nil, err
			}
			for _, info := range infos {
				if n := programs[info.Pin]; n != 0 && !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
			if cursor = next; cursor == "" || len(all) == len(programs) {
				break
			}
		}
	}
	return all, nil
}

// needed returns the versions that are to be ready: those that the rules ask for, and
// those with which workflows stay.
func (f *Fleet) needed(ctx context.Context, d *deployed, now time.Time) ([]int, error) {
	all := d.state.Needed(now)
	spare := false // a version runs that is perhaps not needed
	for n := range d.runs {
		spare = spare || !slices.Contains(all, n) && len(flows(d.state.Version(n))) > 0
	}
	if spare && now.Sub(d.counted) >= counting {
		var err error
		if d.pins, err = f.pinned(ctx, d); err != nil {
			return nil, err
		}
		d.counted = now
	}
	for _, n := range d.pins {
		if !slices.Contains(all, n) && d.state.Version(n) != nil {
			all = append(all, n)
		}
	}
	return all, nil
}
