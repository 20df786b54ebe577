package worker

import (
	"io"
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

// process is a program that was started. It has a process group of its own,
// and dies with the engine.
type process struct {
	cmd    *exec.Cmd
	path   string
	token  string
	output *lines
	tail   *tail       // what it printed last
	killed atomic.Bool // by us
	exited chan struct{}
	how    string // after exited: how it ended
	code   int    // after exited: its exit code, -1 for a signal
}

// lingering is how long what a dead program printed is waited for, when a
// process that it started still holds the pipe.
const lingering = time.Second

// start starts the program at path, with token in its environment. The caller
// waits for exited.
func start(path, token string, env []string, output *lines) (*process, error) {
	p := &process{path: path, token: token, output: output, exited: make(chan struct{}), tail: &tail{}}
	p.cmd = exec.Command(path)
	p.cmd.Env = append(append(os.Environ(), env...), guest.EnvToken+"="+token)
	p.cmd.Stdout = io.MultiWriter(p.tail, output)
	p.cmd.Stderr = p.cmd.Stdout // the same writer: one line at a time
	p.cmd.WaitDelay = lingering
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
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
		return nil, fault.Wrap(fault.Invalid, "start", path, err)
	}
	proc.Sacrifice(p.pid())
	return p, nil
}

// wait waits until the process has ended, and ends what it left behind: first
// that, because it may hold the pipe of our output.
func (p *process) wait() {
	if state, err := p.cmd.Process.Wait(); err == nil {
		p.how, p.code = state.String(), state.ExitCode()
	} else {
		p.how = err.Error()
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // nobody is there most often
	proc.KillMarked(guest.EnvToken + "=" + p.token)
	_ = p.cmd.Wait() // for the output; that the process is gone is known
	close(p.exited)
}

// ended returns how the process ended, and the last that it said of that
// itself. It has exited.
func (p *process) ended() string {
	if words := p.output.lastWords(); words != "" {
		return p.how + ", " + words
	}
	return p.how
}

// pid returns the process's number.
func (p *process) pid() int { return p.cmd.Process.Pid }

// signal sends sig to the process and all that it started.
func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.exited:
	default:
		if sig == syscall.SIGKILL {
			p.killed.Store(true)
		}
		_ = syscall.Kill(-p.pid(), sig) // gone already is as good
	}
}

// end waits for the process to end by itself until grace has passed, or until
// hurry is closed; then it kills it.
func (p *process) end(grace time.Duration, hurry <-chan struct{}) {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.exited:
		return
	case <-hurry:
	case <-t.C:
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
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
