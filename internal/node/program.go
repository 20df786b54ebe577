package node

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/shard/figure"
	"github.com/situ-dev/situ/internal/wire"
)

// The names of programs. Main is the user's, and has all that no other program
// is known to have. Platform is that of the platform's own components, whose
// types and functions have names that are host.Reserved: others must not have
// such.
const (
	Main     = shard.Main
	Platform = "situ"
)

// Program is one of the programs that a node runs, whatever the others do. It
// is where its hosts are given to the node.
type Program struct {
	n         *Node
	name      string
	functions atomic.Pointer[shard.Functions]
	figures   *figure.Figures // of a version; nil of others

	mu       sync.Mutex     // one SetHosts at a time
	manifest *host.Manifest // under Node.mu, as are:
	weight   float64        // of a version, its part of what its deployment has; 1 of all others
	group    string         // the deployment that it is a version of, "" if it is none
	id       uint64
}

// Program returns the program with that name, making it known if needed.
func (n *Node) Program(name string) *Program {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.programs {
		if p.name == name {
			return p
		}
	}
	p := &Program{n: n, name: name, weight: 1, id: deploy.Hash(name)}
	if of, _, version := strings.Cut(name, deploy.At); version {
		p.group, p.figures = of, &figure.Figures{}
		p.weight = 0 // until it is given some
	}
	n.programs = append(slices.Clip(n.programs), p)
	return p
}

// Name returns the name of the program.
func (p *Program) Name() string { return p.name }

// Figures returns what counts the calls of a version, nil for other programs.
func (p *Program) Figures() *figure.Figures { return p.figures }

// Manifest returns what the program announces, nil as long as it never did.
func (p *Program) Manifest() *host.Manifest {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	return p.manifest
}

// figuresOf returns what counts the calls of a program.
func (n *Node) figuresOf(program string) *figure.Figures {
	if !strings.Contains(program, deploy.At) {
		return nil
	}
	return n.Program(program).figures
}

// Shards returns the number of shards, each of which needs a host.
func (p *Program) Shards() int { return p.n.Shards() }

// Admit returns why the program cannot be one that announces m, nil if it can:
// an error of kind fault.Conflict names a type or function that another program
// has, one of kind fault.Invalid one that is the platform's to have.
func (p *Program) Admit(m *host.Manifest) error {
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	return p.admit(m)
}

// CheckNames returns an error, of kind fault.Invalid, if m has a type or a
// function with a name that the program cannot have.
func CheckNames(program string, m *host.Manifest) error {
	for what, name := range m.Names() {
		switch {
		case program == Platform && !host.Reserved(name):
			return fault.New(fault.Invalid, "load", name, "a %s of the platform has a name that begins with %q", what, host.Prefix)
		case program != Platform && host.Reserved(name):
			return fault.New(fault.Invalid, "load", name, "names that begin with %q are the platform's: give the %s another name", host.Prefix, what)
		}
	}
	return nil
}

func (p *Program) admit(m *host.Manifest) error {
	if err := CheckNames(p.name, m); err != nil {
		return err
	}
	for what, name := range m.Names() {
		for _, other := range p.n.programs {
			if other != p && (p.group == "" || other.group != p.group) && other.manifest.Has(what, name) {
				return fault.New(fault.Conflict, "load", name, "the program %q has a %s of that name already: give one of them another name", other.name, what)
			}
		}
	}
	return nil
}

// SetHosts makes every shard run the program's turns on the host that of
// returns for it; a nil of takes the hosts away, and what comes waits for others. m says what they can run, and
// is what the doors check calls against. It returns when no shard uses an old
// host of the program. The error is that of Admit: then nothing has changed.
func (p *Program) SetHosts(of func(wire.ShardID) shard.Host, m *host.Manifest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.announce(m); err != nil {
		return err
	}
	n := p.n
	var group sync.WaitGroup
	for i, sh := range n.shards {
		group.Go(func() {
			if of == nil {
				sh.SetHost(p.name, nil, m)
			} else {
				sh.SetHost(p.name, of(wire.ShardID(i)), m)
			}
		})
	}
	group.Wait()
	return nil
}

// announce makes m, if it is not nil, what the doors check calls against.
func (p *Program) announce(m *host.Manifest) error {
	if m == nil {
		return nil
	}
	p.n.mu.Lock()
	defer p.n.mu.Unlock()
	if err := p.admit(m); err != nil {
		return err
	}
	p.manifest = m
	p.n.tellOffer()
	return nil
}

// SetFunctions makes calls of the program's functions from outside run on f;
// with a nil f they run in the shards, as messages to functions do.
func (p *Program) SetFunctions(f shard.Functions) {
	if f == nil {
		p.functions.Store(nil)
		return
	}
	p.functions.Store(&f)
}

// drainFunctions lets functions that run beside the shards finish.
func (n *Node) drainFunctions(ctx context.Context) {
	n.mu.Lock()
	programs := n.programs
	n.mu.Unlock()
	var group sync.WaitGroup
	for _, p := range programs {
		if f := p.functions.Load(); f != nil {
			group.Go(func() { (*f).Drain(ctx) })
		}
	}
	group.Wait()
}
