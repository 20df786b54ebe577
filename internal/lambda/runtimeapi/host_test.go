package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// TestMain is the tests, or a function: a program named bootstrap.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "bootstrap" {
		runtime("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// order is an event: what the function is to do.
type order struct {
	Do   string
	Size int
	File string // it is waited for
}

// runtime is a function that does as it is told, in a runtime that does
// more than is right.
func runtime(api string) {
	if os.Getenv("FAIL_INIT") != "" {
		post(api+"init/error", `{"errorType":"Init","errorMessage":"no"}`)
		return
	}
	for {
		resp, err := http.Get(api + "invocation/next")
		if err != nil {
			return
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return
		}
		var o order
		if err := json.Unmarshal(body, &o); err != nil {
			return
		}
		to := api + "invocation/" + resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
		switch o.Do {
		case "exit":
			fmt.Println("good bye")
			return
		case "hang":
			select {}
		case "silence": // no answer, and on to the next
		case "large":
			if got := post(to+"/response", strings.Repeat("x", o.Size)); got != http.StatusRequestEntityTooLarge {
				return
			}
		case "twice":
			post(to+"/response", `"once"`)
			if got := post(to+"/response", `"twice"`); got != http.StatusAccepted {
				return
			}
		case "fail":
			post(to+"/error", `{"errorType":"Wrong"}`)
		case "wait":
			for { // until the test lets it
				if _, err := os.Stat(o.File); err == nil {
					break
				}
				time.Sleep(time.Millisecond)
			}
			post(to+"/response", `"waited"`)
		default:
			post(to+"/response", fmt.Sprintf("%d", os.Getpid()))
		}
	}
}

func post(url, body string) int {
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func host(t *testing.T, f Function, cfg Config) *Host {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f.Name, f.Dir = "f", t.TempDir()
	if err := os.Symlink(self, filepath.Join(f.Dir, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	h, err := NewHost(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func (h *Host) do(t *testing.T, o order) Result {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.Invoke(t.Context(), Event{Payload: b, Request: "request-" + o.Do, ARN: "arn"})
	if err != nil {
		t.Error(err)
	}
	return res
}

// TestHost has a process do what functions do, and what they should not.
func TestHost(t *testing.T) {
	h := host(t, Function{Most: 1, Timeout: 2 * time.Second}, Config{})
	first := h.do(t, order{})
	if again := h.do(t, order{}); first.Failed || !bytes.Equal(first.Payload, again.Payload) {
		t.Errorf("the process %s is not kept: then it is %s", first.Payload, again.Payload)
	}
	for _, c := range []struct {
		o      order
		want   string
		failed bool
	}{
		{order{Do: "fail"}, `{"errorType":"Wrong"}`, true},
		{order{Do: "twice"}, `"once"`, false},
		{order{Do: "large", Size: maxAnswer + 1}, "Function.ResponseSizeTooLarge", true},
		{order{Do: "silence"}, "Runtime.NoAnswer", true},
	} {
		if res := h.do(t, c.o); !strings.Contains(string(res.Payload), c.want) || res.Failed != c.failed {
			t.Errorf("%s: %v %s", c.o.Do, res.Failed, res.Payload)
		}
	}
	if again := h.do(t, order{}); !bytes.Equal(first.Payload, again.Payload) {
		t.Errorf("the process %s was ended for nothing", first.Payload)
	}
	for _, c := range []struct{ do, want string }{{"exit", "exit status 1: good bye"}, {"hang", "Task timed out after 2.00 seconds"}} {
		if res := h.do(t, order{Do: c.do}); !res.Failed || !strings.Contains(string(res.Payload), c.want) || !json.Valid(res.Payload) {
			t.Errorf("%s: %v %s", c.do, res.Failed, res.Payload)
		}
		if res := h.do(t, order{}); res.Failed || bytes.Equal(first.Payload, res.Payload) {
			t.Errorf("after %s: %v %s", c.do, res.Failed, res.Payload)
		}
	}
}

// TestInstances has more work than instances: no more than the bound run, and all
// of it is done.
func TestInstances(t *testing.T) {
	h := host(t, Function{Most: 2}, Config{})
	file := filepath.Join(t.TempDir(), "go")
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if res := h.do(t, order{Do: "wait", File: file}); string(res.Payload) != `"waited"` {
				t.Errorf("%s", res.Payload)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if n := len(h.idle); n > 2 || n != h.count {
		t.Errorf("%d instances are idle, of %d", n, h.count)
	}
	<-ctx.Done()
	if _, err := h.Invoke(ctx, Event{Payload: []byte(`{"Do":"wait","File":"/nowhere"}`)}); !fault.Is(err, fault.Canceled) {
		t.Errorf("with nobody who waits: %v", err)
	}
	h.Close()
	h.Close()
	if _, err := h.Invoke(t.Context(), Event{}); !fault.Is(err, fault.Unavailable) || h.count != 0 {
		t.Errorf("closed: %v, with %d instances", err, h.count)
	}
}

// TestIdle ends instances that have no work.
func TestIdle(t *testing.T) {
	h := host(t, Function{}, Config{Idle: time.Millisecond})
	first := h.do(t, order{})
	h.mu.Lock()
	in := h.idle[0]
	h.mu.Unlock()
	<-in.over
	if again := h.do(t, order{}); again.Failed || bytes.Equal(first.Payload, again.Payload) {
		t.Errorf("%s and then %s", first.Payload, again.Payload)
	}
}

// TestInitError tells why a function does not start.
func TestInitError(t *testing.T) {
	h := host(t, Function{Env: []string{"FAIL_INIT=1"}}, Config{})
	if res := h.do(t, order{}); !res.Failed || string(res.Payload) != `{"errorType":"Init","errorMessage":"no"}` {
		t.Errorf("%v %s", res.Failed, res.Payload)
	}
}

// TestRefused are functions that cannot run.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.mjs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fn.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    Function
		cfg  Config
		want string
	}{
		{Function{Name: "a b", Dir: dir}, Config{}, "a function's name has"},
		{Function{Name: "f", Dir: "/nowhere"}, Config{}, "there is no directory /nowhere"},
		{Function{Name: "f", Dir: dir, Handler: "other.handler"}, Config{}, "neither a program named bootstrap nor a module other.mjs, .js, .cjs or .py"},
		{Function{Name: "f", Dir: dir, Handler: "index"}, Config{}, "is not FILE.EXPORT"},
		{Function{Name: "f", Dir: dir}, Config{Node: "/nowhere/node"}, "there is no program"},
		{Function{Name: "f", Dir: dir}, Config{Node: "true"}, "needs Node 22 or newer"},
		{Function{Name: "f", Dir: dir, Handler: "fn.handler"}, Config{Python: "/nowhere/python"}, "needs Python 3.8 or newer, and there is no program"},
		{Function{Name: "f", Dir: dir, Handler: "fn.handler"}, Config{Python: "true"}, "needs Python 3.8 or newer, and"},
	} {
		if _, err := NewHost(c.f, c.cfg); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.f, err)
		}
	}
}
