package load_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ/bench/floor"
	"github.com/situ-dev/situ/bench/load"
	"github.com/situ-dev/situ/bench/proc"
)

func TestMain(m *testing.M) {
	roles := map[string]proc.Role{"client": load.Role}
	for name, role := range floor.Roles {
		roles[name] = role
	}
	proc.Serve(roles)
	os.Exit(m.Run())
}

// serve runs a server for a test and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func small(addr string) load.Config {
	return load.Config{Addr: addr, Connections: 8, Duration: 100 * time.Millisecond, Path: "/echo", Body: `"hello"`, Want: `"hello"`}
}

// Both floors answer, from process to process.
func TestFloors(t *testing.T) {
	client, err := load.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	for role := range floor.Roles {
		b, err := floor.Serve(role)
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.Run(t.Context(), small(b.Addr))
		if err != nil || r.Fault() != "" || r.Broken > 0 || r.Sent < r.Status[200] {
			t.Errorf("%s: %+v, %v", role, r, err)
		}
		if q := r.Latency; q.P50 <= 0 || q.P50 > q.P99 || q.P99 > q.P999 || q.P999 > q.Max {
			t.Errorf("%s: %+v", role, q)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// What is acknowledged is counted by key, exactly, and the hot key is hot.
func TestCountsByKey(t *testing.T) {
	var served [10]atomic.Uint64
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var key int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &key); err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintln(w, served[key].Add(1))
	})
	c := small(addr)
	c.Path, c.Keys, c.Hot, c.Want, c.Window = "/%d", len(served), 0.9, "", 30*time.Millisecond
	r, err := load.Run(t.Context(), c)
	if err != nil || r.Fault() != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	sum := uint64(0)
	for i := range served {
		if got := served[i].Load(); got != r.Acked[i] || r.Unknown[i] != 0 {
			t.Errorf("key %d was served %d times; %d are acknowledged, %d unknown", i, got, r.Acked[i], r.Unknown[i])
		}
		sum += r.Acked[i]
	}
	if sum != r.Sent || float64(r.Acked[0]) < 0.7*float64(sum) {
		t.Errorf("%d sent, %d acknowledged, %d by the hot key", r.Sent, sum, r.Acked[0])
	}
	ok := uint64(0)
	for _, w := range r.Windows {
		ok += w.OK
	}
	if len(r.Windows) != 4 || ok != r.Status[200] {
		t.Errorf("windows %+v of %d", r.Windows, r.Status[200])
	}
}

// After an answer that says that it is the last, there is another connection.
func TestLastAnswer(t *testing.T) {
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = fmt.Fprint(w, `"hello"`)
	})
	for _, rate := range []float64{0, 1000} {
		c := small(addr)
		c.Rate = rate
		r, err := load.Run(t.Context(), c)
		if err != nil || r.Fault() != "" || r.Broken != 0 || r.Unknown[0] != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// What a server does wrong is found.
func TestFindsWrong(t *testing.T) {
	raw := func(w http.ResponseWriter, text string) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		wrong bool
	}{
		"right": {func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `"hello"`) }, false},
		"split": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "7")
			_, _ = io.WriteString(w, `"he`)
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, `llo"`)
		}, false},
		"closes": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, `"hello"`)
		}, false},
		"other body": {func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `"hallo"`) }, true},
		"status":     {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); _, _ = io.WriteString(w, `"hello"`) }, true},
		"two answers": {func(w http.ResponseWriter, r *http.Request) {
			raw(w, strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n\"hello\"", 2))
		}, true},
		"no length": {func(w http.ResponseWriter, r *http.Request) { raw(w, "HTTP/1.1 200 OK\r\n\r\n\"hello\"") }, true},
		"no HTTP":   {func(w http.ResponseWriter, r *http.Request) { raw(w, "220 smtp.example.org ready\r\n\r\n") }, true},
		"no answer": {func(w http.ResponseWriter, r *http.Request) { raw(w, "") }, true},
	} {
		r, err := load.Run(t.Context(), small(serve(t, c.serve)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if wrong := r.Fault() != ""; wrong != c.wrong {
			t.Errorf("%s: fault %q, %+v", name, r.Fault(), r)
		}
		if name == "no answer" && (r.Broken == 0 || r.Unknown[0] != r.Broken) {
			t.Errorf("%s: %d broken, unknown %v", name, r.Broken, r.Unknown)
		}
	}
}

// An open loop does not wait: a server that answers nothing gets a request on
// each connection, and the others are missed.
func TestOpenLoop(t *testing.T) {
	stop := make(chan struct{})
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) { <-stop; w.WriteHeader(429) })
	c := small(addr)
	c.Rate = 2000
	time.AfterFunc(150*time.Millisecond, func() { close(stop) })
	r, err := load.Run(t.Context(), c)
	if err != nil || r.Sent < 8 || r.Missed < 50 || r.Sent+r.Missed < 100 || r.Sent+r.Missed > 200 {
		t.Errorf("%+v, %v", r, err)
	}
	ok := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `"hello"`) })
	c = small(ok)
	c.Rate = 500
	if r, err := load.Run(t.Context(), c); err != nil || r.Fault() != "" || r.Sent+r.Missed < 30 || r.Sent > 51 {
		t.Errorf("on time: %+v, %v", r, err)
	}
}

// All connections of an open loop are made before it begins, and have their
// turns one after another; what was sent late counts from when it was due.
func TestOpenLoopIsFair(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.RemoteAddr]++
		mu.Unlock()
		_, _ = io.WriteString(w, `"hello"`)
	})
	c := small(addr)
	c.Connections, c.Rate, c.Keys, c.Path = 50, 1000, 4, "/%d"
	r, err := load.Run(t.Context(), c)
	if err != nil || r.Fault() != "" || r.Missed > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	least, most := 1000, 0
	for _, n := range asked {
		least, most = min(least, n), max(most, n)
	}
	if len(asked) != 50 || least < 1 || most > 2*least+1 {
		t.Errorf("%d connections were used, %d to %d times", len(asked), least, most)
	}
	if r.Others[200] == 0 || r.Others[200]+r.Acked[0] < r.Status[200] || r.Beside.P50 <= 0 {
		t.Errorf("of %v answers %v were for others, p50 %v ms; %d for key 0", r.Status, r.Others, r.Beside.P50, r.Acked[0])
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := load.Run(t.Context(), small(addr)); err == nil {
		t.Errorf("%+v", r)
	}
	if _, err := load.Run(t.Context(), small("localhost:80")); err == nil {
		t.Error("a name is no address")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := load.Run(ctx, small(addr)); err == nil {
		t.Error("it was cancelled")
	}
}
