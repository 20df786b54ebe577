package killtest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/killtest/witness"
)

// use is what a process holds.
type use struct{ rss, goroutines, fds int }

// TestLeak has a mixed load run for LEAK_SECONDS (default 6), of which the
// first tenth warms up, with the worker killed and started again on the way.
// Then the server holds as many goroutines and files as it did after the
// warm-up, to 5 %, and, where the test is ten minutes long or longer, as much
// memory: before, the database still fills its memtables and its cache.
func TestLeak(t *testing.T) {
	length := 6 * time.Second
	if env := os.Getenv("LEAK_SECONDS"); env != "" {
		n, err := strconv.Atoi(env)
		if err != nil || n < 1 {
			t.Fatalf("LEAK_SECONDS: %q is not a number of seconds", env)
		}
		length = time.Duration(n) * time.Second
	}
	s := newServer(t, t.TempDir())
	s.flags = []string{"--keep-answers", "2s", "--idle-after", "2s"}
	s.start()
	s.renewWorker() // from the first death on, a spare worker stands by
	calls := s.load(t, length/10)
	before := s.use()
	part := length * 9 / 10 / 8
	for i := range 8 {
		calls += s.load(t, part)
		if i%2 == 0 {
			s.seeWorker()
			s.renewWorker()
		}
	}
	after := s.use()
	t.Logf("%d calls in %v, %d workers: RSS %d MiB after %d MiB, %d goroutines after %d, %d files after %d",
		calls, length, 1+len(s.workers), after.rss>>20, before.rss>>20, after.goroutines, before.goroutines, after.fds, before.fds)
	near := func(what string, is, was, slack int) {
		if d := is - was; d > was/20+slack {
			t.Errorf("%s: %d, and there were %d", what, is, was)
		}
	}
	near("goroutines", after.goroutines, before.goroutines, 2)
	near("files", after.fds, before.fds, 2)
	if length >= 10*time.Minute {
		near("RSS", after.rss, before.rss, 0)
	}
	s.stop()
}

// load makes calls of several kinds for a while, waits until all is quiet and
// what answers are kept for has passed, and returns the number of calls.
func (s *server) load(t *testing.T, d time.Duration) (calls int) {
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	run := rand.Uint32()
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				key, id := fmt.Sprint("l", (i*31+n)%1000), fmt.Sprintf("leak-%x-%d-%d", run, i, n)
				var err error
				switch n % 4 {
				case 0:
					_, err = situ.Do(ctx, s.situ, witness.Write.To(key, n))
				case 1:
					_, err = situ.Do(ctx, s.situ, witness.Write.To(key, n).Idempotent(id))
				case 2:
					_, err = situ.Do(ctx, s.situ, witness.Read.To(key, situ.None{}))
				case 3:
					_, err = situ.Start(ctx, s.situ, witness.Write.To(key, n).After(time.Duration(n%50)*time.Millisecond))
				}
				if err == nil {
					mu.Lock()
					calls++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	s.quiet(time.Minute)
	return calls
}

var goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)

// use returns what the server holds when its connections are closed: when it
// has not changed for a second. One that was being made when its call was given
// up becomes idle late, so they are closed again and again.
func (s *server) use() (u use) {
	s.t.Helper()
	since, deadline := time.Now(), time.Now().Add(20*time.Second)
	for time.Since(since) < time.Second && time.Now().Before(deadline) {
		s.api.Close()
		s.situ.Close()
		http.DefaultClient.CloseIdleConnections()
		<-time.After(50 * time.Millisecond)
		next := s.look()
		if next.fds != u.fds || next.goroutines != u.goroutines {
			since = time.Now()
		}
		u = next
	}
	return u
}

func (s *server) look() (u use) {
	s.t.Helper()
	pid := s.proc.cmd.Process.Pid
	resp, err := http.Get("http://" + s.admin + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if e := resp.Body.Close(); err != nil || e != nil {
		s.t.Fatal(err, e)
	}
	if m := goroutines.FindSubmatch(b); m != nil {
		u.goroutines, _ = strconv.Atoi(string(m[1]))
	} else {
		s.t.Fatalf("no profile of goroutines: %s", b)
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		s.t.Fatal(err)
	}
	u.fds = len(fds)
	statm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		s.t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		s.t.Fatal(err)
	}
	u.rss = pages * os.Getpagesize()
	return u
}
