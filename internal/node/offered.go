package node

import (
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/wire"
)

// find returns what to names. The error, of kind fault.NotFound or
// fault.Invalid, names what exists; it is of kind fault.Unavailable as long as
// there may be more.
func find(o *offer, to wire.Address) (*host.MethodManifest, error) {
	if o == nil {
		o = &offer{all: &host.Manifest{Partial: true}}
	}
	ix := o.index
	m, _ := ix.Method(to)
	switch {
	case m != nil && m.Internal:
		return nil, fault.New(fault.NotFound, "call", to.String(), "%s is for the program itself: only its turns call it, or the replies to their calls", to.Method)
	case m != nil && to.Function():
		return m, nil
	case m != nil:
		return m, wire.CheckKey(to.Key)
	case o.all.Partial && !slices.Contains(ix.Types(), to.Type):
		e := fault.New(fault.Unavailable, "call", to.String(), "no program is loaded yet: try again later")
		e.Retry = time.Second
		return nil, e
	case to.Function():
		return nil, missing("function", to.Method, "functions", ix.Methods(""))
	case slices.Contains(ix.Types(), to.Type):
		return nil, missing("method", to.Type+"."+to.Method, "methods of "+to.Type, ix.Methods(to.Type))
	}
	return nil, missing("type", to.Type, "types", ix.Types())
}

// possible refuses a policy that is out of range, or that names a receiver of
// failures that there is not.
func possible(o *offer, p *wire.Policy) error {
	if err := p.Check(); err != nil || p.OnFail == (wire.Address{}) {
		return err
	}
	_, err := find(o, p.OnFail)
	return err
}

func missing(what, name, list string, exist []string) error {
	if !host.Reserved(name) {
		exist = slices.DeleteFunc(exist, host.Reserved)
	}
	if len(exist) == 0 {
		return fault.New(fault.NotFound, "call", name, "there is no such %s, and the program has no %s", what, list)
	}
	return fault.New(fault.NotFound, "call", name, "there is no such %s; the %s are %s", what, list, strings.Join(exist, ", "))
}
