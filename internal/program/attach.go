package program

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/host"
)

// lookAgain is how often a program that was started by hand looks for its
// platform.
const lookAgain = 300 * time.Millisecond

// attach is a worker that was started by hand: it waits for the platform to be
// there, and again when that went away. Ctrl-C finishes what runs; a second
// one ends it at once.
func (p *Process) attach(where string, set *host.Set) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	unhook := context.AfterFunc(ctx, stop)
	defer unhook()
	log := slog.New(slog.NewTextHandler(p.Stderr, nil))
	waiting := false
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		addr, err := guest.Find(where)
		if err == nil {
			err = guest.Serve(ctx, guest.Config{Addr: addr, Set: set, Log: log, Ready: func(shards int) {
				p.say("attached to the platform at %s: this process now runs its %d shards", where, shards)
				waiting = false
			}})
		}
		switch {
		case ctx.Err() != nil:
			p.say("detached")
			return 0
		case err == nil:
			p.say("the platform has stopped")
		case !fault.Is(err, fault.Unavailable):
			p.say("%v", err)
			return fault.KindOf(err).Exit()
		case !waiting:
			waiting = true
			p.say("waiting for a platform at %s (start it with: situ dev, or situ serve)", where)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0
		}
	}
}
