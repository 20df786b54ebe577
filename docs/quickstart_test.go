package docs_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/hello/greeter"
)

// TestREADME makes the first object of README.md and calls it as shown there,
// with a situ that is built once.
func TestREADME(t *testing.T) {
	s := newSession(t)
	var err error
	if s.cwd, err = filepath.Abs(root); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(s.dir, "bin", "situ"), "./cmd/situ")
	build.Dir = s.cwd
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.data = filepath.Join(s.dir, "data") // not in the source
	all := blocks(t, "README.md")
	for i, b := range all {
		if b.lang == "sh" {
			b.text = strings.ReplaceAll(b.text, "go run ./cmd/situ", "situ")
			s.run(b, printed(all, i))
		}
	}
	client := situ.NewClient("http://" + s.addr)
	defer client.Close()
	got, err := situ.Do(t.Context(), client, greeter.Greet.To("lobby", greeter.Person{Name: "Eve"}))
	if err != nil || got.Text != "Hello Eve, guest 3 of lobby!" {
		t.Errorf("%q, %v", got.Text, err)
	}
	s.stop()
}

// TestQuickstart does what docs/quickstart.md says, as it stands: it runs its
// shell commands, puts its Go code into the files that it names, and compares
// what is printed. It differs in three things: the source is this one, nothing
// is installed but into a directory of its own, and the platform listens
// elsewhere.
func TestQuickstart(t *testing.T) {
	s := newSession(t)
	all := blocks(t, "docs/quickstart.md")
	for i, b := range all {
		switch b.lang {
		case "go":
			s.write(b)
		case "sh":
			s.run(b, printed(all, i))
		case "text":
		default:
			t.Errorf("%s:%d: a block of %q", b.doc, b.line, b.lang)
		}
	}
	s.stop()
}

// printed returns what block i is said to print, "" if nothing is said.
func printed(all []block, i int) string {
	if i+1 < len(all) && all[i+1].lang == "text" {
		return all[i+1].text
	}
	return ""
}

// session is a user who reads a document and types.
type session struct {
	t    *testing.T
	dir  string // where it began
	cwd  string
	env  []string
	addr string // stands for 127.0.0.1:8080
	data string // for dev, "" is as it likes
	dev  *exec.Cmd
	out  output // of dev
}

func newSession(t *testing.T) *session {
	t.Helper()
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	bin := filepath.Join(s.dir, "bin")
	s.cwd = s.dir
	s.env = append(os.Environ(), "GOBIN="+bin, "PATH="+bin+":"+os.Getenv("PATH"), "SITU_SERVER=http://"+s.addr,
		"GOWORK=", "SOURCE="+source)
	return s
}

// output is what a running command has printed.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func (s *session) here(text string) string { return strings.ReplaceAll(text, "127.0.0.1:8080", s.addr) }

// run runs the commands of a block in one shell.
func (s *session) run(b block, want string) {
	s.t.Helper()
	if strings.HasPrefix(b.text, "situ dev ") {
		s.start(b)
		return
	}
	// A clone would take what is committed; this takes what is there.
	script := "git() { ln -s \"$SOURCE\" situ; }\n" + s.here(b.text) + "\npwd -L >\"$CWD\"\n"
	if !strings.HasPrefix(want, "situ:") { // which is an error
		script = "set -e\n" + script
	}
	cwd := filepath.Join(s.dir, "cwd")
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir, cmd.Env = s.cwd, append(s.env, "CWD="+cwd, "PWD="+s.cwd)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if strings.HasPrefix(want, "situ:") {
		cmd.Stderr = &out
	}
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s:%d: %v\n%s\nprinted\n%s%s\n%s", b.doc, b.line, err, b.text, &out, &diag, s.out.String())
	}
	dir, err := os.ReadFile(cwd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.cwd = strings.TrimSpace(string(dir))
	if want != "" && !like(out.String(), s.here(want)) {
		s.t.Errorf("%s:%d: %sprinted\n%s\nand not\n%s", b.doc, b.line, b.text, &out, want)
	}
}

// like reports whether out is what a document shows; "…" is anything.
func like(out, want string) bool {
	parts := strings.Split(strings.TrimSpace(want), "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$").MatchString(strings.TrimSpace(out))
}

// start starts situ dev in a terminal of its own.
func (s *session) start(b block) {
	s.t.Helper()
	args := append(strings.Fields(b.text), "--listen", s.addr, "--admin", "")
	if s.data != "" {
		args = append(args, "--data", s.data)
	}
	s.dev = exec.Command(filepath.Join(s.dir, "bin", args[0]), args[1:]...)
	s.dev.Dir, s.dev.Env = s.cwd, s.env
	s.dev.Stdout, s.dev.Stderr = &s.out, &s.out
	if err := s.dev.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.dev.Process.Kill() }) // it has ended if all went well
	s.await("Ctrl-C stops it")
}

// await waits until dev has printed text.
func (s *session) await(text string) {
	s.t.Helper()
	for range 1800 {
		if strings.Contains(s.out.String(), text) {
			return
		}
		time.Sleep(100 * time.Millisecond) // another process has no virtual time
	}
	s.t.Fatalf("situ dev does not say %q:\n%s", text, s.out.String())
}

// stop ends dev with Ctrl-C.
func (s *session) stop() {
	s.t.Helper()
	if s.dev == nil {
		s.t.Fatal("situ dev was never started")
	}
	if err := s.dev.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	if err := s.dev.Wait(); err != nil {
		s.t.Errorf("situ dev ended with %v:\n%s", err, s.out.String())
	}
}

var (
	fileName = regexp.MustCompile("`([a-z_/]+\\.go)`")
	method   = regexp.MustCompile(`(?m)^func \([^)]*\) [A-Z][A-Za-z]*\(`)
)

// write puts a piece of Go into the file that the text before it names: as the
// file, or, if it is only a method, in the place of the one of that name.
func (s *session) write(b block) {
	s.t.Helper()
	name := fileName.FindAllStringSubmatch(b.intro, -1)
	if name == nil {
		s.t.Fatalf("%s:%d: into which file?", b.doc, b.line)
	}
	path := filepath.Join(s.cwd, name[len(name)-1][1])
	text := s.here(b.text)
	if strings.Contains(text, "\npackage ") || strings.HasPrefix(text, "package ") {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	head := method.FindString(text)
	from := bytes.Index(old, []byte(head))
	if head == "" || from < 0 {
		s.t.Fatalf("%s:%d: %s has no %q to replace", b.doc, b.line, path, head)
	}
	from = bytes.LastIndex(old[:from], []byte("\n\n")) + 2 // with its comment
	to := from + bytes.Index(old[from:], []byte("\n}\n")) + 3
	if err := os.WriteFile(path, append(append(bytes.Clone(old[:from]), text...), old[to:]...), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.await("state stays")
}
