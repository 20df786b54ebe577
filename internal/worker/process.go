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
)

// process is a program that was started. It has a process group of its own,
// and dies with the engine.
type process struct {
	cmd    *exec.Cmd
	path   string
	tail   *tail       // what it printed last
	killed atomic.Bool // by us
	exited chan struct{}
	how    string // after exited: how it ended
}

// lingering is how long what a dead program printed is waited for, when a
// process that it started still holds the pipe.
const lingering = time.Second

// start starts the program at path. The caller waits for exited.
func start(path string, env []string, output io.Writer) (*process, error) {
	p := &process{path: path, exited: make(chan struct{}), tail: &tail{}}
	p.cmd = exec.Command(path)
	p.cmd.Env = append(os.Environ(), env...)
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
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // the state tells
		p.how = p.cmd.ProcessState.String()
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // what it left behind
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fault.Wrap(fault.Invalid, "start", path, err)
	}
	return p, nil
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
