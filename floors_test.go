package situ_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors is the policy of who may import whom: a package imports only from
// the lines above its own. "." is the module root, and "x/..." is every
// package below x. A package may be listed before it is written.
//
// It is a statement of design. Do not edit it to mend a build; change it
// first, with a reason, in a commit of its own.
const floors = `
	internal/fault internal/near internal/heap internal/proc internal/frugal internal/golden internal/clean internal/seed
	internal/wire internal/invariants internal/schema internal/vet
	internal/place internal/due internal/turn internal/flow internal/lambda/durable internal/cron internal/span internal/meter internal/deploy
	internal/host internal/view internal/codec internal/policy internal/bundle internal/strict internal/sandbox
	internal/workproto internal/element internal/project internal/project/importer internal/shard/figure
	internal/guest internal/shape
	internal/program
	internal/store/file
	internal/api internal/store/mark internal/store/space internal/store/memtable internal/store/wal internal/store/crashfs internal/store/layout
	internal/store/identity internal/store/far internal/store/problem
	internal/store/body internal/store/chain
	internal/store/merge internal/store/database
	internal/store/inspect
	internal/store internal/client
	.
	flow fan flow/graph internal/platform/schedule internal/platform/deployment
	internal/platform/machine
	internal/platform/flows
	internal/shard/rows internal/shard/conf internal/shard/warn internal/shard/hook
	internal/shard/channel internal/shard/timer internal/shard/record internal/shard/dead internal/shard/mail internal/shard/promise internal/shard/delta internal/shard/spans internal/shard/tally
	internal/shard/account internal/shard/control internal/shard/resident
	internal/shard/core
	internal/shard
	internal/worker/alive internal/worker/check internal/worker/lane internal/worker/process internal/ledger
	internal/worker internal/node internal/lambda/runtimeapi internal/otlp
	internal/platform/webhook internal/lambda/adapter
	internal/platform internal/lambda/execution
	internal/lambda/door internal/fleet
	internal/lambda
	internal/ingress/h1 internal/ingress/shown internal/ingress/rollout
	internal/ingress situtest embedded
	internal/ingress/ingresstest
	internal/dev internal/server
	internal/build
	examples/... tools/... docs/...
	internal/cli
	internal/cli/ship internal/cli/versions
	bench/...
	cmd/... internal/killtest/... internal/simtest
`

// engine is what user code never links: the root package may not depend on
// it, however indirectly.
var engine = []string{
	module + "/internal/store",
	module + "/internal/shard",
	"github.com/cockroachdb/pebble",
}

// pure are the packages that take state, events and time in and give effects
// out: no I/O, no goroutine, no clock, no logger, no context.
var pure = []string{"internal/place", "internal/due", "internal/turn", "internal/flow", "internal/lambda/durable", "internal/cron", "internal/span", "internal/meter", "internal/deploy"}

// impure is what a pure package has no use for: packages, and names of time.
var impure = []string{
	"context", "log", "log/slog", "net", "net/http", "os", "os/exec", "math/rand", "math/rand/v2", "crypto/rand", "sync",
	"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.Tick",
}

// TestFloors checks that every package is on a floor and imports only from
// lower ones. Imports of tests are not checked.
func TestFloors(t *testing.T) {
	out := goList(t, "-json=ImportPath,Imports", "./...")
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range misplaced(p.ImportPath, p.Imports) {
			t.Error(wrong)
		}
	}
}

// TestRootNeverLinksEngine checks that a program that imports situ gets none
// of the engine with it.
func TestRootNeverLinksEngine(t *testing.T) {
	for dep := range strings.FieldsSeq(string(goList(t, "-deps", "."))) {
		for _, e := range engine {
			if dep == e || strings.HasPrefix(dep, e+"/") {
				t.Errorf("%s depends on %s; user code never links the engine", module, dep)
			}
		}
	}
}

// TestPure checks that the pure packages neither import nor name what would
// make them impure, and start no goroutines.
func TestPure(t *testing.T) {
	for _, f := range sourceFiles(t) {
		if !slices.Contains(pure, f.dir()) {
			continue
		}
		for _, wrong := range impurities(f) {
			t.Error(wrong)
		}
	}
}

