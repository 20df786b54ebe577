package worker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

// function calls a function and shows what came: the answer, the handler's
// failure, or why it was refused.
func (p *platform) function(name, in string) string {
	resp, err := p.try(wire.Address{Method: name}, in)
	switch {
	case err != nil:
		return "refused: " + fault.KindOf(err).String()
	case resp.Fail != nil:
		return strings.TrimSpace(resp.Fail.Kind + " " + resp.Fail.Code)
	}
	return string(resp.Body.Data)
}

func gate(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// letThrough opens a gate for whoever waits at it or will, until done.
func letThrough(t *testing.T, path string, done *sync.WaitGroup) {
	gone := make(chan struct{})
	go func() { done.Wait(); close(gone) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0) // fails while nobody waits
		if err == nil {
			err = f.Close()
		}
		if err != nil && !errors.Is(err, syscall.ENXIO) {
			t.Error(err)
		}
		select {
		case <-gone:
			return
		case <-tick.C:
		}
	}
}

// Functions in a worker process answer, fail, hang and kill it, as in a frame
// of a shard.
func TestFunctions(t *testing.T) {
	p := open(t, worker.Config{Run: host.Config{Grace: 100 * time.Millisecond}, Backoff: time.Millisecond})
	p.load(self(t, "one"))
	for _, c := range []struct{ name, in, want string }{
		{"spread", "3", "3"}, // its sends and its answer are committed together
		{"refuse", "1", "failed no"},
		{"burst", "1", "crashed"},
		{"hang", "1", "timeout"},
		{"nothing", "1", "refused: not-found"},
		{"quit", "1", "crashed"},
		{"spread", "3", "6"},
	} {
		if got := p.function(c.name, c.in); got != c.want {
			t.Errorf("%s(%s): %s, want %s", c.name, c.in, got, c.want)
		}
	}
	for i := range 3 {
		p.want(fmt.Sprintf("s%d", i), "get", `{}`, "2")
	}
	if st := p.pool.Status(); st.Restarts == 0 {
		t.Error("quit did not end the worker")
	}
}

// Many at once are run together, and one that waits keeps nobody waiting.
func TestFunctionsTogether(t *testing.T) {
	p := open(t, worker.Config{})
	p.load(self(t, "one"))
	g := gate(t)
	var waits, group sync.WaitGroup
	waits.Go(func() {
		if got := p.function("await", fmt.Sprintf("%q", g)); got != "1" {
			t.Errorf("await: %s", got)
		}
	})
	for range 16 {
		group.Go(func() {
			for range 100 {
				if got := p.function("whoami", `{}`); !strings.Contains(got, `"one"`) {
					t.Errorf("whoami: %s", got)
					return
				}
			}
		})
	}
	group.Wait()
	letThrough(t, g, &waits)
}

// A program that is replaced finishes what it runs; one that is killed loses
// it, and it is run again.
func TestFunctionsMove(t *testing.T) {
	p := open(t, worker.Config{Backoff: time.Millisecond})
	p.load(self(t, "one"))
	g := gate(t)
	var waits sync.WaitGroup
	waits.Go(func() {
		if got := p.function("await", fmt.Sprintf("%q", g)); got != "1" {
			t.Errorf("await: %s", got)
		}
	})
	if got := p.function("whoami", `{}`); !strings.Contains(got, `"one"`) {
		t.Errorf("whoami: %s", got)
	}
	p.load(self(t, "two"))
	if got := p.function("whoami", `{}`); !strings.Contains(got, `"two"`) {
		t.Errorf("whoami: %s", got)
	}
	letThrough(t, g, &waits)

	g = gate(t)
	waits.Go(func() {
		if got := p.function("await", fmt.Sprintf("%q", g)); got != "1" {
			t.Errorf("await, after its worker was killed: %s", got)
		}
	})
	first, err := os.OpenFile(g, os.O_WRONLY, 0) // it runs now
	if err != nil {
		t.Fatal(err)
	}
	if err := proc.Kill(p.pool.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	letThrough(t, g, &waits)
}

// What runs when the platform stops is finished first.
func TestFunctionsStop(t *testing.T) {
	p := open(t, worker.Config{})
	p.load(self(t, "one"))
	g := gate(t)
	done := make(chan string, 1)
	go func() { done <- p.function("await", fmt.Sprintf("%q", g)) }()
	f, err := os.OpenFile(g, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { p.stop(); close(stopped) }()
	for p.function("whoami", `{}`) != "refused: unavailable" { // until it has begun to stop
	}
	_ = f.Close()
	if got := <-done; got != "1" {
		t.Errorf("await: %s", got)
	}
	<-stopped
}
