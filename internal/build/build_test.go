package build

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/project"
)

// dirOf makes a directory with these files; a name that ends with '*' is a
// program.
func dirOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	for name, text := range files {
		mode := os.FileMode(0o644)
		if n, ok := strings.CutSuffix(name, "*"); ok {
			name, mode = n, 0o755
		}
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// built builds a directory, and returns the archive and what it has.
func built(t *testing.T, dir string, target Target) (archive []byte, r *Result, paths []string, err error) {
	t.Helper()
	p, err := project.Load(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	if r, err = Build(t.Context(), p, target); err != nil {
		return nil, nil, nil, err
	}
	t.Cleanup(r.Close)
	var b bytes.Buffer
	if err := bundle.Pack(&b, r.Manifest, r.Files); err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Files {
		paths = append(paths, f.Path)
	}
	return b.Bytes(), r, paths, nil
}

var goProgram = map[string]string{"go.mod": "module example.com/app\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() { println(\"hello\") }\n"}

// The same source in two directories gives the same bytes, and so the same
// version.
func TestReproducible(t *testing.T) {
	for name, kind := range map[string]string{"app": "", "bootstrap": "kind: lambda\n"} {
		files := map[string]string{project.Name: "name: app\n" + kind}
		for n, text := range goProgram {
			files[n] = text
		}
		one, r, paths, err := built(t, dirOf(t, files), Target{})
		if err != nil {
			t.Fatal(err)
		}
		two, _, _, err := built(t, dirOf(t, files), Target{})
		if err != nil || !bytes.Equal(one, two) {
			t.Errorf("%s: two builds are different, %v", name, err)
		}
		if !slices.Equal(paths, []string{name}) || !slices.Equal(r.Manifest.Command, []string{name}) {
			t.Errorf("it has %q, %+v", paths, r.Manifest)
		}
		r.Close()
		if _, err := os.Stat(r.tmp); !os.IsNotExist(err) {
			t.Errorf("closed, there is still %s", r.tmp)
		}
	}
}

// A function of Node or Python is what is in its directory, but what is said to
// stay, and what never goes.
func TestCode(t *testing.T) {
	dir := dirOf(t, map[string]string{project.Name: "ignore: [tests/, '*.md', data/big.bin]", "handler.py": "x", "lib/a.py": "x", "lib/__pycache__/a.pyc": "x", "tests/t.py": "x",
		"lib/README.md": "x", ".env": "SECRET=1", ".git/config": "x", "data/big.bin": "x", "data/small.bin": "x"})
	_, r, paths, err := built(t, dir, Target{})
	if err != nil || r.Manifest.Kind != bundle.Python || !slices.Equal(paths, []string{"data/small.bin", "handler.py", "lib/a.py"}) {
		t.Errorf("%q, %v", paths, err)
	}
	dir = dirOf(t, map[string]string{"index.mjs": "x", "package.json": `{"dependencies":{"@a/b":"1"}}`, "node_modules/@a/b/index.js": "x", "node_modules/.bin/b": "x", "node_modules/.package-lock.json": "x"})
	if _, _, paths, err = built(t, dir, Target{}); err != nil || !slices.Equal(paths, []string{"index.mjs", "node_modules/.bin/b", "node_modules/@a/b/index.js", "package.json"}) {
		t.Errorf("%q, %v", paths, err)
	}
}

// A zip of Lambda becomes a bundle like any other.
func TestZip(t *testing.T) {
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for name, text := range map[string]string{"bootstrap": "#!/bin/sh\n", "lib/data": "x"} {
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	dir := dirOf(t, map[string]string{project.Name: "program: out/fn.zip", "out/fn.zip": b.String()})
	_, r, paths, err := built(t, dir, Target{})
	if err != nil || r.Manifest.Kind != bundle.Lambda || !slices.Equal(paths, []string{"bootstrap", "lib/data"}) {
		t.Errorf("%q, %v", paths, err)
	}
}

// What cannot be deployed is refused with what is wrong, and where.
func TestRefused(t *testing.T) {
	elf := func(machine byte) string {
		h := make([]byte, 64)
		copy(h, "\x7fELF\x02\x01\x01")
		h[16], h[18], h[20], h[52] = 2, machine, 1, 64
		return string(h)
	}
	for want, files := range map[string]map[string]string{
		"main.go:3:15: undefined: nothing":         {"go.mod": goProgram["go.mod"], "main.go": "package main\n\nfunc main() { nothing() }\n"},
		"there is no such program: build it first": {project.Name: "program: out/app"},
		"chmod +x": {project.Name: "program: app", "app": elf(62)},
		"it is a program for EM_AARCH64, and linux/amd64 is needed": {project.Name: "program: app", "app*": elf(183)},
		"for Windows or macOS":                      {project.Name: "program: app.exe", "app.exe*": "MZ\x90\x00"},
		"it is no program":                          {project.Name: "program: app", "app*": "hello"},
		"run `npm ci --omit=dev`":                   {"index.mjs": "x", "package.json": `{"dependencies":{"left-pad":"1"}}`},
		"is no name of a package":                   {"index.mjs": "x", "package.json": `{"dependencies":{"../../x":"1"}}`},
		"package.json: it cannot be read":           {"index.mjs": "x", "package.json": `{`},
		"there is no other.mjs":                     {project.Name: "kind: node\nhandler: other.handler", "index.mjs": "x"},
		"neither a program bootstrap nor Go source": {project.Name: "kind: lambda"},
		"the archive is broken":                     {project.Name: "program: fn.zip", "fn.zip": "no zip"},
		"build it first":                            {project.Name: "program: fn.zip"},
		"program: it is not said":                   {project.Name: "kind: binary"},
	} {
		_, _, _, err := built(t, dirOf(t, files), Target{OS: "linux", Arch: "amd64"})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
