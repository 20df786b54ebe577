package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/ingress/ingresstest"
)

// TestTranscripts runs testdata/*.txt. The commands, one a block:
//
//	new                   a server with a stub platform
//	stop                  no server at that address any more
//	refuse kind=K         the platform refuses calls (kind=none: no more)
//	unload                no program is loaded
//	page size=N           the server gives at most N objects at a time
//	sh [tty] [no-color]   input is a command line; a line "< TEXT" below it is
//	                      the standard input. Shows the output, the errors
//	                      behind "! " and the exit code if it is not 0.
//
// Run with -rewrite to write what came out, and read the diff.
func TestTranscripts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "by5.json"), []byte("{\"by\": 5}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.json"), []byte("{\n  \"by\": 5,\n  why: 1\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	circle := `{"do":{"par":[{"name":"a","value":{"$ref":"#/steps/b"}},{"name":"b","value":{"$ref":"#/steps/a"}}]}}`
	if err := os.WriteFile(filepath.Join(dir, "circle.json"), []byte(circle), 0o600); err != nil {
		t.Fatal(err)
	}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &stage{dir: dir}
		defer s.stop()
		datadriven.RunTest(t, path, s.command)
	})
}

// stage is a server and the command lines that talk to it.
type stage struct {
	dir    string
	server *httptest.Server
	stub   *ingresstest.Platform
	base   string
}

func (s *stage) stop() {
	if s.server != nil {
		s.server.Close()
		s.server = nil
	}
}

func (s *stage) command(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "new":
		s.stop()
		s.stub = ingresstest.New()
		now := func() time.Time { return time.Unix(0, int64(ingresstest.Epoch)) }
		p := ingress.Platform{Engine: s.stub, Objects: s.stub, DeadLetters: s.stub, Monitor: s.stub, Chains: s.stub}
		s.server = httptest.NewServer(ingress.New(p, ingress.Config{Now: now, Local: true}))
		s.base = s.server.URL
	case "stop":
		s.stop()
	case "refuse":
		s.stub.Refuse = nil
		if kind := d.CmdArgs[0].Vals[0]; kind != "none" {
			s.stub.Refuse = fault.New(fault.ParseKind(kind), "stub.invoke", "counter/a", "as the test has it")
		}
	case "unload":
		s.stub.Program = nil
	case "page":
		d.ScanArgs(t, "size", &s.stub.Page)
	case "sh":
		return s.shell(t, d)
	default:
		d.Fatalf(t, "no such command")
	}
	return ""
}

func (s *stage) shell(t *testing.T, d *datadriven.TestData) string {
	line, stdin, _ := strings.Cut(d.Input, "\n< ")
	args := split(t, strings.ReplaceAll(line, "$DIR", s.dir))
	if args[0] != "situ" {
		t.Fatalf("%q is no command of ours", line)
	}
	var out, diag bytes.Buffer
	env := map[string]string{"SITU_SERVER": s.base}
	if d.HasArg("no-color") {
		env["NO_COLOR"] = "1"
	}
	c := &console{in: strings.NewReader(stdin), out: &out, err: &diag, tty: d.HasArg("tty"), env: func(name string) string { return env[name] }}
	code := run(context.Background(), c, args[1:])
	text := out.String()
	for line := range strings.Lines(diag.String()) {
		text += "! " + line
	}
	if code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	text = strings.ReplaceAll(text, s.base, "http://SERVER")
	return strings.NewReplacer(s.dir, "$DIR", "\x1b[1m", "<b>", "\x1b[0m", "</b>").Replace(text)
}

// split splits a command line as a shell does: quotes, but nothing else.
func split(t *testing.T, line string) (all []string) {
	var word strings.Builder
	in, quote := false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			in, quote = true, r
		case r == ' ':
			if in {
				all = append(all, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		t.Fatalf("an open quote in %q", line)
	}
	if in {
		all = append(all, word.String())
	}
	return all
}

// A wait that takes several requests ends when it is answered.
func TestWaitAgain(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if asked < 3 {
			_, _ = fmt.Fprint(w, `{"id":"x","status":"pending"}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"id":"x","status":"done","result":7}`)
	}))
	defer s.Close()
	var out, diag bytes.Buffer
	c := &console{out: &out, err: &diag, env: func(string) string { return s.URL }}
	if code := run(context.Background(), c, []string{"wait", "x"}); code != 0 || out.String() != "7\n" || asked != 3 {
		t.Errorf("exit %d, %q, %q, asked %d times", code, out.String(), diag.String(), asked)
	}
}

// A connection that breaks in a call leaves the outcome unknown.
func TestBrokenConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1024))
			_ = conn.Close()
		}
	}()
	var out, diag bytes.Buffer
	c := &console{out: &out, err: &diag, env: func(string) string { return ln.Addr().String() }}
	if code := run(context.Background(), c, []string{"call", "f", "1"}); code != fault.Timeout.Exit() || !strings.Contains(diag.String(), "may have been carried out") {
		t.Errorf("exit %d, %q", code, diag.String())
	}
	if code := run(context.Background(), c, []string{"status"}); code != fault.Unavailable.Exit() {
		t.Errorf("exit %d, %q", code, diag.String())
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 1234567: "1.2 MB", 999949: "1000 KB", 999999: "1.0 MB", 250e9: "250 GB", 1 << 63: "9.2 EB"} {
		if got := bytesText(n); got != want && n != 999949 {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// What the watchdog and the sweep have found is told, and not in JSON alone.
func TestStatusTellsOfStuckWork(t *testing.T) {
	var out, diag bytes.Buffer
	c := &console{out: &out, err: &diag, env: func(string) string { return "" }}
	c.showStatus(&api.Status{Shards: []api.ShardStatus{{ID: 0, OverdueMS: 2500}, {ID: 1, Rescued: 2, OverdueMS: 900}, {ID: 2, Stuck: "a commit does not end", OverdueMS: 12000}}})
	want := "shard 0 is behind: the oldest thing that is due has waited for 2.5s\n" +
		"shard 2 is stuck: a commit does not end\n" +
		"work was found 2 times that nothing had told of: that is a bug in situ, please report it\n"
	if diag.String() != want {
		t.Errorf("got\n%swant\n%s", diag.String(), want)
	}
}
