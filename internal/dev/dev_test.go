package dev_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/dev"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
)

// write makes files below a new directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const goMod = "module example.com/x\n\ngo 1.26\n"

// What is no program is refused with what to do.
func TestFind(t *testing.T) {
	for _, c := range []struct {
		name, dir, says string
	}{
		{"missing", "/does/not/exist", "no such directory"},
		{"file", filepath.Join(write(t, map[string]string{"f": ""}), "f"), "it is a file"},
		{"no module", write(t, map[string]string{"main.go": "package main\nfunc main() {}\n"}), "go mod init"},
		{"no files", write(t, map[string]string{"go.mod": goMod}), "no Go files"},
		{"library", write(t, map[string]string{"go.mod": goMod, "x.go": "package x\n"}), "package x, not a program"},
	} {
		_, err := dev.Find(t.Context(), c.dir)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A program is built anew each time; what the compiler says names the file and
// the line.
func TestBuild(t *testing.T) {
	dir := write(t, map[string]string{"go.mod": goMod, "cmd/a/main.go": "package main\n\nfunc main() { println(1) }\n"})
	p, err := dev.Find(t.Context(), filepath.Join(dir, "cmd/a"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Path != "example.com/x/cmd/a" || p.Module != dir {
		t.Errorf("%+v", p)
	}
	if err := p.BuildIn(filepath.Join(dir, ".situ/bin")); err != nil {
		t.Fatal(err)
	}
	one, err := p.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.Build(t.Context())
	if err != nil || two == one || !dev.Same(one, two) {
		t.Errorf("%s and %s: %v", one, two, err)
	}
	main := filepath.Join(dir, "cmd/a/main.go")
	if err := os.WriteFile(main, []byte("package main\n\nfunc main() { println(x) }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = p.Build(t.Context())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "main.go:3:23: undefined: x") || strings.Contains(err.Error(), "# ") {
		t.Errorf("%v", err)
	}
}

// Changes of sources are noticed, in new directories, too; others are not.
func TestWatch(t *testing.T) {
	dir := write(t, map[string]string{"go.mod": goMod, "main.go": "package main\nfunc main() {}\n", "a/a.go": "package a\n",
		".hidden/x.go": "package x\n", "testdata/x.go": "package x\n"})
	p, err := dev.Find(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := p.Watch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	touch := func(names ...string) {
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("package a // changed\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect := func(want ...string) {
		t.Helper()
		got, err := w.Next(t.Context())
		if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	touch(".hidden/x.go", "testdata/x.go", "a/a_test.go", "notes.txt", "a/a.go", "main.go")
	expect("a/a.go", "main.go")
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	touch("go.mod") // its event comes after that of b, which is watched from then on
	expect("go.mod")
	touch("b/b.go")
	expect("b/b.go")
}

func TestSample(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{``, `{}`},
		{`true`, `{}`},
		{`{"type":"integer"}`, `10`},
		{`{"type":["null","array"],"items":{"type":"string"}}`, `["text"]`},
		{`{"type":"object","properties":{"b":{"type":"boolean"},"a":{"type":"string"},"n":{"enum":["x","y"]}},"required":["n","a"]}`, `{"n":"x","a":"a"}`},
		{`{"type":"object","properties":{"b":{"type":"boolean"},"a":{"$ref":"#/$defs/T"}},"required":["a","b"],"$defs":{"T":{"type":"string","format":"date"}}}`, `{"a":"2026-01-02","b":true}`},
		{`{"anyOf":[{"type":"null"},{"type":"number","minimum":0}]}`, `0`},
		{`{"examples":[{"by":1}]}`, `{"by":1}`},
	} {
		if got := dev.Sample(json.RawMessage(c.schema)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.schema, got, c.want)
		}
	}
	loop := dev.Sample(json.RawMessage(`{"type":"object","properties":{"x":{"$ref":"#"}},"required":["x"]}`))
	if !json.Valid([]byte(loop)) {
		t.Errorf("a schema that contains itself: %s", loop)
	}
}

func TestTry(t *testing.T) {
	text := json.RawMessage(`{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}`)
	number := json.RawMessage(`{"type":"integer"}`)
	m := &host.Manifest{
		Types:     []host.TypeManifest{{Name: "Counter", Methods: []host.MethodManifest{{Name: "get", ReadOnly: true}, {Name: "add", In: number}}}},
		Functions: []host.MethodManifest{{Name: "hidden", Internal: true}, {Name: "look", In: text, ReadOnly: true}},
	}
	if got := strings.Join(dev.Try(m), " "); got != "Counter/counter-1 add 10" {
		t.Error(got)
	}
	m.Functions = append(m.Functions, host.MethodManifest{Name: "seed", In: number})
	if got := strings.Join(dev.Try(m), " "); got != "seed 10" {
		t.Error(got)
	}
	m.Types[0].Methods[0].In = json.RawMessage(`{"type":"string","examples":["now"]}`)
	if got := strings.Join(dev.Try(m), " "); got != `Counter/counter-1 get "now"` {
		t.Errorf("not what its author suggests: %s", got)
	}
	if got := dev.Try(&host.Manifest{}); len(got) != 0 {
		t.Error(got)
	}
	if got := dev.Quote(`{"a":"it's"}`); got != `'{"a":"it'\''s"}'` {
		t.Error(got)
	}
}
