package adapter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/build"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/lambda/adapter"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/project"
	"github.com/situ-dev/situ/internal/sandbox"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

// TestMain is the tests, or an adapter in a sandbox.
func TestMain(m *testing.M) {
	sandbox.Serve()
	adapter.Serve()
	os.Exit(m.Run())
}

// stored builds a project and puts it into a store, as a deployment does.
func stored(t *testing.T, dir string) bundle.Bundle {
	t.Helper()
	p, err := project.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := build.Build(t.Context(), p, build.Target{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var archive bytes.Buffer
	if err := bundle.Pack(&archive, r.Manifest, r.Files); err != nil {
		t.Fatal(err)
	}
	bundles := filepath.Join(t.TempDir(), "bundles")
	t.Cleanup(func() { _ = bundle.RemoveAll(bundles) })
	s, err := bundle.Open(bundles, bundle.ArchiveLimits{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Put(&archive, bundle.Upload{Name: p.Name})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run runs a bundle on a node, and returns how it is called.
func run(t *testing.T, b bundle.Bundle) func(in string) *wire.Response {
	t.Helper()
	tools, err := filepath.Abs("../../../.tools/node/node")
	if err != nil {
		t.Fatal(err)
	}
	l, err := adapter.Of(b, adapter.Config{Node: tools})
	if err != nil {
		t.Fatalf("%v (Node comes with `tools/need-node .tools/node`, as make test does it)", err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	n, err := node.Open(node.Config{Dir: t.TempDir(), Store: store.Options{Shards: 2}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := worker.New(n.Program(node.Main), worker.Config{Dir: t.TempDir(), Log: log, Output: t.Output(),
		Env: []string{"GORACE=atexit_sleep_ms=0"}, Args: l.Args, Work: l.Dir, Confine: l.Sandbox(b, nil).Confine})
	if err != nil {
		t.Fatal(err)
	}
	nodeCtx, stopNode := context.WithCancel(context.Background())
	poolCtx, stopPool := context.WithCancel(context.Background())
	var nodes, pools sync.WaitGroup
	nodes.Go(func() {
		if err := n.Run(nodeCtx); err != nil {
			t.Errorf("the node: %v", err)
		}
	})
	pools.Go(func() { pool.Run(poolCtx) })
	t.Cleanup(func() {
		stopNode()
		nodes.Wait()
		stopPool()
		pools.Wait()
	})
	if err := pool.Replace(t.Context(), l.Path); err != nil {
		t.Fatal(err)
	}
	return func(in string) *wire.Response {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		resp, err := n.Invoke(ctx, &wire.Request{To: wire.Address{Method: b.Manifest.Name}, Body: wire.Payload{Format: wire.JSON, Data: []byte(in)}, Want: wire.JSON})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
}

// The examples in Go, Node and Python, each as it would run on Lambda, are
// functions like any other: they answer, they fail with their own words, and many
// calls run at once. They do so in the strongest sandbox that there is here.
func TestExamples(t *testing.T) {
	for _, c := range []struct{ dir, in, want, bad, code, message string }{
		{"awslambda", `{"item":"pen","count":3,"cents":120}`, `"cents":360`, `{"count":0}`, "errorString", "count is to be at least 1"},
		{"nodefunc", `{"name":"Ann"}`, `"greeting":"Servus, Ann!"`, `{}`, "Error", "name is missing"},
		{"pyfunc", `{"numbers":[1,2,6]}`, `"median":2`, `{}`, "KeyError", "'numbers'"},
	} {
		t.Run(c.dir, func(t *testing.T) {
			t.Parallel()
			call := run(t, stored(t, "../../../examples/"+c.dir))
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					resp := call(c.in)
					if !json.Valid(resp.Body.Data) || !strings.Contains(strings.ReplaceAll(string(resp.Body.Data), ": ", ":"), c.want) || resp.Fail != nil {
						t.Errorf("%s, %v, want %s", resp.Body.Data, resp.Fail, c.want)
					}
					if !strings.Contains(string(resp.Body.Data), `"request"`) {
						t.Errorf("%s does not know its request", resp.Body.Data)
					}
				})
			}
			group.Wait()
			if resp := call(c.bad); resp.Fail == nil || resp.Fail.Code != c.code || resp.Fail.Message != c.message || resp.Fail.Kind != fault.Failed.String() {
				t.Errorf("a failure is %+v", resp.Fail)
			}
		})
	}
}
