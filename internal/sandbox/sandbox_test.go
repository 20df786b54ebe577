package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/proc"
)

const canary = "canary-5d41402abc4b2a76"

// TestMain is the tests, the inside of a sandbox, or a hostile program in one.
func TestMain(m *testing.M) {
	Serve()
	if len(os.Args) == 3 && os.Args[1] == "hostile" {
		hostile(os.Args[2])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// target is what a hostile program is told of the world outside, to harm it.
type target struct {
	Secret string // a file of the data directory
	Other  string // the directory of another bundle
	Own    string // its own directory
	PID    int    // of the platform
	Socket string // it may connect to this
	Port   string // a server that listens on TCP
	Do     string // one act that may end it; "" is all others
}

// hostile does what a hostile program does, and prints what of it worked.
func hostile(text string) {
	var t target
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		panic(err)
	}
	acts := map[string]func() error{
		"read a secret":     func() error { _, err := os.ReadFile(t.Secret); return err },
		"list data":         func() error { return list(filepath.Dir(t.Secret), filepath.Base(t.Secret)) },
		"list bundles":      func() error { return list(filepath.Dir(t.Other), filepath.Base(t.Other)) },
		"read a bundle":     func() error { _, err := os.ReadFile(filepath.Join(t.Other, "code")); return err },
		"see environments":  environments,
		"kill the platform": func() error { return proc.Kill(t.PID, syscall.SIGCONT) },
		"change the code":   func() error { return os.WriteFile(filepath.Join(t.Own, "code"), nil, 0o644) },
		"add to the code":   func() error { return os.WriteFile(filepath.Join(t.Own, "more"), nil, 0o644) },
		"change the system": func() error { return os.WriteFile("/usr/x", nil, 0o644) },
		"mount":             func() error { return unix.Mount("x", "/tmp", "tmpfs", 0, "") },
		"trace":             func() error { return unix.PtraceAttach(os.Getppid()) },
		"a namespace":       func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"become root":       rights,
		"raise a limit":     func() error { return syscall.Setrlimit(unix.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 40, Max: 1 << 40}) },
		"a raw socket":      func() error { _, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0); return err },
		"reach the network": func() error { return dial("tcp", t.Port) },
		"a large file":      func() error { return large(filepath.Join(os.TempDir(), "large")) },
		"many files":        func() error { return openMany(200) },
		// And what a good one does.
		"read its code": func() error { _, err := os.ReadFile(filepath.Join(t.Own, "code")); return err },
		"connect":       func() error { return dial("unix", t.Socket) },
		"write to tmp":  func() error { return os.WriteFile(filepath.Join(os.TempDir(), "x"), []byte("y"), 0o600) },
		"run a program": func() error { return exec.Command("/bin/true").Run() },
	}
	if t.Do == "fork" {
		forks()
		return
	}
	out := map[string]string{"environment": strings.Join(os.Environ(), " ")}
	for name, act := range acts {
		out[name] = "worked"
		if err := act(); err != nil {
			out[name] = err.Error()
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(out) // to a pipe of the test
}

// environments looks into those of all processes.
func environments() error {
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	for _, p := range all {
		if b, err := os.ReadFile(p); err == nil && bytes.Contains(b, []byte(canary)) {
			return nil
		}
	}
	return errors.Join(err, errors.New("there is nothing in them"))
}

func dial(network, at string) error {
	c, err := net.DialTimeout(network, at, 2*time.Second)
	if err == nil {
		err = c.Close()
	}
	return err
}

// rights takes those of root. Whoever is root in a namespace of his own has none
// all the same.
func rights() error {
	if os.Getuid() != 0 {
		return syscall.Setuid(0)
	}
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return err
	}
	if data[0].Effective|data[0].Permitted|data[1].Effective|data[1].Permitted == 0 {
		return errors.New("there are none")
	}
	return nil
}

// large writes a file of three megabytes.
func large(path string) error {
	err := os.WriteFile(path, make([]byte, 3<<20), 0o600)
	return errors.Join(err, os.Remove(path))
}

// list looks for a name in a directory.
func list(dir, name string) error {
	all, err := os.ReadDir(dir)
	for _, e := range all {
		if e.Name() == name {
			return nil
		}
	}
	return errors.Join(err, errors.New("it is not there"))
}

// openMany opens so many files at once.
func openMany(n int) error {
	for range n {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
		if err != nil {
			return err
		}
		defer func() { _ = syscall.Close(fd) }() // it was only opened
	}
	return nil
}

// forks starts processes until it may not, and says how many there were.
func forks() {
	n := 0
	for ; n < 500; n++ {
		cmd := exec.Command("/bin/sleep", "60")
		if err := cmd.Start(); err != nil {
			break
		}
	}
	fmt.Println(n)
}

