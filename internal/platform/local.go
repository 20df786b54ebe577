package platform

import (
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/wire"
)

// Local is a program that runs in this process.
type Local struct {
	runners []*host.Runner
	funcs   *host.Functions
}

// Run runs set as a program of a node, which must be running. Of functions that
// are called from outside, so many run at once beside the shards; with 0 they
// run in the shards. The error is that of node.Program.Admit. Close it when the
// node has ended.
func Run(p *node.Program, set *host.Set, cfg host.Config, functions int) (*Local, error) {
	m := set.Manifest()
	if err := p.Admit(&m); err != nil {
		return nil, err
	}
	l := &Local{}
	for range p.Shards() {
		l.runners = append(l.runners, host.NewRunner(set, cfg))
	}
	if functions > 0 {
		l.funcs = host.NewFunctions(set, cfg, functions)
		p.SetFunctions(l.funcs)
	}
	if err := p.SetHosts(func(id wire.ShardID) shard.Host { return l.runners[id] }, &m); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close ends it. Handlers that do not return are left behind.
func (l *Local) Close() {
	if l.funcs != nil {
		l.funcs.Close()
	}
	for _, r := range l.runners {
		r.Close()
	}
}
