package worker_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

func TestRun(t *testing.T) {
	p := open(t, worker.Config{})
	p.load(self(t, "one"))
	for i := 1; i <= 100; i++ {
		p.want("a", "add", "1", strconv.Itoa(i))
	}
	p.want("a", "put", `"x"`, "1")
	p.want("a", "put", `"y"`, "2")
	p.want("a", "get", `{}`, "100")
	p.want("b", "fanout", "200", "200")
	if resp := p.call("a", "boom", "1"); resp.Fail == nil || !strings.Contains(resp.Fail.Message, "boom") {
		t.Errorf("a panic: %+v", resp)
	}
	p.want("a", "get", `{}`, "100")
	if st := p.pool.Status(); st.State != worker.Running || st.Restarts != 0 || st.PID == os.Getpid() {
		t.Errorf("%v", st)
	}
}

// A worker that is killed in the middle of turns is started again, and what it
// ran runs again: nothing is lost and nothing happens twice.
func TestKill(t *testing.T) {
	p := open(t, worker.Config{Backoff: time.Millisecond})
	p.load(self(t, "one"))
	const callers, calls = 8, 60
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for range calls {
				p.call("k"+strconv.Itoa(c), "add", "1")
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	for kills := 0; kills < 3; kills++ {
		mark := filepath.Join(t.TempDir(), "mark")
		pid := p.pool.Status().PID
		result := make(chan *wire.Response, 1)
		go func() { result <- p.call("victim", "killme", strconv.Quote(mark)) }()
		awaitFile(t, mark)
		if err := proc.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if resp := <-result; string(resp.Body.Data) != strconv.Itoa(kills+1) {
			t.Errorf("kill %d: the turn answered %s, %v", kills, resp.Body.Data, resp.Fail)
		}
	}
	<-done
	for c := range callers {
		p.want("k"+strconv.Itoa(c), "get", `{}`, strconv.Itoa(calls))
	}
	if st := p.pool.Status(); st.Restarts < 3 {
		t.Errorf("%v", st)
	}
}

// A handler that ends its process is given up after its attempts; others go
// on.
func TestExit(t *testing.T) {
	p := open(t, worker.Config{Backoff: time.Millisecond})
	p.load(self(t, "one"))
	p.want("a", "add", "1", "1")
	bad := make(chan *wire.Response, 1)
	go func() { bad <- p.call("bad", "crash", "1") }()
	var resp *wire.Response
	n := 1
	for resp == nil {
		n++
		p.want("a", "add", "1", strconv.Itoa(n))
		select {
		case resp = <-bad:
		default:
		}
	}
	if resp.Fail == nil || resp.Fail.Kind != fault.Crashed.String() {
		t.Errorf("%+v", resp)
	}
	letters, _, err := p.node.Dead(t.Context(), "", "", 10)
	if err != nil || len(letters) != 1 || letters[0].Envelope.To.Method != "crash" {
		t.Errorf("dead letters: %+v, %v", letters, err)
	}
	p.want("a", "get", `{}`, strconv.Itoa(n))
}

// Another program takes over with the state as it was; one that cannot start
// leaves the old one where it is.
func TestReplace(t *testing.T) {
	p := open(t, worker.Config{Start: 2 * time.Second})
	p.load(self(t, "one"))
	p.want("a", "add", "5", "5")
	if got := p.who(); !strings.Contains(got, `"one"`) {
		t.Error(got)
	}
	for _, c := range []struct {
		path string
		kind fault.Kind
		says string
	}{
		{"/does/not/exist", fault.Invalid, "no such file"},
		{self(t, "quits"), fault.Crashed, "(exit status 3): does its main call situ.Main? It printed:\n\tno database"},
		{self(t, "deaf"), fault.Timeout, "did not connect within 2s"},
	} {
		err := p.pool.Replace(t.Context(), c.path)
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.path, err)
		}
		p.want("a", "get", `{}`, "5")
	}
	var group sync.WaitGroup
	for c := range 4 {
		group.Go(func() {
			for range 50 {
				p.call("r"+strconv.Itoa(c), "add", "1")
			}
		})
	}
	p.load(self(t, "two"))
	if got := p.who(); !strings.Contains(got, `"two"`) {
		t.Error(got)
	}
	p.load(self(t, "three"))
	group.Wait()
	for c := range 4 {
		p.want("r"+strconv.Itoa(c), "get", `{}`, "50")
	}
	p.want("a", "get", `{}`, "5")
	if st := p.pool.Status(); st.Restarts != 0 {
		t.Errorf("%v", st)
	}
}

