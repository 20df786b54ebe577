package node

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// offered is what the hosted program offers, by name.
type offered struct {
	p atomic.Pointer[map[wire.Address]*host.MethodManifest] // keyless addresses
}

func (o *offered) set(m *host.Manifest) {
	all := map[wire.Address]*host.MethodManifest{}
	for i := range m.Types {
		t := &m.Types[i]
		for j := range t.Methods {
			all[wire.Address{Type: t.Name, Method: t.Methods[j].Name}] = &t.Methods[j]
		}
	}
	for i := range m.Functions {
		all[wire.Address{Method: m.Functions[i].Name}] = &m.Functions[i]
	}
	o.p.Store(&all)
}

// find returns what to names. The error, of kind fault.NotFound or
// fault.Invalid, names what exists.
func (o *offered) find(to wire.Address) (*host.MethodManifest, error) {
	all := *o.p.Load()
	m := all[wire.Address{Type: to.Type, Method: to.Method}]
	if m != nil && !m.Internal {
		if to.Function() {
			return m, nil
		}
		return m, wire.CheckKey(to.Key)
	}
	if m != nil {
		return nil, fault.New(fault.NotFound, "call", to.String(), "%s is a continuation: only the reply of a call made with Then runs it", to.Method)
	}
	var methods, types, funcs []string
	for a := range all {
		switch {
		case a.Function():
			funcs = append(funcs, a.Method)
		case a.Type == to.Type:
			methods = append(methods, a.Method)
		default:
			types = append(types, a.Type)
		}
	}
	switch {
	case to.Function():
		return nil, missing("function", to.Method, "functions", funcs)
	case len(methods) > 0:
		return nil, missing("method", to.Type+"."+to.Method, "methods of "+to.Type, methods)
	}
	return nil, missing("type", to.Type, "types", types)
}

func missing(what, name, list string, exist []string) error {
	slices.Sort(exist)
	exist = slices.Compact(exist)
	if len(exist) == 0 {
		return fault.New(fault.NotFound, "call", name, "there is no such %s, and the program has no %s", what, list)
	}
	return fault.New(fault.NotFound, "call", name, "there is no such %s; the %s are %s", what, list, strings.Join(exist, ", "))
}
