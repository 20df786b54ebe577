// Package dev is what a developer needs around a running platform: it finds
// and builds the program in a directory, watches its sources, and makes an
// example of a call from a manifest. It runs no program and knows no platform;
// the command does, and calls it.
package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
)

// Program is the main package in a directory.
type Program struct {
	Dir    string // of the package
	Module string // directory of its module
	Path   string // import path

	bin    string // where programs are built
	builds int
}

// Find looks at the package in dir. The error is of kind fault.Invalid and
// says what is missing.
func Find(ctx context.Context, dir string) (*Program, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, invalid(dir, "there is no such directory")
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, "find", dir, err)
	case !info.IsDir():
		return nil, invalid(dir, "it is a file; give the directory of a Go main package")
	}
	if _, err := exec.LookPath("go"); err != nil {
		return nil, fault.New(fault.Invalid, "find", dir, "the go command is not in PATH: install Go from https://go.dev/dl, or build the program elsewhere and run `situ serve BINARY`")
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-json=Name,ImportPath,Dir,Module,Error,GoFiles", ".")
	cmd.Dir = dir
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	var p struct {
		Name, ImportPath, Dir string
		Module                *struct{ Dir string }
		Error                 *listError
		GoFiles               []string
	}
	if err == nil {
		err = json.Unmarshal(out, &p)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fault.Wrap(fault.Canceled, "find", dir, ctx.Err())
	case !inModule(dir):
		return nil, invalid(dir, "it is in no Go module (there is no go.mod in it or above it): run `go mod init example.com/NAME` there")
	case err != nil:
		return nil, fault.New(fault.Invalid, "find", dir, "%v: %s", err, strings.TrimSpace(diag.String()))
	case len(p.GoFiles) == 0:
		return nil, invalid(dir, "it has no Go files to build: give the directory of a main package")
	case p.Module == nil:
		return nil, fault.New(fault.Invalid, "find", dir, "go list does not know its module: %s", p.Error.text())
	case p.Name != "main" && p.Name != "":
		return nil, invalid(dir, "it is package %s, not a program: give the directory of a package main whose main calls situ.Main", p.Name)
	}
	return &Program{Dir: p.Dir, Module: p.Module.Dir, Path: p.ImportPath}, nil
}

// listError is what go list says of a package that it cannot load.
type listError struct{ Err string }

func (e *listError) text() string {
	if e == nil {
		return "it does not say why"
	}
	return e.Err
}

// inModule reports whether there is a go.mod in dir or above it.
func inModule(dir string) bool {
	dir, err := filepath.Abs(dir)
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return true
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return false
}

func invalid(dir, format string, args ...any) error {
	return fault.New(fault.Invalid, "find", dir, format, args...)
}

// BuildIn makes bin, emptied, the directory for what is built.
func (p *Program) BuildIn(bin string) error {
	if err := os.RemoveAll(bin); err != nil {
		return fault.Wrap(fault.Unavailable, "build", bin, err)
	}
	p.bin = bin
	return fault.Wrap(fault.Unavailable, "build", bin, os.MkdirAll(bin, 0o755))
}

// Build builds the program into a file of its own and returns its path. The
// error is of kind fault.Invalid, and its message is what the compiler says,
// with files as seen from the working directory.
func (p *Program) Build(ctx context.Context) (string, error) {
	p.builds++
	name := fmt.Sprintf("%s-%d", filepath.Base(p.Path), p.builds)
	path, err := filepath.Abs(filepath.Join(p.bin, name))
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, "build", p.Dir, err)
	}
	if err := p.compile(ctx, exec.CommandContext(ctx, "go", "build", "-o", path, ".")); err != nil {
		return "", err
	}
	return path, nil
}

// Compile builds the program for another place into the file at path: the same
// source gives the same bytes, whoever builds it, and wherever. Flags are further
// ones of go build.
func (p *Program) Compile(ctx context.Context, path, goos, goarch string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", path}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	return p.compile(ctx, cmd)
}

func (p *Program) compile(ctx context.Context, cmd *exec.Cmd) error {
	cmd.Dir = p.Dir
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.Wrap(fault.Canceled, "build", p.Dir, ctx.Err())
	}
	text := strings.TrimSpace(relocate(string(out), p.Dir))
	if text == "" {
		text = err.Error()
	}
	return fault.New(fault.Invalid, "", "", "%s", text)
}

// Discard removes a program that was built and is not needed any more.
func (p *Program) Discard(path string) {
	if path != "" {
		_ = os.Remove(path) // the next start removes it
	}
}

// Same reports whether two built programs are the same, byte for byte.
func Same(a, b string) bool {
	x, err := os.ReadFile(a)
	if err != nil {
		return false
	}
	y, err := os.ReadFile(b)
	return err == nil && bytes.Equal(x, y)
}

// place is a file and line at the beginning of a line of the compiler's.
var place = regexp.MustCompile(`(?m)^(\s*)([^\s:#][^\s:]*\.go)(:\d+)`)

// relocate makes the files that the compiler names, which are as seen from
// dir, such as seen from the working directory, and drops its headings.
func relocate(text, dir string) string {
	var kept []string
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "# ") {
			kept = append(kept, line)
		}
	}
	return place.ReplaceAllStringFunc(strings.Join(kept, "\n"), func(s string) string {
		m := place.FindStringSubmatch(s)
		return m[1] + seen(filepath.Join(dir, m[2]), m[2]) + m[3]
	})
}

// seen returns path as seen from the working directory, if that is shorter.
func seen(path, otherwise string) string {
	wd, err := os.Getwd()
	if err != nil {
		return otherwise
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || len(rel) > len(path) {
		return path
	}
	return rel
}
