package killtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/killtest/witness"
)

// tally is what callers of a counter know: which ids were acknowledged, and
// when the last answer came.
type tally struct {
	mu    sync.Mutex
	acked []string
	errs  map[string]int // kinds of errors, and how often
	last  time.Time      // of an answer
}

// count has n callers count on counters until ctx is done; an id is never used
// twice.
func (s *server) count(ctx context.Context, run string, n int, to *tally) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				id := fmt.Sprintf("%s-%d-%d", run, i, j)
				attempt, free := context.WithTimeout(ctx, 5*time.Second)
				_, err := situ.Do(attempt, s.situ, witness.Add.To(counterKey(id), id).Idempotent(id))
				free()
				to.mu.Lock()
				if err == nil {
					to.acked = append(to.acked, id)
					to.last = time.Now()
				} else {
					to.errs[kindOf(err)]++
				}
				to.mu.Unlock()
				if err != nil {
					<-time.After(5 * time.Millisecond)
				}
			}
		})
	}
	group.Wait()
}

// kindOf returns the kind of an error of the platform, "" for others.
func kindOf(err error) string {
	if e, ok := errors.AsType[*situ.Error](err); ok {
		return e.Kind
	}
	return ""
}

func counterKey(id string) string { return "d" + id[len(id)-1:] }

// holds looks whether all that was acknowledged was applied just once.
func (s *server) holds(acked []string) {
	s.t.Helper()
	v := &verdict{t: s.t, s: s}
	applied := map[string]int{}
	for i := range 10 {
		for id, n := range ask(v, witness.Applied.To(fmt.Sprint("d", i), situ.None{})).Applied {
			applied[id] = n
		}
	}
	for _, id := range acked {
		if applied[id] != 1 {
			v.wrong("I8: %s was acknowledged, and was applied %d times", id, applied[id])
		}
	}
}

// failedSyncs are the numbers of the syncs that fail, of each thread. Some are
// those of a start; the last ones are met while calls run.
var failedSyncs = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30}

// TestFailedSync has the real process meet a disk whose nth sync fails (EIO, by
// strace): it ends at once, with a message and exit code 74 (another one if
// it was starting), nothing is
// acknowledged after, and all that was is there when it is started again.
// Strace counts the calls of each thread for itself.
func TestFailedSync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("%v: this test needs Debian's package strace", err)
	}
	s := newServer(t, t.TempDir())
	s.start()
	s.stop()
	var all []string
	running := 0
	for _, n := range failedSyncs {
		trace := filepath.Join(s.dir, fmt.Sprintf("trace-%d", n))
		s.prefix = []string{strace, "-f", "-qq", "-ttt", "-y", "-o", trace, "-e", "trace=fsync,fdatasync",
			"-e", fmt.Sprintf("inject=fsync,fdatasync:error=EIO:when=%d", n)}
		s.launch()
		got := tally{errs: map[string]int{}}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		done := make(chan struct{})
		go func() { s.count(ctx, fmt.Sprint("sync", n), 8, &got); close(done) }()
		select {
		case <-s.proc.exited:
		case <-ctx.Done():
			got.mu.Lock()
			defer got.mu.Unlock()
			t.Fatalf("n=%d: the process still runs: %d acknowledged, errors %v\n%s", n, len(got.acked), got.errs, s.tail())
		}
		ended := time.Now()
		stop()
		<-done
		if code := s.proc.cmd.ProcessState.ExitCode(); code <= 0 || code != 74 && len(got.acked) > 0 {
			t.Errorf("n=%d: exit code %d\n%s", n, code, s.tail())
		}
		// Pebble panics when it cannot undo a start that failed, sometimes in a
		// goroutine of its own: the message comes before its trace.
		log, err := os.ReadFile(filepath.Join(s.dir, "server.log"))
		if err != nil {
			t.Fatal(err)
		}
		since := bytes.LastIndex(log, []byte("---- start "))
		if out := string(log[max(since, 0):]); !strings.Contains(out, "input/output error") && !strings.Contains(out, "pebble panicked while opening") {
			t.Errorf("n=%d: no clear message:\n%s", n, s.tail())
		}
		failed := failedAt(t, trace)
		if took := ended.Sub(failed); took > time.Second {
			t.Errorf("n=%d: the process ended %v after the sync failed", n, took)
		}
		// What was durable before may be on its way for a while, on a busy machine.
		// internal/store.TestFailedSync proves it to the call.
		if got.last.Sub(failed) > time.Second {
			t.Errorf("n=%d: a reply %v after the sync failed", n, got.last.Sub(failed))
		}
		if len(got.acked) > 0 {
			running++
		}
		all = append(all, got.acked...)
		s.prefix = nil
		s.start()
		s.holds(all)
		s.stop()
	}
	s.doctor()
	t.Logf("%d failed syncs, %d of them while calls ran: %d calls acknowledged before, none after, none lost", len(failedSyncs), running, len(all))
	if running < 3 {
		t.Error("hardly a sync failed while calls ran: the test does not see what it is for")
	}
}

