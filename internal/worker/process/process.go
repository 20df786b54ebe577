// Package process starts a program and watches over it: what it prints, how it
// ends, and what it leaves behind. A pool of workers uses it; it knows nothing
// of what the program is for.
package process

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/proc"
)

// Config says what to start.
type Config struct {
	Path  string   // of the program
	Args  []string // that follow its name
	Dir   string   // where it runs; "" is where this process does
	Token string   // for its environment, by which what it leaves behind is found
	Env   []string // to be added to its environment, as "name=value"
	Alone bool     // Env is all of its environment
	// Confine is called with the command before it is started, to change how.
	Confine func(*exec.Cmd) error
	Log     *slog.Logger
	// Output receives the lines that it prints. Default: they are logged.
	Output io.Writer
}

// Process is a program that was started. It has a process group of its own,
// and dies with this process.
type Process struct {
	// Exited is closed when the program has ended, and nothing of it is left.
	Exited chan struct{}

	cmd    *exec.Cmd
	cfg    Config
	output *lines
	tail   *tail       // what it printed last
	killed atomic.Bool // by us
	how    string      // after Exited: how it ended
	code   int         // after Exited: its exit code, -1 for a signal
}

// lingering is how long what a dead program printed is waited for, when a
// process that it started still holds the pipe.
const lingering = time.Second

// A program that somebody has open for writing cannot be started: it is being
// copied, or a process that was forked at that moment has not let go of it. So
// it is tried so many times, with such a pause between: a second in all.
const (
	busyTries = 100
	busyPause = 10 * time.Millisecond
)

// Start starts a program, and waits for it for a while if it is open for
// writing. The error is of kind fault.Unavailable if it stays so,
// fault.Canceled if ctx is done meanwhile, fault.Invalid for all else.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	for try := 1; ; try++ {
		p, err := start(cfg)
		if !errors.Is(err, syscall.ETXTBSY) {
			return p, err
		}
		if try == 1 {
			cfg.Log.Debug("the program is open for writing; it is waited for", "program", cfg.Path)
		}
		if try == busyTries {
			return nil, fault.New(fault.Unavailable, "start", cfg.Path, "another process has it open for writing, and has not closed it for %v", busyTries*busyPause)
		}
		select {
		case <-time.After(busyPause):
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Canceled, "start", cfg.Path, context.Cause(ctx))
		}
	}
}

func start(cfg Config) (*Process, error) {
	p := &Process{cfg: cfg, output: &lines{log: cfg.Log, out: cfg.Output}, Exited: make(chan struct{}), tail: &tail{}}
	p.cmd = exec.Command(cfg.Path, cfg.Args...)
	p.cmd.Dir = cfg.Dir
	if !cfg.Alone {
		p.cmd.Env = os.Environ()
	}
	p.cmd.Env = append(append(p.cmd.Env, cfg.Env...), guest.EnvToken+"="+cfg.Token)
	p.cmd.Stdout = io.MultiWriter(p.tail, p.output)
	p.cmd.Stderr = p.cmd.Stdout // the same writer: one line at a time
	p.cmd.WaitDelay = lingering
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if cfg.Confine != nil {
		if err := cfg.Confine(p.cmd); err != nil {
			return nil, err
		}
	}
	started := make(chan error)
	go func() {
		// The kernel ties Pdeathsig to the thread that starts the process, not
		// to this process: so that thread stays until the other is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fault.Wrap(fault.Invalid, "start", cfg.Path, err)
	}
	proc.Sacrifice(p.PID())
	return p, nil
}

// wait waits until the process has ended, and ends what it left behind: first
// that, because it may hold the pipe of our output.
func (p *Process) wait() {
	if state, err := p.cmd.Process.Wait(); err == nil {
		p.how, p.code = state.String(), state.ExitCode()
	} else {
		p.how = err.Error()
	}
	_ = proc.KillGroup(p.PID(), syscall.SIGKILL) // nobody is there most often
	proc.KillMarked(guest.EnvToken + "=" + p.cfg.Token)
	_ = p.cmd.Wait() // for the output; that the process is gone is known
	close(p.Exited)
}

// Ended returns how the program ended, and the last that it said of that
// itself. It has exited.
func (p *Process) Ended() string {
	if words := p.output.lastWords(); words != "" {
		return p.how + ", " + words
	}
	return p.how
}

// How returns how the program ended, as the kernel tells it. It has exited.
func (p *Process) How() string { return p.how }

// Code returns its exit code, -1 for a signal. It has exited.
func (p *Process) Code() int { return p.code }

// Killed reports whether it was killed from here.
func (p *Process) Killed() bool { return p.killed.Load() }

// Said returns the last that it printed, two kilobytes at most.
func (p *Process) Said() string { return p.tail.String() }

// Path returns where the program is.
func (p *Process) Path() string { return p.cfg.Path }

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends sig to the process and all that it started.
func (p *Process) Signal(sig syscall.Signal) {
	select {
	case <-p.Exited:
	default:
		if sig == syscall.SIGKILL {
			p.killed.Store(true)
		}
		_ = proc.KillGroup(p.PID(), sig) // gone already is as good
	}
}

// End waits for the process to end by itself until grace has passed, or until
// hurry is closed; then it kills it.
func (p *Process) End(grace time.Duration, hurry <-chan struct{}) {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.Exited:
		return
	case <-hurry:
	case <-t.C:
	}
	p.Signal(syscall.SIGKILL)
	<-p.Exited
}

// How often a process that is most likely ending is looked at, and how many
// times in a row it must be asleep to be none that is.
const (
	endLook   = 10 * time.Millisecond
	endAsleep = 4
)

// EndDying is End for a process that is most likely ending, because it has let
// go of a connection that it never closes before: how it ends is worth waiting
// for. One that sleeps meanwhile does not end, and is killed before grace has
// passed.
func (p *Process) EndDying(grace time.Duration, hurry <-chan struct{}) {
	t := time.NewTicker(endLook)
	defer t.Stop()
	var before uint64
	asleep := 0
	for began := time.Now(); time.Since(began) < grace && asleep < endAsleep; {
		select {
		case <-p.Exited:
			return
		case <-hurry:
			asleep = endAsleep
		case <-t.C:
			if ticks, busy, ok := proc.Look(p.PID()); !ok || busy || ticks != before {
				before, asleep = ticks, 0
			} else {
				asleep++
			}
		}
	}
	p.End(0, hurry)
}

// tail keeps the last bytes that were written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 2048

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b[max(len(b)-tailSize, 0):]...)
	t.buf = t.buf[max(len(t.buf)-tailSize, 0):]
	return len(b), nil
}

// String returns what was written last.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
