package lambda_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/lambda"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/server"
)

// TestMain is the tests, or the platform that TestKill kills.
func TestMain(m *testing.M) {
	if spec := os.Getenv("SITU_LAMBDA_VICTIM"); spec != "" {
		if err := victim(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// doom says how a victim runs, and when it kills itself: at the checkpoint with
// that number of the execution with that name, before it is carried out or when
// it has been, and nobody has been told.
type doom struct {
	Data, Task, Did, Node string
	Name                  string
	At                    int64 // 0 is never
	After                 bool
}

// victim is a platform on a data directory. It says where it listens, and runs
// until it is killed.
func victim(spec string) error {
	var d doom
	if err := json.Unmarshal([]byte(spec), &d); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	srv, err := server.Open(server.Config{Dir: d.Data, Listen: "127.0.0.1:0", Log: log, Shards: 2,
		Lambda: &lambda.Config{Listen: "127.0.0.1:0", Dir: d.Data, Node: d.Node, Log: log, Functions: functions(d.Task, d.Did), Wrap: d.wrap}})
	if err != nil {
		return err
	}
	fmt.Println("http://" + srv.Lambda())
	return srv.Run(context.Background())
}

func (d *doom) wrap(next http.Handler) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := strings.HasSuffix(r.URL.Path, "/checkpoint") && strings.Contains(r.URL.Path, "/durable-execution/"+d.Name+"/")
		if !mine || n.Add(1) != d.At {
			next.ServeHTTP(w, r)
			return
		}
		if d.After {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		if err := proc.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			panic(err)
		}
		select {} // nothing is answered any more
	})
}

// running is a victim that runs.
type running struct {
	url  string
	gone chan struct{} // closed when it is
	kill func()
}

func (d doom) start(t *testing.T) *running {
	t.Helper()
	spec, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SITU_LAMBDA_VICTIM="+string(spec))
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v := &running{gone: make(chan struct{}), kill: func() { _ = cmd.Process.Kill() }}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the platform did not start: ", cmd.Wait())
	}
	v.url = lines.Text()
	go func() {
		defer close(v.gone)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // it was killed
	}()
	return v
}

// post makes a request, and returns its answer, "" if the victim is dead.
func (v *running) post(path, body string, headers ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", v.url+path, strings.NewReader(body))
	if err != nil {
		return ""
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(b)
}

// TestKill kills the platform at each checkpoint of an execution, in turn before
// and after it is carried out. The executions of all rounds are in one data
// directory, so earlier ones are hit wherever they happen to be. Each of them
// ends with the right answer: every value that a step made, and that was
// checkpointed, is the one in the answer.
func TestKill(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, dir: task(t), did: t.TempDir()}
	base := doom{Data: t.TempDir(), Task: r.dir, Did: r.did, Node: node(t)}
	answered := map[string]bool{}
	answer := func(v *running) { // plays the one who is asked
		for _, line := range r.lines("killed") {
			if id, ok := strings.CutPrefix(line, "callback "); ok && !answered[id] {
				got := v.post("/2025-12-01/durable-execution-callbacks/"+id+"/succeed", `yes`)
				answered[id] = got == "{}" || strings.Contains(got, "answered before")
			}
		}
	}
	var names []string
	for k := int64(1); ; k++ {
		d := base
		d.At, d.After, d.Name = k, k%2 == 0, "k"+strconv.FormatInt(k, 10)
		names = append(names, d.Name)
		v := d.start(t)
		t.Cleanup(v.kill)
		done := make(chan string, 1)
		go func() { done <- v.invoke(d.Name) }()
		over := false
		for over = false; !over; {
			select {
			case <-v.gone:
				over = true
			case got := <-done:
				if got != "" { // it has fewer checkpoints than that
					v.kill()
					<-v.gone
					finish(t, r, base, names, answer)
					return
				}
				done = nil
			case <-time.After(20 * time.Millisecond):
				answer(v)
			}
		}
	}
}

func (v *running) invoke(name string) string {
	return v.post("/2015-03-31/functions/killed/invocations", fmt.Sprintf(`{"name":%q}`, name), "X-Amz-Durable-Execution-Name", name)
}

// finish lets all executions come to their end, and checks them.
func finish(t *testing.T, r *rig, base doom, names []string, answer func(*running)) {
	t.Helper()
	base.At = 0
	v := base.start(t)
	defer func() { v.kill(); <-v.gone }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, name := range names {
			r.verify(name, v.invoke(name))
		}
	}()
	for {
		select {
		case <-done:
			if len(names) < 8 {
				t.Errorf("only %d points were hit", len(names)-1)
			}
			t.Logf("killed at %d points", len(names)-1)
			return
		case <-time.After(20 * time.Millisecond):
			answer(v)
		}
	}
}

// verify checks the answer of an execution against what its steps did.
func (r *rig) verify(name, got string) {
	var out map[string]any
	if err := json.Unmarshal([]byte(got), &out); err != nil {
		r.t.Errorf("%s: %v: %s", name, err, got)
		return
	}
	if out["said"] != "yes" || out["plain"] != 42.0 {
		r.t.Errorf("%s: %s", name, got)
	}
	made := map[string][]string{}
	for _, line := range r.lines("killed") {
		if what, value, ok := strings.Cut(line, " "); ok {
			made[what] = append(made[what], value)
		}
	}
	for _, step := range []string{"a", "b", "c", "d", "e"} {
		values := made[name+"."+step]
		if len(values) == 0 || out[step] != values[len(values)-1] {
			r.t.Errorf("%s: step %s made %v, and the answer has %v", name, step, values, out[step])
		}
	}
}