// failedAt returns when the first injected failure was met.
func failedAt(t *testing.T, trace string) time.Time {
	t.Helper()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); strings.Contains(line, "(INJECTED)") && len(f) > 1 {
			sec, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return time.UnixMicro(int64(sec * 1e6))
		}
	}
	t.Fatalf("no sync failed:\n%s", b)
	return time.Time{}
}

// TestFullDisk fills a real file system (64 MiB, in memory) to its last byte
// under the real process: writes are refused with 507, reads go on, and writes
// do within 5 s when there is room. Then the process is killed on the full
// disk, and started there.
func TestFullDisk(t *testing.T) {
	s := newServer(t, t.TempDir())
	mount := filepath.Join(s.dir, "disk")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("mount: %v: this test must be run by root", err)
	}
	t.Cleanup(func() {
		if s.proc != nil {
			s.kill()
		}
		if err := syscall.Unmount(mount, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s.where, s.flags = filepath.Join(mount, "data"), []string{"--min-free", strconv.Itoa(16 << 20)}
	s.start()
	var all []string
	during := func(run string, until func(*tally) bool) *tally {
		t.Helper()
		got := tally{errs: map[string]int{}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.count(ctx, run, 8, &got); close(done) }()
		deadline := time.Now().Add(time.Minute)
		for ok := false; !ok; <-time.After(5 * time.Millisecond) {
			got.mu.Lock()
			ok = until(&got)
			got.mu.Unlock()
			if time.Now().After(deadline) {
				t.Fatalf("%s: not after a minute: %d acknowledged, errors %v\n%s", run, len(got.acked), got.errs, s.tail())
			}
		}
		stop()
		<-done
		all = append(all, got.acked...)
		return &got
	}
	during("before", func(g *tally) bool { return len(g.acked) > 300 })
	ballast := filepath.Join(mount, "others")
	fillUp(t, ballast)
	got := during("full", func(g *tally) bool { return g.errs["disk-full"] > 100 })
	for code := range got.errs {
		if !slices.Contains([]string{"disk-full", "canceled", ""}, code) {
			t.Errorf("on a full disk a write was refused with %v", got.errs)
		}
	}
	s.holds(all) // reads go on
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	during("again", func(g *tally) bool { return len(g.acked) > 100 })
	resumed := time.Since(began)
	if resumed > 5*time.Second {
		t.Errorf("writes resumed after %v", resumed)
	}
	fillUp(t, ballast)
	during("full-again", func(g *tally) bool { return g.errs["disk-full"] > 0 })
	s.kill()
	fillUp(t, ballast)
	s.launch()
	opened := s.readable()
	if opened {
		s.holds(all)
		during("started-full", func(g *tally) bool { return g.errs["disk-full"] > 10 })
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if !opened { // what was logged last does not fit: it said so, and changed nothing
		s.start()
		s.holds(all)
	}
	during("at-last", func(g *tally) bool { return len(g.acked) > 100 })
	s.holds(all)
	s.stop()
	s.doctor()
	t.Logf("%d calls acknowledged, none lost; writes resumed %v after there was room; opened on the full disk: %v", len(all), resumed.Round(time.Millisecond), opened)
}

// fillUp makes or lengthens a file until the disk has not a byte left.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it is only there
	for b := make([]byte, 1<<20); len(b) > 0; {
		n, err := f.Write(b)
		if err != nil && n == 0 {
			b = b[:len(b)/2]
		}
	}
}

// readable waits until the process answers a read, and reports false if it has
// refused to start because there is too little space to start in.
func (s *server) readable() bool {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
		ctx, free := context.WithTimeout(context.Background(), 5*time.Second)
		_, err := situ.Do(ctx, s.situ, witness.Read.To("probe", situ.None{}))
		free()
		if err == nil || situ.CodeOf(err) == "unknown" {
			s.worker = s.status().Worker.PID
			return true
		}
		select {
		case <-s.proc.exited:
			if !strings.Contains(s.tail(), "free some space and start again; nothing was changed") {
				s.t.Fatalf("it did not start:\n%s", s.tail())
			}
			s.proc = nil
			return false
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("no answer to a read: %v\n%s", err, s.tail())
		}
	}
}
