// Package worker runs user code in a process of its own: it starts the
// program, takes its connections, feeds each shard's frames to it, checks what
// comes back, and starts it again when it dies. Replace swaps it for another;
// a program started by hand can take its place. The server composes it with a
// node, which it gives the hosts to. It never stores or answers anything, and
// it trusts nothing that a worker says.
package worker

import (
	"io"
	"log/slog"
	"os/exec"
	"time"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/workproto"
)

// Node is whom the workers work for: its shards run the turns of one program on
// the hosts that it is given.
type Node interface {
	// Shards returns the number of shards.
	Shards() int
	// Admit returns why a program that announces the manifest cannot be run.
	Admit(*host.Manifest) error
	// SetHosts makes each shard use what the function returns for it, and
	// returns when none uses its old host. The manifest is a new one for each
	// program. The error is that of Admit: then nothing has changed.
	SetHosts(func(wire.ShardID) shard.Host, *host.Manifest) error
	// SetFunctions makes calls of functions from outside run there; with nil,
	// in the shards.
	SetFunctions(shard.Functions)
}

// Config says how programs are run. Its zero value works.
type Config struct {
	// Dir is the data directory, in which the address for programs that are
	// started by hand is made. Default: they cannot attach.
	Dir string
	// Log receives what happens to the program, and what it logs itself.
	// Default: discarded.
	Log *slog.Logger
	// Output receives the lines that the program prints. Default: they are
	// logged.
	Output io.Writer
	// Run says how turns are run. Its Log is not used: programs have their own.
	Run host.Config
	// Start is how long a program may take until it is ready. Default 10 s.
	Start time.Duration
	// Drain is how long a program may take to end when it is asked to, before
	// it is killed. Default 10 s.
	Drain time.Duration
	// Silence is how long a program may leave a ping without an answer before
	// it is killed. Default 15 s.
	Silence time.Duration
	// Backoff is the pause before a program that died is started again, after
	// some deaths in a row for which there is none; it doubles up to MaxBackoff
	// each time, and begins anew when the program has lived for a while.
	// Defaults 100 ms and 5 s.
	Backoff, MaxBackoff time.Duration
	// Memory is how many bytes of memory a program may occupy before it is
	// killed. Default: it is not bounded.
	Memory int64
	// Env is added to the program's environment, as "name=value".
	Env []string
	// Args are the program's arguments, and Work is where it runs. Default: none, and
	// where this process does.
	Args []string
	Work string
	// Confine changes a command before it is started: environment and all.
	Confine func(*exec.Cmd) error
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		p *time.Duration
		v time.Duration
	}{{&c.Start, 10 * time.Second}, {&c.Drain, 10 * time.Second}, {&c.Silence, 15 * time.Second},
		{&c.Backoff, 100 * time.Millisecond}, {&c.MaxBackoff, 5 * time.Second},
		{&c.Run.Timeout, time.Minute}, {&c.Run.Grace, time.Second}} {
		if *d.p == 0 {
			*d.p = d.v
		}
	}
	if c.Run.MaxState == 0 {
		c.Run.MaxState = 16 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// maxFrame is the longest message: an object's state may be much longer on the
// wire than its fields.
func (c Config) maxFrame() int { return max(workproto.MaxFrame, 4*c.Run.MaxState) }

// bounds are how long reports may take before the worker is taken for broken:
// on a frame, and on a task of it that was detached.
type bounds struct{ frame, late time.Duration }

func (c Config) bounds(m *host.Manifest) bounds {
	b := bounds{frame: c.Silence + c.Run.Slice + c.Run.Patience}
	b.late = b.frame + c.Run.Timeout + c.Run.Grace
	longer := func(methods []host.MethodManifest) {
		for i := range methods {
			d := time.Duration(methods[i].TimeoutMS) * time.Millisecond
			b.late = max(b.late, b.frame+d+c.Run.Grace)
		}
	}
	longer(m.Functions)
	for i := range m.Types {
		longer(m.Types[i].Methods)
	}
	return b
}

// The states of a worker.
const (
	Starting   = "starting"
	Running    = "running"
	Restarting = "restarting" // it died, and is started again
	Attached   = "attached"   // a program that was started by hand
	Stopped    = "stopped"
)

// Status tells how the worker is doing.
type Status struct {
	PID      int
	State    string
	Restarts int
	Path     string // of the program
	Build    string
}