// A program that was started by hand takes over, with no limit on how long a
// handler may take, and gives back.
func TestAttach(t *testing.T) {
	p := open(t, worker.Config{})
	p.load(self(t, "one"))
	p.want("a", "add", "5", "5")
	ready, detach, done := p.byHand()
	if n := <-ready; n != 4 {
		t.Fatalf("attached to %d shards", n)
	}
	p.log.until(t, func(s string) bool { return strings.Contains(s, "a program was attached") })
	var w who
	if err := json.Unmarshal([]byte(p.who()), &w); err != nil || w.PID != os.Getpid() {
		t.Errorf("%+v, %v", w, err)
	}
	p.want("a", "add", "1", "6")
	if st := p.pool.Status(); st.State != worker.Attached || st.PID != os.Getpid() {
		t.Errorf("%v", st)
	}
	if _, _, second := p.byHand(); !fault.Is(second(), fault.Invalid) {
		t.Errorf("a second one attached: %v", second())
	}
	detach()
	if err := done(); err != nil {
		t.Error(err)
	}
	p.want("a", "add", "1", "7")
	if got := p.who(); !strings.Contains(got, `"one"`) {
		t.Error(got)
	}
}

// At the end the program is asked to finish, and is gone afterwards.
func TestStop(t *testing.T) {
	p := open(t, worker.Config{})
	p.load(self(t, "one"))
	p.want("a", "add", "1", "1")
	pid := p.pool.Status().PID
	p.stop()
	if err := proc.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the worker is still there: %v", err)
	}
	if st := p.pool.Status(); st.PID != 0 {
		t.Errorf("%v", st)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "attach.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// What a program prints comes out line by line, and what it logs becomes
// records of ours.
func TestOutput(t *testing.T) {
	p := open(t, worker.Config{})
	p.load(self(t, "one"))
	if _, err := p.try(wire.Address{Method: "speak"}, `"hello"`); err != nil {
		t.Fatal(err)
	}
	p.out.until(t, func(s string) bool { return strings.Contains(s, "plain hello\n") })
	p.log.until(t, func(s string) bool { return strings.Contains(s, "msg=hello function=speak n=1") })
}

// awaitFile waits until path is there.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(30 * time.Second); ; <-tick.C {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s never came", path)
		}
	}
}

// A program waits for its platform, attaches where the socket's path is too
// long, too, and gives back when it is interrupted.
func TestAttachByHand(t *testing.T) {
	for _, below := range []string{"d", strings.Repeat("long", 30)} {
		dir := filepath.Join(t.TempDir(), below)
		hand := exec.Command(self(t, "hand", "SITU_ATTACH="+dir))
		said := newLogs()
		hand.Stderr = said
		must(hand.Start())
		said.until(t, func(s string) bool { return strings.Contains(s, "waiting for a platform") })
		p := openIn(t, dir, worker.Config{})
		p.load(self(t, "one"))
		said.until(t, func(s string) bool { return strings.Contains(s, "attached to the platform") })
		p.log.until(t, func(s string) bool { return strings.Contains(s, "a program was attached") })
		if got := p.who(); !strings.Contains(got, `"hand"`) {
			t.Error(got)
		}
		p.want("a", "add", "1", "1")
		must(hand.Process.Signal(os.Interrupt))
		if err := hand.Wait(); err != nil {
			t.Errorf("it ended with %v", err)
		}
		p.want("a", "add", "1", "2")
		if got := p.who(); !strings.Contains(got, `"one"`) {
			t.Error(got)
		}
		p.stop()
	}
}

// freeze stops a process, and returns when all of its threads stand still: until then it may
// answer, and one that has nothing to do is not asked whether it lives.
func freeze(t *testing.T, pid int) {
	t.Helper()
	must(proc.Kill(pid, syscall.SIGSTOP))
	for end := time.Now().Add(time.Minute); ; {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		must(err)
		running := len(tasks) == 0
		for _, path := range tasks {
			b, err := os.ReadFile(path)
			running = running || err == nil && !bytes.Contains(b, []byte(") T "))
		}
		if !running {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %d does not stop", pid)
		}
	}
}

// A worker that does not answer is killed and started again.
func TestSilence(t *testing.T) {
	p := open(t, worker.Config{Silence: 300 * time.Millisecond, Backoff: time.Millisecond})
	p.load(self(t, "one"))
	p.want("a", "add", "1", "1")
	freeze(t, p.pool.Status().PID)
	p.want("a", "add", "1", "2")
	p.log.until(t, func(s string) bool { return strings.Contains(s, "did not answer") })
}