// The checks find what they are for.
func TestFloorsFind(t *testing.T) {
	for _, c := range []struct {
		pkg, imp string
		want     int
	}{
		{"/internal/wire", "/internal/fault", 0},
		{"/internal/shard", "/internal/store", 0},
		{"/cmd/situ", "/internal/node", 0},
		{"/internal/fault", "/internal/wire", 1}, // up
		{"/internal/due", "/internal/place", 1},  // beside
		{"/internal/host", "", 1},                // up, to the root
		{"/cmd/situ", "/cmd/other", 1},           // beside
		{"/internal/wire", "/internal/util", 1},  // unknown import
		{"/internal/util", "/internal/wire", 1},  // unknown package
	} {
		if got := misplaced(module+c.pkg, []string{"fmt", "github.com/situ-dev/situated", module + c.imp}); len(got) != c.want {
			t.Errorf("%s importing %s: %q, want %d complaints", c.pkg, c.imp, got, c.want)
		}
	}
	f, err := parseSource("internal/due/x.go", []byte("package due\nimport (\"os\"; \"time\")\nfunc f(d time.Duration) { go f(0); _ = time.Now() }"))
	if err != nil {
		t.Fatal(err)
	}
	if got := impurities(f); len(got) != 3 {
		t.Errorf("os, a goroutine and time.Now: got %q", got)
	}
}

// misplaced returns what is wrong with the imports of package pkg.
func misplaced(pkg string, imports []string) (wrong []string) {
	up, ok := floor(pkg)
	if !ok {
		return []string{pkg + " is on no floor"}
	}
	for _, imp := range imports {
		if imp != module && !strings.HasPrefix(imp, module+"/") {
			continue
		}
		if tree(pkg) != "" && tree(pkg) == tree(imp) {
			continue // packages of one tree see to their own order
		}
		if low, ok := floor(imp); !ok {
			wrong = append(wrong, fmt.Sprintf("%s imports %s, which is on no floor", pkg, imp))
		} else if low >= up {
			wrong = append(wrong, fmt.Sprintf("%s (floor %d) imports %s (floor %d)", pkg, up, imp, low))
		}
	}
	return wrong
}

// floor returns the floor of the package with that import path, from 1.
func floor(pkg string) (int, bool) {
	rel := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
	if rel == "" {
		rel = "."
	}
	for n, line := range strings.Split(floors, "\n") {
		for p := range strings.FieldsSeq(line) {
			above, tree := strings.CutSuffix(p, "/...")
			if rel == p || tree && (rel == above || strings.HasPrefix(rel, above+"/")) {
				return n, true
			}
		}
	}
	return 0, false
}

// tree returns the "x/..." of the policy that the package belongs to, "" if it
// is listed by itself. Commands have no tree: each stands alone.
func tree(pkg string) string {
	rel := strings.TrimPrefix(pkg, module+"/")
	for p := range strings.FieldsSeq(floors) {
		if above, ok := strings.CutSuffix(p, "/..."); ok && above != "cmd" && strings.HasPrefix(rel, above+"/") {
			return p
		}
	}
	return ""
}

// impurities returns what in f does not belong in a pure package.
func impurities(f *sourceFile) (wrong []string) {
	for _, imp := range f.ast.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); slices.Contains(impure, p) {
			wrong = append(wrong, fmt.Sprintf("%s is pure, but imports %s", f.path, p))
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			wrong = append(wrong, fmt.Sprintf("%s is pure, but starts a goroutine", f.fset.Position(n.Pos())))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(impure, x.Name+"."+n.Sel.Name) {
				wrong = append(wrong, fmt.Sprintf("%s is pure, but uses %s.%s", f.fset.Position(n.Pos()), x.Name, n.Sel.Name))
			}
		}
		return true
	})
	return wrong
}

// goList runs go list in the module root and returns what it prints.
func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, diag.Bytes())
	}
	return out.Bytes()
}
