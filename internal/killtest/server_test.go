package killtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/killtest/witness"
	"github.com/situ-dev/situ/internal/proc"
)

// process is a process that this test started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of Wait, after exited
}

// startProcess starts a process that dies with this one.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is tied to the thread that starts it
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	return p, <-started
}

// end sends sig and waits until the process is gone.
func (p *process) end(t *testing.T, sig syscall.Signal, within time.Duration) error {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return p.wait(t, within)
}

// wait waits until the process ends by itself.
func (p *process) wait(t *testing.T, within time.Duration) error {
	t.Helper()
	select {
	case <-p.exited:
		return p.err
	case <-time.After(within):
		t.Fatalf("%s did not end within %v", filepath.Base(p.cmd.Path), within)
		return nil
	}
}

// server is `situ serve` on one directory and one port, again and again.
type server struct {
	prefix []string // what runs it, with arguments; nil: it runs by itself
	where  string   // data directory; "" is one in dir
	flags  []string // more of them

	t       *testing.T
	dir     string // data, logs and histories are below
	listen  string
	admin   string
	api     *client.Client
	situ    *situ.Client
	proc    *process // nil while there is none
	worker  int      // pid
	probes  int      // acknowledged writes of the test itself
	restart []time.Duration
	workers []time.Duration // how long after the death of a worker there was an answer
}

func (s *server) data() string { return cmp.Or(s.where, filepath.Join(s.dir, "data")) }

// built is where build has put what is run; TestMain removes it.
var built string

// build builds what is run, once for all tests, and returns the directory.
var build = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "situ-killtest-bin-"); err != nil {
		return "", err
	}
	built = dir
	for _, args := range [][]string{
		{"build", "-o", dir + "/", "github.com/situ-dev/situ/cmd/situ", "github.com/situ-dev/situ/internal/killtest/program"},
		// The client is this test without the race detector: it is to make many calls.
		{"test", "-c", "-o", filepath.Join(dir, "client"), "github.com/situ-dev/situ/internal/killtest"},
	} {
		cmd := exec.Command("go", args...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
	}
	return dir, nil
})

// newServer has what is run in dir, and chooses ports.
func newServer(t *testing.T, dir string) *server {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"situ", "program", "client"} {
		if err := os.Link(filepath.Join(bin, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	ports := freePorts(t, 2)
	s := &server{t: t, dir: dir, listen: ports[0], admin: ports[1]}
	s.api, s.situ = client.New("http://"+s.listen), situ.NewClient("http://"+s.listen)
	t.Cleanup(func() {
		s.api.Close()
		s.situ.Close()
		if s.proc != nil {
			_ = s.proc.end(t, syscall.SIGKILL, time.Minute)
		}
	})
	return s
}

// freePorts returns addresses that nobody listens at. They are below those
// that the kernel gives to clients: a client that asks for a port at which
// nobody listens just now could be given that one, and talk to itself.
func freePorts(t *testing.T, n int) (addrs []string) {
	t.Helper()
	low := 32768
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		low, _ = strconv.Atoi(strings.Fields(string(b))[0])
	}
	for range 1000 {
		addr := fmt.Sprint("127.0.0.1:", 10000+rand.IntN(max(low-10000, 1)))
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		defer func() { _ = ln.Close() }() // until all are found
		if addrs = append(addrs, addr); len(addrs) == n {
			return addrs
		}
	}
	t.Fatal("no port is free")
	return nil
}

// start starts the server and returns when it has carried out a call.
func (s *server) start() {
	s.t.Helper()
	began := time.Now()
	s.launch()
	s.probe()
	s.restart = append(s.restart, time.Since(began))
	s.seeWorker()
}

// launch starts the server and does not wait for it.
func (s *server) launch() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()                                                                 // the process has its own
	_, _ = fmt.Fprintf(log, "---- start %d at %v\n", len(s.restart), time.Now().Format(time.TimeOnly)) // a log
	args := slices.Concat(s.prefix, []string{filepath.Join(s.dir, "situ"), "serve", filepath.Join(s.dir, "program"),
		"--data", s.data(), "--listen", s.listen, "--admin", s.admin}, s.flags)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.proc, err = startProcess(cmd); err != nil {
		s.t.Fatal(err)
	}
}

