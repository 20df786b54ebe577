package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
)

// offer is what can be called. It is not changed.
type offer struct {
	all       *host.Manifest // of all programs
	index     *host.Index
	functions map[string][]*Program // whose they are: of one, or of several versions of it
	parts     map[string][]deploy.Part
}

// offer makes the offer of the programs that there are. Call it with mu held.
func (n *Node) offer() *offer {
	o := &offer{all: &host.Manifest{Partial: true}, functions: map[string][]*Program{}, parts: map[string][]deploy.Part{}}
	var programs []*Program
	first := map[string]int{} // of a deployment
	for i, p := range n.programs {
		if p.manifest != nil && p.weight > 0 {
			if _, there := first[p.rank()]; !there {
				first[p.rank()] = i
			}
			programs = append(programs, p)
			o.all.Partial = o.all.Partial && p.name != Main
		}
	}
	// Of the versions of a deployment that comes first which has most.
	slices.SortStableFunc(programs, func(a, b *Program) int {
		return cmp.Or(cmp.Compare(first[a.rank()], first[b.rank()]), cmp.Compare(b.weight, a.weight))
	})
	types, functions := map[string]int{}, map[string]int{}
	schedules := map[string]bool{} // deployments of which they are there
	for _, p := range programs {
		for _, t := range p.manifest.Types {
			if at, there := types[t.Name]; there {
				o.all.Types[at].Methods = unite(o.all.Types[at].Methods, t.Methods)
				continue
			}
			types[t.Name] = len(o.all.Types)
			o.all.Types = append(o.all.Types, t)
		}
		for _, f := range p.manifest.Functions {
			o.functions[f.Name] = append(o.functions[f.Name], p)
			o.parts[f.Name] = append(o.parts[f.Name], deploy.Part{ID: p.id, Weight: p.weight})
			if at, there := functions[f.Name]; there {
				o.all.Functions[at] = unite(o.all.Functions[at:at+1], []host.MethodManifest{f})[0]
				continue
			}
			functions[f.Name] = len(o.all.Functions)
			o.all.Functions = append(o.all.Functions, f)
		}
		if p.group != "" && schedules[p.group] {
			continue // the version that has most says when it is called
		}
		schedules[p.group] = true
		if o.all.Schedules == nil && len(p.manifest.Schedules) > 0 {
			o.all.Schedules = map[string]json.RawMessage{}
		}
		maps.Copy(o.all.Schedules, p.manifest.Schedules)
	}
	o.index = host.NewIndex(o.all)
	return o
}

// rank names those that stand together in an offer: the versions of a deployment.
func (p *Program) rank() string { return cmp.Or(p.group, p.name) }

// unite returns the methods of two versions. Of what both have it says what holds
// for either: inputs that one of them may take are not refused at the door.
func unite(a, b []host.MethodManifest) []host.MethodManifest {
	all := slices.Clone(a)
	for _, m := range b {
		at := slices.IndexFunc(all, func(o host.MethodManifest) bool { return o.Name == m.Name })
		if at < 0 {
			all = append(all, m)
			continue
		}
		was := &all[at]
		was.ReadOnly = was.ReadOnly && m.ReadOnly
		was.Internal = was.Internal && m.Internal
		was.TimeoutMS = max(was.TimeoutMS, m.TimeoutMS)
		if !bytes.Equal(was.In, m.In) {
			was.In = anything
		}
		if !bytes.Equal(was.Out, m.Out) {
			was.Out = anything
		}
	}
	return all
}

// anything is the schema of all values.
var anything = json.RawMessage("{}")

// Manifest returns what the programs announce, all together; it is nil if there
// never was one. The same pointer means the same programs.
func (n *Node) Manifest() *host.Manifest {
	if o := n.offered.Load(); o != nil {
		return o.all
	}
	return nil
}

// Changed returns a channel that is ready after what Manifest returns has changed. It
// is for one reader.
func (n *Node) Changed() <-chan struct{} { return n.changed }

// tellOffer makes what can be called what the programs have now. Call it with mu
// held.
func (n *Node) tellOffer() {
	o := n.offer()
	n.Offered(o.all)
	n.offered.Store(o)
	select {
	case n.changed <- struct{}{}:
	default: // who looks next sees this, too
	}
}

// runs returns the program that runs a function for who sticks to that, nil if there is none.
func (o *offer) runs(function string, stick uint64) *Program {
	switch all := o.functions[function]; len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	default:
		return all[deploy.Pick(o.parts[function], stick)]
	}
}

// SetWeights says which parts of their deployments versions have, by the names of
// their programs; others keep theirs. It returns when what comes goes where it is to
// go. An object is moved when its turn has ended.
func (n *Node) SetWeights(weights map[string]float64) error {
	programs := map[string]*Program{}
	for name := range weights {
		programs[name] = n.Program(name)
		if programs[name].group == "" {
			return fault.New(fault.Internal, "weigh", name, "it is no version of a deployment")
		}
	}
	n.mu.Lock()
	for name, w := range weights {
		programs[name].weight = w
	}
	n.tellOffer()
	n.mu.Unlock()
	var group sync.WaitGroup
	for _, sh := range n.shards {
		group.Go(func() { sh.SetWeights(weights) })
	}
	group.Wait()
	return nil
}

// Forget takes the hosts of a version away that has no weight, and forgets the
// program.
func (n *Node) Forget(name string) {
	n.mu.Lock()
	n.programs = slices.DeleteFunc(slices.Clone(n.programs), func(p *Program) bool { return p.name == name && p.group != "" })
	n.mu.Unlock()
	var group sync.WaitGroup
	for _, sh := range n.shards {
		group.Go(func() { sh.Forget(name) })
	}
	group.Wait()
}
