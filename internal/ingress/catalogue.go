package ingress

import (
	"encoding/json"
	"fmt"

	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/schema"
	"github.com/situ-dev/situ/internal/wire"
)

// catalogue is a manifest, made ready to look things up in. It is built once
// for a manifest and not changed.
type catalogue struct {
	manifest  *host.Manifest
	public    *host.Manifest // without what is the platform's own
	types     map[string]*typeEntry
	functions map[string]*operation
	typeNames []string // without the platform's own
	funcNames []string // the same
	listTypes []api.Type
	listFuncs []api.Operation
}

type typeEntry struct {
	methods map[string]*operation
	names   []string // of methods that can be called from outside
}

// operation is a method or a function.
type operation struct {
	to       wire.Address // without a key
	internal bool
	input    *schema.Schema
	empty    bool               // an input without fields fits, so a body may be left out
	raw      json.RawMessage    // the schema of input
	check    func([]byte) error // of what no schema tells, as JSON; nil is none
}

// emptyInput stands for a body that was left out.
var emptyInput = []byte("{}")

// catalogue returns the current one.
func (h *Handler) catalogue() *catalogue {
	m := h.p.Engine.Manifest()
	if c := h.cat.Load(); c != nil && c.manifest == m {
		return c
	}
	c := h.compile(m)
	h.cat.Store(c)
	return c
}

func (h *Handler) compile(m *host.Manifest) *catalogue {
	c := &catalogue{manifest: m, types: map[string]*typeEntry{}, functions: map[string]*operation{}}
	if m == nil {
		return c
	}
	c.public = m.Public()
	for _, t := range m.Types {
		e := &typeEntry{methods: map[string]*operation{}}
		line := api.Type{Name: t.Name, Doc: t.Doc, Methods: []api.Operation{}}
		for i := range t.Methods {
			mm := &t.Methods[i]
			e.methods[mm.Name] = h.operation(mm, wire.Address{Type: t.Name, Method: mm.Name}, t.Name+"."+mm.Name)
			if !mm.Internal {
				e.names = append(e.names, mm.Name)
				line.Methods = append(line.Methods, api.Operation{Name: mm.Name, Doc: mm.Doc, ReadOnly: mm.ReadOnly})
			}
		}
		c.types[t.Name] = e
		if !host.Reserved(t.Name) {
			c.typeNames = append(c.typeNames, t.Name)
		}
		c.listTypes = append(c.listTypes, line)
	}
	if flows := c.types[graph.Type]; flows != nil && flows.methods["run"] != nil {
		flows.methods["run"].check = c.flowChecker()
	}
	for i := range m.Functions {
		mm := &m.Functions[i]
		c.functions[mm.Name] = h.operation(mm, wire.Address{Method: mm.Name}, mm.Name)
		if !mm.Internal {
			if !host.Reserved(mm.Name) {
				c.funcNames = append(c.funcNames, mm.Name)
			}
			c.listFuncs = append(c.listFuncs, api.Operation{Name: mm.Name, Doc: mm.Doc, ReadOnly: mm.ReadOnly})
		}
	}
	return c
}

func (h *Handler) operation(m *host.MethodManifest, to wire.Address, name string) *operation {
	op := &operation{to: to, internal: m.Internal, raw: m.In}
	s, err := schema.Compile(m.In)
	if err != nil {
		h.cfg.Log.Warn("input schema cannot be used: inputs are not checked", "of", name, "err", err)
	}
	op.input = s
	found, bad := s.Check(emptyInput)
	op.empty = bad == nil && len(found) == 0
	return op
}

// complete reports whether the user's program is known: what is not in the
// catalogue is not there.
func (c *catalogue) complete() bool { return c.manifest != nil && !c.manifest.Partial }

// noProgram is the answer as long as nothing is loaded.
func (c *catalogue) noProgram() error {
	if c.complete() {
		return nil
	}
	return fault.New(fault.Unavailable, "ingress", "", "no program is loaded yet")
}

func (c *catalogue) method(typ, method string) (*operation, error) {
	t := c.types[typ]
	if t == nil {
		if err := c.noProgram(); err != nil {
			return nil, err
		}
		return nil, absent("there is no object type", typ, c.typeNames)
	}
	op := t.methods[method]
	if op == nil {
		return nil, absent("type "+typ+" has no method", method, t.names)
	}
	if op.internal {
		return nil, continuation(typ+"."+method, t.names)
	}
	return op, nil
}

func (c *catalogue) function(name string) (*operation, error) {
	op := c.functions[name]
	if op == nil {
		if err := c.noProgram(); err != nil {
			return nil, err
		}
		return nil, absent("there is no function", name, c.funcNames)
	}
	if op.internal {
		return nil, continuation(name, c.funcNames)
	}
	return op, nil
}

func continuation(name string, exists []string) *refusal {
	return &refusal{kind: fault.NotFound, exists: exists,
		detail: fmt.Sprintf("%s is for the program itself: its turns call it, or the replies to their calls; it cannot be called from outside", name)}
}
