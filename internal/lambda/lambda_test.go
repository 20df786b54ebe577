package lambda_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/lambda"
	"github.com/situ-dev/situ/internal/lambda/execution"
	"github.com/situ-dev/situ/internal/lambda/runtimeapi"
)

// tools is where tools/need-node puts Node and the SDKs.
const tools = "../../.tools/node"

// rig is a platform with functions.
type rig struct {
	t    *testing.T
	url  string
	did  string // file into which handlers write what they do
	logs *bytes.Buffer
}

// task makes a task directory: the handlers, with the SDKs beside them.
func task(t testing.TB) string {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(tools, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tools, "installed")); err != nil {
		t.Fatalf("Node and the SDKs are not there: run tools/need-node .tools/node in the module's root, as make test does (%v)", err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/handlers")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func node(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(tools, "node"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// functions are those of the tests: each file of the handlers is a durable
// function with its name; "plain" is not durable.
func functions(dir, did string) []execution.Function {
	list := []execution.Function{{Function: runtimeapi.Function{Name: "plain", Dir: dir, Handler: "basic.plain"}}}
	for _, name := range []string{"basic"} {
		list = append(list, execution.Function{Durable: true, Function: runtimeapi.Function{Name: name, Dir: dir, Handler: name + ".handler", Most: 4}})
	}
	for i := range list {
		list[i].Env = []string{"DID=" + did}
	}
	return list
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, did: filepath.Join(t.TempDir(), "did")}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	data := t.TempDir()
	svc, err := lambda.Open(lambda.Config{Listen: "127.0.0.1:0", Dir: data, Node: node(t), Log: log, Functions: functions(task(t), r.did)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := embedded.Open(data, embedded.Options{Logger: log}, svc.Components()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx, p, p.Node()) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		svc.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	r.url = "http://" + svc.Addr()
	return r
}

// invoke invokes a function and returns the answer.
func (r *rig) invoke(function, payload string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+"/2015-03-31/functions/"+function+"/invocations", strings.NewReader(payload))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(body)
}

func TestThin(t *testing.T) {
	r := start(t)
	if _, got := r.invoke("plain", `{"n":21}`); got != `{"doubled":42}` {
		t.Errorf("plain: %s", got)
	}
	resp, got := r.invoke("basic", `{"n":1}`)
	if got != `{"a":2,"b":20}` {
		t.Errorf("basic: %s %v", got, resp.Header)
	}
	b, _ := os.ReadFile(r.did)
	if string(b) != "a\nb\n" {
		t.Errorf("did %q", b)
	}
}