// world is what hostile programs are set upon.
type world struct {
	target
	spec Spec
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	// What other users may read: only walls keep it from them.
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if d == "/tmp" {
			break
		}
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{target: target{Secret: filepath.Join(dir, "data", "situ.json"), Other: filepath.Join(dir, "data", "bundles", "other"),
		Own: filepath.Join(dir, "data", "bundles", "own"), PID: os.Getpid(), Socket: filepath.Join(dir, "s")}}
	for _, p := range []string{w.Secret, filepath.Join(w.Other, "code"), filepath.Join(w.Own, "code")} {
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(canary), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.Own, "program"), self, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, ln := range []struct {
		network, at string
		to          *string
	}{{"unix", w.Socket, &w.Socket}, {"tcp", "127.0.0.1:0", &w.Port}} {
		l, err := net.Listen(ln.network, ln.at)
		if err != nil {
			t.Fatal(err)
		}
		*ln.to = l.Addr().String()
		t.Cleanup(func() { _ = l.Close() })
		go func() { // until the listener is closed
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.Close()
			}
		}()
	}
	w.spec = Spec{ID: "test-" + strconv.Itoa(os.Getpid()), Root: w.Own, Sockets: []string{w.Socket}, Env: []string{"GREETING=hello"},
		Limits: Limits{Files: 100, Processes: 60, Disk: 2 << 20}}
	return w
}

// run runs the hostile program, and returns how it ended and what it printed.
func (w *world) run(t *testing.T, level Level, do string) (string, error) {
	t.Helper()
	w.Do = do
	text, err := json.Marshal(w.target)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(w.Own, "program"), "hostile", string(text))
	cmd.Env = append(os.Environ(), "CANARY="+canary)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := w.spec.confine(cmd, level); err != nil {
		t.Fatal(err)
	}
	err = cmd.Run()
	if cmd.Process != nil {
		_ = proc.KillGroup(cmd.Process.Pid, syscall.SIGKILL) // what it left, where no namespace ends it
	}
	if err != nil {
		err = fmt.Errorf("%w: %.500s", err, diag.String())
	}
	return out.String(), err
}

// A hostile program that tries gets nothing but what it may have, at each level
// that this kernel has. The strongest is to be there wherever these tests run.
func TestHostile(t *testing.T) {
	t.Setenv("CANARY", canary)
	if Probe().Level != Namespaces {
		t.Errorf("the level here is %s: %+v", Probe().Level, Probe().Features)
	}
	good := []string{"read its code", "connect", "write to tmp", "run a program"}
	kept := []string{"read a secret", "list data", "list bundles", "read a bundle", "see environments", "kill the platform", "change the code", "add to the code", "change the system",
		"mount", "trace", "a namespace", "become root", "raise a limit", "a raw socket", "a large file", "many files"}
	for _, level := range []Level{Namespaces, Landlock} {
		t.Run(string(level), func(t *testing.T) {
			w := newWorld(t)
			w.spec.NoNet = level == Namespaces
			out, err := w.run(t, level, "")
			if err != nil {
				t.Fatalf("%v, %s", err, out)
			}
			var did map[string]string
			if err := json.Unmarshal([]byte(out), &did); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			for _, act := range good {
				if did[act] != "worked" {
					t.Errorf("a good program cannot %s: %s", act, did[act])
				}
			}
			for _, act := range kept {
				if did[act] == "worked" || did[act] == "" {
					t.Errorf("a hostile program can %s", act)
				}
			}
			if net := did["reach the network"]; (net == "worked") != (level != Namespaces) {
				t.Errorf("the network: %s", net)
			}
			if e := did["environment"]; strings.Contains(e, canary) || !strings.Contains(e, "GREETING=hello") || strings.Contains(e, env) {
				t.Errorf("its environment is %s", e)
			}
		})
	}
}

// A program that forks without end has as many processes as it may, and all are
// gone with it.
func TestForkBomb(t *testing.T) {
	w := newWorld(t)
	out, err := w.run(t, Namespaces, "fork")
	n, bad := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || bad != nil || n < 5 || n > 60 {
		t.Errorf("it had %q processes, %v; 60 are allowed", out, err)
	}
	if left := sleepers(t, w.spec.ID); left != 0 {
		t.Errorf("%d are left", left)
	}
}

// sleepers counts processes of the sandbox's user.
func sleepers(t *testing.T, id string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if b, err := os.ReadFile(p); err == nil && strings.Contains(string(b), fmt.Sprintf("\nUid:\t%d\t", userOf(id))) && !strings.Contains(string(b), "State:\tZ") {
			n++
		}
	}
	return n
}

// A program that eats memory is refused it; without a limit it gets it.
func TestMemory(t *testing.T) {
	for _, c := range []struct {
		limit int64
		want  string
	}{{32 << 20, "0"}, {0, "450000000"}} {
		// tail keeps all that may be its end.
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "head -c 480000000 /dev/zero | tail -c 450000000 | wc -c")
		if err := (Spec{ID: "memory", Limits: Limits{Memory: c.limit}}).Confine(cmd); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.CombinedOutput()
		if lines := strings.Fields(string(out)); err != nil || len(lines) == 0 || lines[len(lines)-1] != c.want {
			t.Errorf("with %d bytes: %s, %v", c.limit, out, err)
		}
	}
}

// What a level cannot keep is refused, and not promised.
func TestNoNetNeedsNamespaces(t *testing.T) {
	for _, level := range []Level{Landlock, Process} {
		if err := (Spec{ID: "x", NoNet: true}).confine(exec.Command("/bin/true"), level); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "situ isolation") {
			t.Errorf("%s: %v", level, err)
		}
	}
}

// A sandbox that cannot be built says why, and runs nothing.
func TestBroken(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/nowhere/program")
	if err := (Spec{ID: "broken"}).Confine(cmd); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != exitBroken || !strings.Contains(string(out), "exec /nowhere/program: no such file") {
		t.Errorf("%v: %s", err, out)
	}
}
