// Package platform opens the platform that a benchmark measures: embedded in
// this process, with the components in a worker process, or deployed to a server
// as users do. Workloads see them as one interface.
package platform

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
)

// Platform is a running platform with its own data directory.
type Platform interface {
	situ.Caller
	// Figures returns what the platform did since it was opened. Calls and
	// messages that were durable before are in it.
	Figures(ctx context.Context) (Figures, error)
	// Usage returns the CPU time and the resident memory, in bytes, of all
	// processes of the platform, and of the callers in this one.
	Usage() (cpu time.Duration, rss int64)
	// PIDs returns the ids of those processes.
	PIDs() []int
	// Node returns the node, for a door.
	Node() *node.Node
	Close() error
}

// Figures is what a platform did.
type Figures struct {
	Turns        uint64
	Commits      uint64 // that had something to write
	BytesWritten uint64 // in them
	LogBytes     uint64 // written to the store's log, with all that is around them
	Resident     int    // idle objects in memory
	Pending      int    // messages queued or not acknowledged; 0 is a quiet platform, or one between two messages
}

// The modes.
const (
	Embedded = "embedded"
	Worker   = "worker"
	Deployed = "deployed"
)

// Modes are the modes, as a flag takes them.
var Modes = []string{Embedded, Worker, Deployed}

// Config says what to open.
type Config struct {
	Mode       string
	Dir        string
	Components []situ.Component `json:"-"`
	// Resident and ResidentBytes bound the objects in memory, MemTable is the
	// store's, in bytes, and only of mode Worker. 0 is the platform's default.
	Resident      int
	ResidentBytes int64
	MemTable      int64
	// Program hosts the same components by situ.Main, in the other modes, with Env
	// added to its environment.
	Program string
	Env     []string
}

// Open opens a platform. Close it.
func Open(ctx context.Context, c Config) (Platform, error) {
	switch c.Mode {
	case Embedded, Deployed:
		if c.MemTable != 0 {
			return nil, fault.New(fault.Invalid, "", "", "the size of a memtable cannot be set in mode %s", c.Mode)
		}
		if c.Mode == Deployed {
			return openDeployed(ctx, c)
		}
		p, err := embedded.Open(c.Dir, embedded.Options{MaxResident: c.Resident, MaxResidentBytes: c.ResidentBytes, IdleAfter: idleAfter}, c.Components...)
		if err != nil {
			return nil, err
		}
		return inside{p}, nil
	case Worker:
		return openOutside(ctx, c)
	}
	return nil, fault.New(fault.Invalid, "", "", "there is no mode %q: the modes are %s", c.Mode, strings.Join(Modes, ", "))
}

// idleAfter is how long unused objects stay in memory: longer than a benchmark,
// so that only the bounds put them out.
const idleAfter = 24 * time.Hour

// inside is a platform whose components are in this process.
type inside struct{ *embedded.Platform }

// Figures implements Platform.
func (p inside) Figures(ctx context.Context) (Figures, error) { return figures(ctx, p.Node()) }

// Usage implements Platform.
func (p inside) Usage() (time.Duration, int64) { return report.Usage(p.PIDs()...) }

// PIDs implements Platform.
func (p inside) PIDs() []int { return []int{os.Getpid()} }

func figures(ctx context.Context, n *node.Node) (f Figures, err error) {
	shards, err := n.Figures(ctx)
	if err != nil {
		return f, err
	}
	for _, s := range shards {
		f.Turns += s.Turns
		f.Pending += s.Queued + s.Outbox
		f.Resident += s.Resident
	}
	disk := n.Store().Stats()
	f.Commits, f.BytesWritten, f.LogBytes = disk.Commits, disk.BytesWritten, disk.WALBytes
	return f, nil
}

// Quiet waits until nothing is queued, unacknowledged or running, and returns
// when that was so first. Look, if it is not nil, is called with the figures
// seen in between.
//
// It compares two readings of the figures, each of which is taken between the
// frames of each shard and waits for their commit. When both say that nothing
// is pending and that not one turn was run in between, there is nothing left
// to run. Readings follow each other at 2 % of the time waited so far, so that
// they cost little and the result is hardly later than the event.
func Quiet(ctx context.Context, p Platform, look func(Figures)) (time.Time, error) {
	begin := time.Now()
	var before Figures
	var since time.Time
	for first := true; ; first = false {
		f, err := p.Figures(ctx)
		if err != nil {
			return time.Time{}, err
		}
		now := time.Now()
		if !first && f.Pending == 0 && before.Pending == 0 && f.Turns == before.Turns {
			return since, nil
		}
		before, since = f, now
		if look != nil {
			look(f)
		}
		pause := min(max(now.Sub(begin)/50, 500*time.Microsecond), 20*time.Millisecond)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		}
	}
}
