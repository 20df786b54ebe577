package worker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/worker/process"
)

// launch is a program that is being started.
type launch struct {
	path   string
	spare  bool         // it is to wait until the worker dies
	low    bool         // it is for quarantine
	reply  chan<- error // nil: nobody waits
	cancel context.CancelFunc

	token   string
	started chan struct{} // closed when proc is set
	proc    *process.Process
	arrived chan *session // gets the session when it has said hello

	s   *session // what became of it
	err error
}

// run starts the program and waits until it is ready.
func (l *launch) run(ctx context.Context, p *Pool) {
	p.expect(l)
	defer p.forget(l)
	env := append([]string{guest.EnvSocket + "=" + p.door.addr(), "SITU_ATTACH="}, p.cfg.Env...)
	if p.cfg.Memory > 0 && os.Getenv("GOMEMLIMIT") == "" { // collect more rather than die
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%d", p.cfg.Memory/10*9))
	}
	l.proc, l.err = process.Start(ctx, process.Config{Path: l.path, Args: p.cfg.Args, Dir: p.cfg.Work, Token: l.token, Env: env, Confine: p.cfg.Confine, Log: p.cfg.Log, Output: p.cfg.Output})
	if l.err != nil {
		return
	}
	l.calm()
	close(l.started)
	timeout := time.NewTimer(p.cfg.Start)
	defer timeout.Stop()
	var ready <-chan struct{}
	var s *session
	for {
		select {
		case s = <-l.arrived:
			ready = s.ready
			continue
		case <-ready:
			l.calm()
			l.s = s
			return
		case <-l.proc.Exited:
			l.err = l.ended()
		case <-timeout.C:
			l.err = fault.New(fault.Timeout, "start", l.path, "the program did not connect within %v: does its main call situ.Main?%s", p.cfg.Start, l.said())
		case <-ctx.Done():
			l.err = fault.New(fault.Canceled, "start", l.path, "another program is started instead")
		}
		break
	}
	l.proc.Signal(syscall.SIGKILL)
	<-l.proc.Exited
}

// calm gives a process for quarantine its priority: again when it is ready,
// for a thread that was made at that very moment.
func (l *launch) calm() {
	if l.low {
		proc.Yield(l.proc.PID(), lowPriority)
	}
}

// ended describes a program that ended before it was ready.
func (l *launch) ended() error {
	e := fault.New(fault.Crashed, "start", l.path, "the program ended before it was ready (%s): does its main call situ.Main?%s", l.proc.How(), l.said())
	if info, err := os.Stat(l.path); err == nil && info.Mode()&0o111 == 0 {
		e.Msg = "it is not executable"
	}
	return e
}

// said returns the last that the program printed, to be added to an error.
func (l *launch) said() string {
	text := strings.TrimSpace(l.proc.Said())
	if text == "" {
		return ""
	}
	all := strings.Split(text, "\n")
	return " It printed:\n\t" + strings.Join(all[max(len(all)-8, 0):], "\n\t")
}
