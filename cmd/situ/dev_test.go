package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// The test binary is the situ command, too, so that tests can run it as a
// process.
func init() {
	if os.Getenv("SITU_TEST_COMMAND") != "" {
		_ = os.Unsetenv("SITU_TEST_COMMAND")
		main()
	}
}

const counterProgram = `package main

import "github.com/situ-dev/situ"

var (
	counter = situ.NewType("counter", situ.Doc("Counts."))
	add     = situ.NewMethod[int, int](counter, "add")
)

type state struct {
	N int
}

func main() {
	situ.Main(situ.Object(counter, situ.On(add, func(s *state, _ *situ.Turn, n int) (int, error) {
		s.N += n * STEP
		return s.N, nil
	})))
}

const STEP = 1
`

// project makes a module with a program that uses this one.
func project(t *testing.T, source string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module github.com/situ-dev/situ\n", "module example.com/count\n\nrequire github.com/situ-dev/situ v0.0.0\n\nreplace github.com/situ-dev/situ => "+root+"\n", 1)
	put(t, filepath.Join(dir, "go.mod"), text)
	put(t, filepath.Join(dir, "go.sum"), string(sums))
	put(t, filepath.Join(dir, "main.go"), source)
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// running is a situ process.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	seen  bytes.Buffer
}

// launch starts situ with the given arguments.
func launch(t *testing.T, args ...string) *running {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: exec.Command(exe, args...), lines: make(chan string, 1000)}
	r.cmd.Env = append(os.Environ(), "SITU_TEST_COMMAND=1", "GOFLAGS=-mod=mod", "GOPROXY=off")
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout, r.cmd.Stderr = in, in
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
		close(r.lines)
	}()
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); _ = r.cmd.Wait() })
	return r
}

// until reads lines until one has text in it, and returns it.
func (r *running) until(text string) string {
	r.t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.t.Fatalf("it ended and never said %q:\n%s", text, r.seen.String())
			}
			fmt.Fprintln(&r.seen, line)
			if strings.Contains(line, text) {
				return line
			}
		case <-limit:
			r.t.Fatalf("it never said %q:\n%s", text, r.seen.String())
		}
	}
}

// stop sends a signal and returns the exit code.
func (r *running) stop(sig os.Signal) int {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	return r.wait()
}

// wait returns the exit code.
func (r *running) wait() int {
	for range r.lines {
	}
	_ = r.cmd.Wait() // the code tells
	return r.cmd.ProcessState.ExitCode()
}

// ask runs a client command and returns what it prints.
func ask(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	c := &console{in: strings.NewReader(""), out: &out, err: &out, env: func(string) string { return "" }}
	if code := run(t.Context(), c, args); code != 0 {
		t.Errorf("situ %s: exit code %d: %s", strings.Join(args, " "), code, out.String())
	}
	return strings.TrimSpace(out.String())
}

// The first minutes of a user: start, call, change, break, mend, stop.
func TestDev(t *testing.T) {
	dir, data := project(t, counterProgram), t.TempDir()
	r := launch(t, "dev", dir, "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	_, url, _ := strings.Cut(r.until("calls  http"), "calls  ")
	if line := r.until(" call "); !strings.HasSuffix(line, "situ --server "+url+" call counter/counter-1 add 10") {
		t.Errorf("the example is %q", line)
	}
	if got := ask(t, "--server", url, "call", "counter/a", "add", "2"); got != "2" {
		t.Error(got)
	}
	source := filepath.Join(dir, "main.go")
	put(t, source, strings.Replace(counterProgram, "STEP = 1", "STEP = 100", 1))
	r.until("changed: main.go")
	r.until("state stays")
	if got := ask(t, "--server", url, "call", "counter/a", "add", "2"); got != "202" {
		t.Error(got)
	}
	put(t, source, strings.Replace(counterProgram, "STEP = 1", "STEP = x", 1))
	r.until("main.go:21:14: undefined: x")
	r.until("the program before goes on")
	if got := ask(t, "--server", url, "call", "counter/a", "add", "1"); got != "302" {
		t.Error(got)
	}
	put(t, source, strings.Replace(counterProgram, "STEP = 1", "STEP = 1000", 1))
	r.until("state stays")
	if got := ask(t, "--server", url, "call", "counter/a", "add", "1"); got != "1302" {
		t.Error(got)
	}
	// A second one is told who is in the way.
	_, port, _ := strings.Cut(url, "http://")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"dev", dir, "--data", data, "--listen", "127.0.0.1:0", "--admin", ""}, fault.Locked.Exit(), "another situ runs on this directory"},
		{[]string{"dev", dir, "--data", t.TempDir(), "--listen", port}, fault.Locked.Exit(), "--listen"},
	} {
		two := launch(t, c.args...)
		two.until(c.says)
		if code := two.wait(); code != c.code {
			t.Errorf("%q: exit code %d, want %d", c.args, code, c.code)
		}
	}
	if code := r.stop(os.Interrupt); code != 0 {
		t.Errorf("exit code %d\n%s", code, r.seen.String())
	}
}

// Serve runs a directory or a binary, and what was acknowledged is there again
// after a kill.
func TestServe(t *testing.T) {
	dir, data := project(t, counterProgram), t.TempDir()
	r := launch(t, "serve", dir, "--data", data, "--listen", "127.0.0.1:0", "--admin", "")
	url := "http://" + field(t, r.until(`"msg":"ready"`), "listen")
	if got := ask(t, "--server", url, "call", "counter/a", "add", "7"); got != "7" {
		t.Error(got)
	}
	if code := r.stop(syscall.SIGKILL); code != -1 {
		t.Errorf("exit code %d", code)
	}
	binary, err := filepath.Glob(filepath.Join(data, "bin", "*"))
	if err != nil || len(binary) != 1 {
		t.Fatal(binary, err)
	}
	moved := filepath.Join(t.TempDir(), "count")
	if err := os.Rename(binary[0], moved); err != nil {
		t.Fatal(err)
	}
	r = launch(t, "serve", moved, "--data", data, "--listen", "127.0.0.1:0", "--admin", "")
	url = "http://" + field(t, r.until(`"msg":"ready"`), "listen")
	if got := ask(t, "--server", url, "call", "counter/a", "add", "1"); got != "8" {
		t.Error(got)
	}
	if code := r.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func field(t *testing.T, line, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(line, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no %s in %s", name, line)
	}
	return value
}

// What cannot be run is refused with what to do, and a code.
func TestDevRefuses(t *testing.T) {
	empty := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"dev", "/does/not/exist"}, 64, "no such directory"},
		{[]string{"dev", empty}, 64, "go mod init"},
		{[]string{"dev", "../../internal/fault"}, 64, "package fault, not a program"},
		{[]string{"serve", "/does/not/exist"}, 64, "no such file"},
		{[]string{"serve", "/bin/false", "--data", t.TempDir(), "--listen", taken.Addr().String()}, 73, "--listen"},
		{[]string{"serve", "/bin/false", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--admin", ""}, 6, "situ.Main"},
	} {
		var out bytes.Buffer
		cons := &console{in: strings.NewReader(""), out: io.Discard, err: &out, env: func(string) string { return "" }}
		if code := run(t.Context(), cons, c.args); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: exit code %d, want %d with %q:\n%s", c.args, code, c.code, c.says, out.String())
		}
	}
}
