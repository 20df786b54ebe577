package core

import (
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// SetProgram says what the host can run from now on.
func (c *Core) SetProgram(m *host.Manifest) { c.set = methodsOf(m) }

// methods is what a shard needs to know of the methods of a program.
type methods struct {
	types map[string]*typeInfo
	funcs map[string]*host.MethodManifest
}

type typeInfo struct {
	policy  wire.Policy
	methods map[string]*host.MethodManifest
}

func methodsOf(m *host.Manifest) *methods {
	s := &methods{types: map[string]*typeInfo{}, funcs: map[string]*host.MethodManifest{}}
	for i := range m.Types {
		t := &m.Types[i]
		ti := &typeInfo{policy: t.Retry.Policy(), methods: map[string]*host.MethodManifest{}}
		for j := range t.Methods {
			ti.methods[t.Methods[j].Name] = &t.Methods[j]
		}
		s.types[t.Name] = ti
	}
	for i := range m.Functions {
		s.funcs[m.Functions[i].Name] = &m.Functions[i]
	}
	return s
}

// method describes what to names, nil if the program has no such thing.
func (s *methods) method(to wire.Address) (*host.MethodManifest, wire.Policy) {
	if s == nil {
		return nil, wire.Policy{}
	}
	if to.Function() {
		return s.funcs[to.Method], wire.Policy{}
	}
	t := s.types[to.Type]
	if t == nil {
		return nil, wire.Policy{}
	}
	return t.methods[to.Method], t.policy
}
