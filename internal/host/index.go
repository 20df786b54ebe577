package host

import (
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Index finds the methods and functions of a manifest by their address. A nil
// Index has none.
type Index struct {
	methods  map[string]map[string]*MethodManifest // by type and name; functions are those of type ""
	policies map[string]wire.Policy                // by type
	halts    map[string]bool                       // types whose objects pause after a dead letter
}

// NewIndex returns an index of manifests, which must not change any more. Of
// two types or functions with one name the last counts.
func NewIndex(manifests ...*Manifest) *Index {
	ix := &Index{methods: map[string]map[string]*MethodManifest{"": {}}, policies: map[string]wire.Policy{}, halts: map[string]bool{}}
	put := func(byName map[string]*MethodManifest, all []MethodManifest) {
		for i := range all {
			byName[all[i].Name] = &all[i]
		}
	}
	for _, m := range manifests {
		put(ix.methods[""], m.Functions)
		for i := range m.Types {
			t := &m.Types[i]
			ix.methods[t.Name] = make(map[string]*MethodManifest, len(t.Methods))
			put(ix.methods[t.Name], t.Methods)
			ix.policies[t.Name], ix.halts[t.Name] = t.Retry.Policy(), t.Halts
		}
	}
	return ix
}

// Has reports whether there is a type with that name.
func (ix *Index) Has(typ string) bool {
	_, there := ix.policies[typ]
	return there
}

// PausesOnDead reports whether an object of that type is paused when a message of it
// becomes a dead letter.
func (ix *Index) PausesOnDead(typ string) bool { return ix != nil && ix.halts[typ] }

// Method describes what to names, whatever its key, with the retry policy of
// its type. It is nil if there is no such method or function.
func (ix *Index) Method(to wire.Address) (*MethodManifest, wire.Policy) {
	if ix == nil {
		return nil, wire.Policy{}
	}
	return ix.methods[to.Type][to.Method], ix.policies[to.Type]
}

// Policy returns the policy of a message: its own, its method's, its type's, the
// rest.
func (ix *Index) Policy(env *wire.Envelope, rest ...wire.Policy) (p wire.Policy) {
	if env.Policy != nil {
		p = *env.Policy
	}
	m, typ := ix.Method(env.To)
	if m != nil {
		p = turn.Merge(p, m.Retry.Policy())
	}
	return turn.Merge(turn.Merge(p, typ), rest...)
}

// Types returns the names of the object types, in order.
func (ix *Index) Types() []string {
	if ix == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(ix.methods)), func(t string) bool { return t == "" })
}

// Methods returns the names of a type's methods that may be called from
// outside, in order; those of the functions for "".
func (ix *Index) Methods(typ string) []string {
	names := slices.Sorted(maps.Keys(ix.methods[typ]))
	return slices.DeleteFunc(names, func(m string) bool { return ix.methods[typ][m].Internal })
}