// probe writes to a register of the test's own until that is acknowledged.
func (s *server) probe() {
	s.t.Helper()
	ctx, free := context.WithTimeout(context.Background(), time.Minute)
	defer free()
	for {
		attempt, free := context.WithTimeout(ctx, 5*time.Second)
		_, err := situ.Do(attempt, s.situ, witness.Write.To("probe", s.probes+1))
		free()
		if err == nil {
			s.probes++
			return
		}
		if !open(err) {
			s.t.Fatalf("the first call: %v", err)
		}
		select {
		case <-s.proc.exited:
			s.t.Fatalf("the server ended by itself: %v\n%s", s.proc.err, s.tail())
		case <-ctx.Done():
			s.t.Fatalf("no answer after a start: %v\n%s", err, s.tail())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// tail returns the end of the server's log.
func (s *server) tail() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "server.log"))
	return string(b[max(len(b)-3000, 0):])
}

func (s *server) status() *api.Status {
	s.t.Helper()
	ctx, free := context.WithTimeout(context.Background(), 20*time.Second)
	defer free()
	st, err := s.api.Status(ctx)
	if err != nil {
		s.t.Fatalf("status: %v\n%s", err, s.tail())
	}
	return st
}

// kill ends the server at once, and sees that its worker is gone, too.
func (s *server) kill() {
	s.t.Helper()
	_ = s.proc.end(s.t, syscall.SIGKILL, 30*time.Second) // "signal: killed"
	s.proc = nil
	deadline := time.Now().Add(10 * time.Second)
	for alive(s.worker) {
		if time.Now().After(deadline) {
			s.t.Fatalf("worker %d is alive 10 s after its server was killed", s.worker)
		}
		<-time.After(time.Millisecond)
	}
}

// alive reports whether a process runs. One that only waits for its parent to
// ask how it ended does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// killWorker ends the worker at once.
func (s *server) killWorker() {
	s.t.Helper()
	if err := proc.Kill(s.worker, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.t.Fatalf("kill worker %d: %v\n%s", s.worker, err, s.tail())
	}
}

// seeWorker learns which worker there is: one that stood still for too long has
// been replaced.
func (s *server) seeWorker() {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for s.probe(); ; s.probe() {
		if s.worker = s.status().Worker.PID; s.worker != 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("there is no worker\n%s", s.tail())
		}
	}
}

// renewWorker kills the worker and returns when another has carried out a call.
func (s *server) renewWorker() {
	s.t.Helper()
	began := time.Now()
	s.killWorker()
	old := s.worker
	deadline := began.Add(time.Minute)
	for s.probe(); s.worker == old || s.worker == 0; s.worker = s.status().Worker.PID {
		if time.Now().After(deadline) {
			s.t.Fatalf("no worker after the death of worker %d\n%s", old, s.tail())
		}
	}
	s.probe()
	s.workers = append(s.workers, time.Since(began))
}

// stop asks the server to end.
func (s *server) stop() {
	s.t.Helper()
	if err := s.proc.end(s.t, syscall.SIGTERM, 30*time.Second); err != nil {
		s.t.Fatalf("after SIGTERM: %v\n%s", err, s.tail())
	}
	s.proc = nil
	if alive(s.worker) {
		s.t.Fatalf("worker %d is alive after its server has ended", s.worker)
	}
}

// doctor has the closed directory checked.
func (s *server) doctor() {
	s.t.Helper()
	out, err := exec.Command(filepath.Join(s.dir, "situ"), "doctor", s.data()).CombinedOutput()
	if err != nil {
		s.t.Errorf("situ doctor: %v\n%s", err, out)
	}
}

// quiet waits until nothing is queued, on its way or waiting for its time: two
// looks with nothing to do and no commit in between.
func (s *server) quiet(within time.Duration) {
	s.t.Helper()
	deadline := time.Now().Add(within)
	var last *api.Status
	for {
		st := s.status()
		busy := last == nil
		for i, sh := range st.Shards {
			busy = busy || sh.Queued+sh.Outbox+sh.Timers > 0 || sh.Seq != last.Shards[i].Seq
		}
		if !busy {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("I9: something is still to be done after %v: %+v", within, st.Shards)
		}
		last = st
		<-time.After(5 * time.Millisecond)
	}
}

// peer is a client process.
type peer struct {
	*process
	in io.WriteCloser
}

// say tells the client something. One that was killed does not hear it.
func (p *peer) say(what string) { _, _ = fmt.Fprintln(p.in, what) }
