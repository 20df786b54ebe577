package ship

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/cli"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/sandbox"
)

// shop is a platform as these commands see one: real bundles, and the newest has
// all calls unless it is told otherwise.
type shop struct {
	t      *testing.T
	store  *bundle.Store
	deps   map[string]*api.Deployment
	asked  []string // the queries of what was sent
	out    bytes.Buffer
	notes  bytes.Buffer
	json   bool
	server *httptest.Server
}

func open(t *testing.T) *shop {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bundles")
	t.Cleanup(func() { _ = bundle.RemoveAll(dir) })
	store, err := bundle.Open(dir, bundle.ArchiveLimits{})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, store: store, deps: map[string]*api.Deployment{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/deployments/{name}", s.put)
	mux.HandleFunc("GET /v1/deployments/{name}", func(w http.ResponseWriter, r *http.Request) {
		d := s.deps[r.PathValue("name")]
		if d == nil {
			problem(w, fault.NotFound, "there is no such deployment")
			return
		}
		_ = json.NewEncoder(w).Encode(d) // to a test
	})
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	return s
}

func problem(w http.ResponseWriter, k fault.Kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(k.Status())
	_, _ = fmt.Fprintf(w, `{"type":"https://situ.dev/problems/%s","title":"x","status":%d,"detail":%q}`, k, k.Status(), detail)
}

func (s *shop) put(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, err := s.store.Put(r.Body, bundle.Upload{Name: name, Zip: r.Header.Get("Content-Type") == bundle.TypeZip})
	if err != nil {
		problem(w, fault.KindOf(err), err.Error())
		return
	}
	s.asked = append(s.asked, r.URL.RawQuery)
	d := s.deps[name]
	if d == nil {
		d = &api.Deployment{Name: name}
		s.deps[name] = d
	}
	v := api.Deployed{Name: name, Version: b.String(), New: true, Weight: 1}
	for _, old := range d.Versions {
		if old.Bundle == b.ID {
			v.New, v.Number = false, old.Number
		}
	}
	if v.New {
		v.Number = len(d.Versions) + 1
		for i := range d.Versions {
			d.Versions[i].Weight = 0
		}
		d.Versions = append(d.Versions, api.DeployedVersion{Version: v.Version, Number: v.Number, Bundle: b.ID, Weight: 1, Manifest: &b.Manifest})
	}
	_ = json.NewEncoder(w).Encode(v) // to a test
}

// run runs a command line, and returns what it prints and says.
func (s *shop) run(args ...string) (out, notes string, err error) {
	s.t.Helper()
	s.out.Reset()
	s.notes.Reset()
	c := cli.Console{Out: &s.out, Note: func(format string, args ...any) { fmt.Fprintf(&s.notes, format+"\n", args...) },
		Table: func(heading string, rows [][]string) {
			fmt.Fprintln(&s.out, heading)
			for _, r := range rows {
				fmt.Fprintln(&s.out, strings.Join(r, " "))
			}
		},
		JSON: func() bool { return s.json }, Machine: func(v any) error { return json.NewEncoder(&s.out).Encode(v) },
		Client: func() *client.Client { return client.New(s.server.URL) }}
	for _, cmd := range Commands(c) {
		if cmd.Name() == args[0] {
			cmd.SetArgs(args[1:])
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			err = cmd.ExecuteContext(s.t.Context())
		}
	}
	return s.out.String(), s.notes.String(), err
}

func (s *shop) write(dir, name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// A directory is planned, deployed, changed, planned, compared and applied.
func TestFromDirectoryToVersion(t *testing.T) {
	s := open(t)
	dir := filepath.Join(t.TempDir(), "greet")
	s.write(dir, "handler.py", "def handler(event, context): return 1\n")
	s.write(dir, "situ.yaml", "kind: python\nhandler: handler.handler\nenv: {A: x}\n")
	expect := func(wantOut, wantNotes string, args ...string) {
		t.Helper()
		out, notes, err := s.run(append(args, dir)...)
		if err != nil || !strings.Contains(out, wantOut) || !strings.Contains(notes, wantNotes) {
			t.Errorf("%s prints\n%s%s%v, want %q and %q", args[0], out, notes, err, wantOut, wantNotes)
		}
	}
	expect("greet create - greet@", "", "plan")
	expect("", "is version 1 and has 100% of the calls", "deploy")
	expect("greet keep greet@", "", "plan")
	expect("", "what is deployed is the same", "diff")
	expect("", "is there already, as version 1", "deploy")
	expect("greet keep", "", "apply")
	if len(s.asked) != 2 {
		t.Errorf("apply sent what is there: %d times in all", len(s.asked))
	}
	s.write(dir, "situ.yaml", "kind: python\nhandler: handler.handler\nenv: {A: y}\nlimits: {memory: 64MiB}\n")
	expect("same 2 changed", "", "plan")
	expect("greet env.A \"x\" \"y\"\ngreet limits.memory - 67108864\n", "", "diff")
	s.write(dir, "handler.py", "def handler(event, context): return 2\n")
	expect("changed 2 changed", "", "plan")
	expect("greet update", "is version 2", "apply", "--steps", "5%,0.25", "--hold", "1m", "--errors", "2%")
	if got, want := s.asked[len(s.asked)-1], "errors=0.02&hold=1m0s&steps=0.05%2C0.25"; got != want {
		t.Errorf("the platform is asked %q, want %q", got, want)
	}
	s.deps["greet"].Versions[1].Weight, s.deps["greet"].Versions[0].Weight = 0.4, 0.6
	expect("greet update greet@", "", "plan")
	s.deps["greet"].Versions[1].Weight, s.deps["greet"].Versions[0].Weight = 0.6, 0.4
	expect("greet move greet@", "", "plan")
	s.json = true
	expect(`[{"name":"greet","does":"move"`, "", "plan")
}

// Nothing is sent when something is wrong with one of the directories, or with
// what is asked.
func TestRefusedBefore(t *testing.T) {
	s := open(t)
	good, bad := filepath.Join(t.TempDir(), "good"), filepath.Join(t.TempDir(), "bad")
	s.write(good, "handler.py", "def handler(event, context): pass\n")
	s.write(bad, "situ.yaml", "knd: python\n")
	for want, args := range map[string][]string{
		"did you mean kind?":         {"deploy", good, bad},
		"are both named good":        {"deploy", good, good},
		"--steps:":                   {"deploy", good, "--steps", "120%"},
		"--errors:":                  {"apply", good, "--errors", "none"},
		"--hold is -1s":              {"deploy", good, "--hold", "-1s"},
		"--no-promote leaves":        {"deploy", good, "--no-promote", "--hold", "1s"},
		"there is no such directory": {"deploy", filepath.Join(good, "x")},
		"there is no \"pyton\"; did you mean python?": {"new", "x", "--kind", "pyton"},
		"is there already":                            {"new", good},
		"name of a deployment":                        {"new", "My App"},
		"is no clone of situ":                         {"new", "x", "--situ", good},
	} {
		if _, _, err := s.run(args...); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("%d archives were sent", len(s.asked))
	}
}

// What situ new makes can be deployed as it is.
func TestNew(t *testing.T) {
	repo, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range scaffolds {
		s := open(t)
		dir := filepath.Join(t.TempDir(), "first-"+kind)
		if _, notes, err := s.run("new", dir, "--kind", kind, "--situ", repo); err != nil || !strings.Contains(notes, "situ deploy") {
			t.Fatalf("%s: %s, %v", kind, notes, err)
		}
		if kind != "go" { // these do not need it
			if err := os.Remove(filepath.Join(dir, "go.work")); err != nil {
				t.Fatal(err)
			}
		}
		if _, notes, err := s.run("deploy", dir); err != nil || !strings.Contains(notes, "is version 1") {
			t.Errorf("%s: %s, %v", kind, notes, err)
		}
	}
}

// TestMain is the tests, or the trial of a sandbox.
func TestMain(m *testing.M) {
	sandbox.Serve()
	os.Exit(m.Run())
}

// What another platform reads becomes a project, beside its code, which is
// deployed.
func TestImport(t *testing.T) {
	s := open(t)
	dir := t.TempDir()
	s.write(dir, "template.yaml", "Resources:\n  Greet:\n    Type: AWS::Serverless::Function\n    Properties: {CodeUri: src/, Handler: handler.handler, Runtime: python3.12, Tracing: Active}\n")
	s.write(filepath.Join(dir, "src"), "handler.py", "def handler(event, context): pass\n")
	file := filepath.Join(dir, "template.yaml")
	out, notes, err := s.run("import", "sam", file)
	if err != nil || !strings.Contains(out, "name: greet") || !strings.Contains(notes, "template.yaml:4: Resources.Greet.Properties.Tracing: it has no counterpart") {
		t.Errorf("%s%s%v", out, notes, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "src", "situ.yaml")); !os.IsNotExist(err) {
		t.Errorf("it was written without --write: %v", err)
	}
	if _, notes, err = s.run("import", "sam", file, "--write"); err != nil || !strings.Contains(notes, "is written") {
		t.Errorf("%s%v", notes, err)
	}
	if _, notes, err = s.run("deploy", filepath.Join(dir, "src")); err != nil || !strings.Contains(notes, "is version 1") {
		t.Errorf("%s%v", notes, err)
	}
	if _, _, err = s.run("import", "sam", file, "--write"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("once more: %v", err)
	}
}

// What is shown is what was tried here.
func TestIsolation(t *testing.T) {
	s := open(t)
	out, notes, err := s.run("isolation")
	if err != nil || !strings.Contains(notes, "level: "+string(sandbox.Probe().Level)) || !strings.Contains(out, "seccomp yes") {
		t.Errorf("%s%s%v", out, notes, err)
	}
}

// The version of a library in a template is the one that is tested here.
func TestTemplateVersion(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "github.com/aws/aws-lambda-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := render("lambda", "x")
	if err != nil || !strings.Contains(string(files["go.mod"]), strings.TrimSpace(string(out))) {
		t.Errorf("%s, %v, want %s", files["go.mod"], err, out)
	}
}
