package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/wire"
)

// Watch says when a shard counts as stuck. Zero fields get defaults.
type Watch struct {
	After time.Duration // without progress: it is told, and the node is not healthy; default 10 s
	End   time.Duration // without progress: Fatal is called; default 2 minutes, negative is never
	// Fatal is called, once, when a shard was stuck for End, or, once the node is
	// to stop, for Drain and After together. It should end the process: what was
	// acknowledged is durable, and a start is the remedy. The default says why on
	// standard error and exits with 70.
	//
	// A commit that waits for room on a full disk is stuck for as long as it waits,
	// but ends nothing until there is room, because a start would find none,
	// either, and reads go on. It does not keep a process that is to stop.
	Fatal func(error)
}

func (w Watch) withDefaults() Watch {
	if w.After == 0 {
		w.After = 10 * time.Second
	}
	if w.End == 0 {
		w.End = 2 * time.Minute
	}
	if w.Fatal == nil {
		w.Fatal = func(err error) {
			fmt.Fprintln(os.Stderr, "situ:", err)
			os.Exit(fault.Internal.Exit())
		}
	}
	return w
}

// watchEvery is how often the pulses of the shards are taken.
const watchEvery = time.Second

// patient is what the watchdog knows of one shard. All but stuck belong to the
// watchdog.
type patient struct {
	last                shard.Pulse
	beat, commit, frame int                    // pulses in a row that showed no progress
	stuck               atomic.Pointer[string] // what does not go on, nil while all does
}

// watch looks for shards that do not go on, until ctx is done. It counts its own
// rounds and not the time: after a pause of the whole process (a suspended
// machine, a debugger) nothing looks stuck that is not.
func (n *Node) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	after, end := int(n.cfg.Watch.After/watchEvery), int(n.cfg.Watch.End/watchEvery)
	late := min(end, after+int(n.cfg.Drain/watchEvery)) // when the node is to stop
	stopping, roomy, ended := 0, 0, false
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		n.watchPauses()
		hindrance := n.store.Hindrance()
		if roomy++; fault.Is(hindrance, fault.Full) {
			roomy = 0
		}
		limit := end
		if n.draining.Load() {
			roomy = end
			if stopping++; stopping >= late {
				limit = late
			}
		}
		for i, sh := range n.shards {
			p := &n.patients[i]
			x := p.look(sh.Pulse())
			n.tell(i, x, after)
			if x.commit {
				x.rounds = min(x.rounds, roomy)
			}
			if x.ours && end > 0 && x.rounds >= limit && !ended {
				ended = true
				n.cfg.Watch.Fatal(x.fatal(i, hindrance))
			}
		}
	}
}

// stall is what does not go on in a shard.
type stall struct {
	rounds int // for how many it does not
	what   string
	ours   bool // it is the engine or its disk; what it is not is the host, whose remedies are its own
	commit bool
}

// tell tells of a shard that has stood still for so many rounds, and of one that
// goes on again.
func (n *Node) tell(i int, x stall, after int) {
	p := &n.patients[i]
	switch {
	case x.rounds < after:
		if p.stuck.Swap(nil) != nil {
			n.cfg.Log.Warn("a shard goes on again", "shard", i)
		}
	case p.stuck.Load() == nil:
		p.stuck.Store(&x.what)
		n.cfg.Log.Error("a shard is stuck", "shard", i, "what", x.what, "seconds", x.rounds, "goroutines", goroutines(wire.ShardID(i)))
	}
}

// fatal is why the process is to end.
func (x stall) fatal(i int, hindrance error) error {
	why := ""
	if x.commit && hindrance != nil {
		why = " (" + hindrance.Error() + ")"
	}
	return fault.New(fault.Internal, "watch", wire.ShardID(i).String(), "%s for %v%s: what was acknowledged is on disk; start again",
		x.what, time.Duration(x.rounds)*watchEvery, why)
}

// look takes a pulse, and returns what has not gone on for longest.
func (p *patient) look(now shard.Pulse) stall {
	last := p.last
	p.last = now
	count := func(n *int, same bool) {
		if *n++; !same {
			*n = 0
		}
	}
	count(&p.beat, now.Live && now.Beats == last.Beats)
	count(&p.commit, now.Commit != 0 && now.Commit == last.Commit)
	count(&p.frame, now.Frame != 0 && now.Frame == last.Frame)
	switch max(p.beat, p.commit, p.frame) {
	case p.beat:
		return stall{rounds: p.beat, what: "its loop does not go on", ours: true}
	case p.commit:
		return stall{rounds: p.commit, what: "a commit does not end", ours: true, commit: true}
	}
	return stall{rounds: p.frame, what: "the program does not report a frame of turns"}
}

// Healthy returns nil, or which shard is stuck, of kind fault.Unavailable.
func (n *Node) Healthy() error {
	for i := range n.patients {
		if why := n.patients[i].stuck.Load(); why != nil {
			return fault.New(fault.Unavailable, "health", wire.ShardID(i).String(), "%s", *why)
		}
	}
	return nil
}

// figures returns the stats of a shard, those of its last sweep if it is stuck
// or does not answer soon.
func (n *Node) figures(ctx context.Context, i int) (st shard.Stats, stuck string, err error) {
	if why := n.patients[i].stuck.Load(); why != nil {
		return n.shards[i].LastStats(), *why, nil
	}
	soon, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	st, err = n.shards[i].Stats(soon)
	if soon.Err() != nil && ctx.Err() == nil {
		return n.shards[i].LastStats(), "", nil
	}
	return st, "", err
}

// goroutines returns the stacks of the goroutines of a shard.
func goroutines(id wire.ShardID) string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error()
	}
	var own []string
	for _, g := range strings.Split(all.String(), "\n\n") {
		if strings.Contains(g, fmt.Sprintf(`"shard":%q`, id.String())) {
			own = append(own, g)
		}
	}
	return strings.Join(own, "\n\n")
}
