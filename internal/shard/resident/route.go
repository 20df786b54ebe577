package resident

import (
	"cmp"
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// Route is who runs what has one name: a program, or several versions of one,
// each its part. It is not changed.
type Route struct {
	programs []*Program
	parts    []deploy.Part // nil if there is one program
}

// Pick returns who runs what hashes to that; nil if nobody does.
func (r Route) Pick(hash func() uint64) *Program {
	switch {
	case len(r.programs) == 0:
		return nil
	case r.parts == nil:
		return r.programs[0]
	}
	return r.programs[max(deploy.Pick(r.parts, hash()), 0)]
}

// Split reports whether there are several.
func (r Route) Split() bool { return r.parts != nil }

// object returns who runs an object's turns.
func (r Route) object(typ, key string) *Program {
	if r.parts == nil {
		return r.Pick(nil)
	}
	return r.Pick(func() uint64 { return deploy.Hash(typ, key) })
}

// Same reports whether o is the same.
func (r Route) Same(o Route) bool {
	return slices.Equal(r.programs, o.programs) && slices.Equal(r.parts, o.parts)
}

// add makes p one of those who run it, unless others have the name.
func (r Route) add(p *Program) Route {
	if len(r.programs) > 0 && (p.group == "" || r.programs[0].group != p.group) {
		return r // who is known for longer has it
	}
	r.programs = append(slices.Clip(r.programs), p)
	if r.parts = nil; len(r.programs) > 1 {
		for _, p := range r.programs {
			r.parts = append(r.parts, deploy.Part{ID: p.id, Weight: p.Weight})
		}
	}
	return r
}

// group returns the name of the deployment that a program is a version of, "" if
// it is none.
func group(program string) string {
	name, _, version := strings.Cut(program, deploy.At)
	if !version {
		return ""
	}
	return name
}

// rank names those that stand together: the versions of a deployment.
func (p *Program) rank() string { return cmp.Or(p.group, p.Name) }

// Routes says who runs what, by name.
type Routes struct {
	Types, Functions map[string]Route
	All              *host.Index // of all that is run; of several versions that with most weight counts
}

// NewRoutes returns the routes of programs, of which those that are known for
// longer come first.
func NewRoutes(programs []*Program) Routes {
	rs := Routes{Types: map[string]Route{}, Functions: map[string]Route{}}
	var all []*Program
	for _, p := range programs {
		if p.Manifest == nil || p.Weight <= 0 {
			continue
		}
		all = append(all, p)
		for i := range p.Manifest.Types {
			name := p.Manifest.Types[i].Name
			rs.Types[name] = rs.Types[name].add(p)
		}
		for i := range p.Manifest.Functions {
			name := p.Manifest.Functions[i].Name
			rs.Functions[name] = rs.Functions[name].add(p)
		}
	}
	// Of two with one name the last counts: so those come first that came last, and of
	// the versions of a deployment, each in place of the first, those with little weight.
	first := map[string]int{}
	for i, p := range all {
		if _, there := first[p.rank()]; !there {
			first[p.rank()] = i
		}
	}
	slices.SortStableFunc(all, func(a, b *Program) int {
		return cmp.Or(cmp.Compare(first[b.rank()], first[a.rank()]), cmp.Compare(a.Weight, b.Weight))
	})
	manifests := make([]*host.Manifest, len(all))
	for i, p := range all {
		manifests[i] = p.Manifest
	}
	rs.All = host.NewIndex(manifests...)
	return rs
}

// Function returns who runs a call of a function.
func (rs *Routes) Function(name string, hash func() uint64) *Program {
	return rs.Functions[name].Pick(hash)
}

// Object returns who runs the turns of an object.
func (rs *Routes) Object(to wire.Address) *Program { return rs.Types[to.Type].object(to.Type, to.Key) }
