package runtimeapi

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/worker/process"
)

// instance is one process of a function, with the Runtime API on a port that
// only it knows: the address is who it is.
type instance struct {
	h    *Host
	proc *process.Process
	srv  *http.Server
	work chan *job     // to whoever asks for the next event
	over chan struct{} // closed when the process has ended
	rest *time.Timer   // ends it when it has had no work for long
	dead atomic.Bool   // it is to end, or has ended

	mu      sync.Mutex
	current *job
	failed  []byte // what it said of its start
}

// job is an event on its way.
type job struct {
	Event
	deadline time.Time
	taken    chan struct{} // closed when the process has it
	done     chan Result   // room for one
}

// start starts an instance.
func (h *Host) start(ctx context.Context) (*instance, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "lambda.start", h.Name, err)
	}
	in := &instance{h: h, work: make(chan *job), over: make(chan struct{})}
	in.srv = &http.Server{Handler: in.routes(), ReadHeaderTimeout: 5 * time.Second}
	in.proc, err = process.Start(ctx, process.Config{Path: h.cmd.path, Args: h.cmd.args, Dir: h.Dir, Token: rand.Text(),
		Env: h.cfg.env(&h.Function, ln.Addr().String()), Alone: h.Alone, Log: h.cfg.Log.With("function", h.Name), Output: h.cfg.Output})
	if err != nil {
		_ = ln.Close() // the first error is told
		return nil, err
	}
	h.cfg.Log.Debug("an instance was started", "function", h.Name, "pid", in.proc.PID())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = in.srv.Serve(ln) // until Close
	}()
	go func() {
		defer h.gone()
		<-in.proc.Exited
		in.dead.Store(true)
		h.cfg.Log.Debug("an instance has ended", "function", h.Name, "pid", in.proc.PID(), "how", in.proc.How())
		close(in.over)
		_ = in.srv.Close() // nobody calls it any more
		<-served
	}()
	return in, nil
}

// kill ends the instance, if it has not ended.
func (in *instance) kill() {
	in.dead.Store(true)
	in.proc.Signal(syscall.SIGKILL)
}

func (in *instance) usable() bool { return !in.dead.Load() }

// wanted takes the instance out of its rest, and reports whether it is there.
func (in *instance) wanted() bool { return in.rest.Stop() && in.usable() }

// invoke carries out e.
func (in *instance) invoke(ctx context.Context, e Event) (Result, error) {
	j := &job{Event: e, taken: make(chan struct{}), done: make(chan Result, 1)}
	begin := time.NewTimer(in.h.cfg.Init)
	defer begin.Stop()
	select {
	case in.work <- j:
	case <-in.over:
		return in.ended(e), nil
	case <-begin.C:
		in.kill()
		return failure("Sandbox.Timedout", "RequestId: %s Error: the function took more than %v to start", e.Request, in.h.cfg.Init), nil
	case <-ctx.Done():
		in.kill() // it has not begun, and nobody waits
		return Result{}, fault.Wrap(fault.Canceled, "lambda.invoke", in.h.Name, context.Cause(ctx))
	}
	<-j.taken
	late := time.NewTimer(time.Until(j.deadline))
	defer late.Stop()
	select {
	case res := <-j.done:
		return res, nil
	case <-in.over:
		select {
		case res := <-j.done: // its last words
			return res, nil
		default:
		}
		return in.ended(e), nil
	case <-late.C:
		in.kill()
		return failure("Sandbox.Timedout", "RequestId: %s Error: Task timed out after %.2f seconds", e.Request, in.h.Timeout.Seconds()), nil
	case <-ctx.Done():
		in.kill()
		return Result{}, fault.Wrap(fault.Canceled, "lambda.invoke", in.h.Name, context.Cause(ctx))
	}
}

// ended is the result of an invocation whose process has ended.
func (in *instance) ended(e Event) Result {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.failed != nil {
		return Result{Payload: in.failed, Failed: true}
	}
	why := in.proc.How()
	if said := strings.TrimSpace(in.proc.Said()); said != "" {
		why += ": " + said
	}
	return failure("Runtime.ExitError", "RequestId: %s Error: Runtime exited with error: %s", e.Request, why)
}
