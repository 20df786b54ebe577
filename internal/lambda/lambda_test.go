package lambda_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/lambda"
	"github.com/situ-dev/situ/internal/lambda/execution"
	"github.com/situ-dev/situ/internal/lambda/runtimeapi"
	"github.com/situ-dev/situ/internal/server"
)

// tools is where tools/need-node puts Node and the SDKs.
const tools = "../../.tools/node"

// rig is a platform with functions.
type rig struct {
	t   *testing.T
	url string
	dir string // task directory
	did string // directory of the files into which handlers write what they do
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

// functions are those of the tests. Durable ones have the name of the file that
// they are in.
func functions(dir, did string) []execution.Function {
	list := []execution.Function{
		{Function: runtimeapi.Function{Name: "plain", Handler: "plain.handler", Timeout: 2 * time.Second}},
		{Function: runtimeapi.Function{Name: "classic", Handler: "plain.classic"}},
		{Function: runtimeapi.Function{Name: "missing", Handler: "plain.missing"}},
		{Function: runtimeapi.Function{Name: "naked", Handler: "fails.naked"}, Durable: true},
		{Function: runtimeapi.Function{Name: "child", Handler: "basic.handler"}, Durable: true},
	}
	for _, name := range []string{"basic", "killed", "retry", "branches", "callbacks", "chained", "condition", "crash", "large", "fails", "long"} {
		list = append(list, execution.Function{Durable: true, Function: runtimeapi.Function{Name: name, Handler: name + ".handler"}})
	}
	for i := range list {
		list[i].Dir, list[i].Most, list[i].Env = dir, 2, []string{"DID=" + filepath.Join(did, list[i].Name)}
	}
	return list
}

func start(t *testing.T) *rig {
	t.Helper()
	dir, did := task(t), t.TempDir()
	r := startWith(t, functions(dir, did))
	r.dir, r.did = dir, did
	return r
}

func startWith(t *testing.T, functions []execution.Function) *rig {
	t.Helper()
	r := &rig{t: t}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	data := t.TempDir()
	srv, err := server.Open(server.Config{Dir: data, Listen: "127.0.0.1:0", Log: log,
		Lambda: &lambda.Config{Listen: "127.0.0.1:0", Dir: data, Node: node(t), Log: log, Functions: functions}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	r.url = "http://" + srv.Lambda()
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
		if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
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
