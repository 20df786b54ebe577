// Package proc runs this program again as another process of a benchmark: a
// server, a floor, a client. The two talk in JSON over pipes. The child ends
// when its parent does.
package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// env names the role of a child.
const env = "SITU_BENCH_ROLE"

// Role is what a child does. It returns when it is done, or when ctx is: the
// parent has closed the pipe, or is no more.
type Role func(ctx context.Context, c *Conn) error

// Serve does what a child is for and does not return, if this process is one.
// A program calls it before anything else in main.
func Serve(roles map[string]Role) {
	name := os.Getenv(env)
	if name == "" {
		return
	}
	_ = os.Unsetenv(env) // its own children are what they are told
	err := fmt.Errorf("there is no role %q", name)
	if role := roles[name]; role != nil {
		ctx, cancel := context.WithCancel(context.Background())
		err = role(ctx, newConn(os.Stdin, os.Stdout, cancel))
		cancel()
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err) // nobody else to tell
		os.Exit(1)
	}
	os.Exit(0)
}

// Conn is one end of the pipes between parent and child.
type Conn struct {
	in  <-chan json.RawMessage
	enc *json.Encoder
}

// newConn reads what comes from r until it ends, and calls ended then.
func newConn(r io.Reader, w io.Writer, ended func()) *Conn {
	in := make(chan json.RawMessage, 16)
	go func() { // ends with r: with the other process
		defer ended()
		defer close(in)
		for dec := json.NewDecoder(bufio.NewReader(r)); ; {
			var raw json.RawMessage
			if dec.Decode(&raw) != nil {
				return
			}
			in <- raw
		}
	}()
	return &Conn{in, json.NewEncoder(w)}
}

// Get waits for what the other end puts, and decodes it into v. It returns
// io.EOF if the other end is gone.
func (c *Conn) Get(v any) error {
	raw, ok := <-c.in
	if !ok {
		return io.EOF
	}
	return json.Unmarshal(raw, v)
}

// Put sends v to the other end.
func (c *Conn) Put(v any) error { return c.enc.Encode(v) }

// Proc is a child.
type Proc struct {
	*Conn
	role  string
	cmd   *exec.Cmd
	stdin io.Closer
	said  tail
	once  sync.Once
	ended error
}

// Start runs this program in a role, with config as the first thing that the
// role gets, and environ added to its environment. Close or Kill the child.
func Start(role string, config any, environ ...string) (*Proc, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Proc{role: role, cmd: exec.Command(self)}
	// With the race detector a process would wait for a second at its end.
	p.cmd.Env = slices.Concat([]string{"GORACE=atexit_sleep_ms=0"}, os.Environ(), environ, []string{env + "=" + role})
	// A Ctrl-C is for the parent, which ends its children in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = &p.said
	p.cmd.WaitDelay = 5 * time.Second // for a child's child that holds the pipe
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, stdin.Close())
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.stdin = stdin
	p.Conn = newConn(stdout, stdin, func() {})
	_ = p.Put(config) // if the child is gone already, Get says why
	return p, nil
}

// PID returns the id of the process.
func (p *Proc) PID() int { return p.cmd.Process.Pid }

// Get is Conn.Get, with an error that says what the child said.
func (p *Proc) Get(v any) error {
	err := p.Conn.Get(v)
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Unavailable, "bench", p.role, "the process ended: %s", p.said.String())
	}
	return err
}

// Close ends the child and waits for it. The error is the child's. It may be
// called twice.
func (p *Proc) Close() error {
	p.once.Do(func() {
		err := p.stdin.Close()
		for range p.in { // until it has said all
		}
		if err2 := p.cmd.Wait(); err2 != nil {
			p.ended = fault.New(fault.Internal, "bench", p.role, "the process failed: %v: %s", err2, p.said.String())
		} else if err != nil && !errors.Is(err, os.ErrClosed) {
			p.ended = err
		}
	})
	return p.ended
}

// Kill kills the child with SIGKILL, as a crash would, and waits for its end.
func (p *Proc) Kill() error {
	err := p.cmd.Process.Kill()
	p.once.Do(func() {
		_ = p.stdin.Close() // it reads no more
		for range p.in {
		}
		_ = p.cmd.Wait() // it was killed
	})
	return err
}

// tail keeps the end of what a child says on its standard error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const keep = 4096
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	t.b = t.b[max(0, len(t.b)-keep):]
	return len(b), nil
}

// String returns what was said last.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
