package worker_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

// frailty says how often a message ends its process, and where that is noted.
type frailty struct {
	Deaths int    `json:"deaths"`
	Runs   string `json:"runs"` // a directory with a file for each run: its process and program
	Hang   int    `json:"hang"` // the run, if any, that waits to be killed
}

var (
	frail     = situ.NewMethod[frailty, int](counterType, "frail", situ.Retries(situ.RetryPolicy(10, 10*time.Millisecond, 10*time.Millisecond)))
	frailFunc = situ.NewFunc[frailty, int]("frail", situ.Retries(situ.RetryPolicy(10, 10*time.Millisecond, 10*time.Millisecond)))
)

// weaken is one run of a frail message. It returns the number of the run.
func weaken(in frailty, over <-chan struct{}) int {
	all, err := os.ReadDir(in.Runs)
	must(err)
	n := len(all) + 1
	tmp := in.Runs + "." + strconv.Itoa(os.Getpid())
	must(os.WriteFile(tmp, []byte(strconv.Itoa(os.Getpid())+" "+os.Getenv("TEST_PROGRAM")), 0o600))
	must(os.Rename(tmp, filepath.Join(in.Runs, strconv.Itoa(n))))
	if n <= in.Deaths {
		os.Exit(7)
	}
	if n == in.Hang {
		<-over
		select {} // it is killed, or given up
	}
	return n
}

// run returns the process and the program of a frail message's run, when it
// has begun.
func (in *frailty) run(t *testing.T, n int) (pid int, program string) {
	t.Helper()
	path := filepath.Join(in.Runs, strconv.Itoa(n))
	awaitFile(t, path)
	b, err := os.ReadFile(path)
	must(err)
	first, program, _ := strings.Cut(string(b), " ")
	pid, err = strconv.Atoi(first)
	must(err)
	return pid, program
}

func (in *frailty) text() string {
	b, err := json.Marshal(in)
	must(err)
	return string(b)
}

// A message that has ended two workers ends no more: it is tried again in
// quarantine, and when it works there, it counts, once.
func TestQuarantine(t *testing.T) {
	for _, to := range []wire.Address{{Type: "counter", Key: "a", Method: "frail"}, {Method: "frail"}} {
		p := open(t, worker.Config{Backoff: time.Millisecond})
		p.load(self(t, "one"))
		p.want("a", "add", "1", "1")
		in := &frailty{Deaths: 4, Runs: t.TempDir()}
		resp, err := p.try(to, in.text())
		if err != nil || resp.Fail != nil || string(resp.Body.Data) != "5" {
			t.Fatalf("%v: %+v, %v", to, resp, err)
		}
		if st := p.pool.Status(); st.Restarts > died {
			t.Errorf("%v: %v", to, st)
		}
		if pid, _ := in.run(t, 5); pid == p.pool.Status().PID {
			t.Errorf("%v: it runs with the others", to)
		}
		want := "102"
		if to.Function() {
			want = "2"
		}
		p.want("a", "add", "1", want)
		p.stop()
	}
}

// What is in quarantine is taken back when the worker of its shard dies or is
// replaced, and runs again, in quarantine, of the new program; it counts once.
func TestQuarantineTakenBack(t *testing.T) {
	for name, change := range map[string]func(p *platform){
		"killed":   func(p *platform) { must(proc.Kill(p.pool.Status().PID, syscall.SIGKILL)) },
		"replaced": func(p *platform) { p.load(self(t, "two")) },
	} {
		p := open(t, worker.Config{Backoff: time.Millisecond})
		p.load(self(t, "one"))
		in := &frailty{Deaths: 3, Hang: 4, Runs: t.TempDir()}
		done := make(chan *wire.Response, 1)
		go func() { done <- p.call("a", "frail", in.text()) }()
		hung, _ := in.run(t, 4)
		p.want("b", "add", "1", "1") // the others do not notice
		change(p)
		if resp := <-done; resp.Fail != nil || string(resp.Body.Data) != "5" {
			t.Errorf("%s: %+v", name, resp)
		}
		if err := proc.Kill(hung, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s: what was taken back runs on: %v", name, err)
		}
		pid, program := in.run(t, 5)
		if pid == p.pool.Status().PID || name == "replaced" && program != "two" {
			t.Errorf("%s: it ran again in %q", name, program)
		}
		p.want("a", "add", "1", "101")
		p.stop()
	}
}
