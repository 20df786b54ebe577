// Package build makes what goes into a bundle of a project's directory: it
// compiles a program of Go, checks one that was built elsewhere, or gathers the
// files of a function of Node or Python. It downloads nothing, and the same
// sources give the same bytes. Who calls it packs and sends what it returns.
package build

import (
	"archive/zip"
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/dev"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/project"
)

// Target is the machine that a bundle is for. Zero values are this one.
type Target struct {
	OS   string // as GOOS
	Arch string // as GOARCH
}

func (t Target) withDefaults() Target {
	if t.OS == "" {
		t.OS = runtime.GOOS
	}
	if t.Arch == "" {
		t.Arch = runtime.GOARCH
	}
	return t
}

// Result is what goes into a bundle. Close it when it is packed.
type Result struct {
	Manifest bundle.Manifest
	Files    []bundle.File
	tmp      string
}

// Close removes what was built.
func (r *Result) Close() { _ = bundle.RemoveAll(r.tmp) } // the system removes what is left

// Build builds a project. The error is of kind fault.Invalid, and says what is
// wrong with it, in the words of the compiler where it is the compiler's.
func Build(ctx context.Context, p *project.Project, t Target) (_ *Result, err error) {
	t = t.withDefaults()
	r := &Result{}
	if r.tmp, err = os.MkdirTemp("", "situ-build-"); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "build", p.Name, err)
	}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	src := filepath.Join(p.Dir, filepath.FromSlash(p.Source))
	switch p.Kind {
	case bundle.Go:
		err = r.compile(ctx, p, src, p.Name, t)
	case bundle.Binary:
		err = r.program(p, path.Base(p.Program), t)
	case bundle.Lambda:
		err = r.lambda(ctx, p, src, t)
	case bundle.Node, bundle.Python:
		err = r.code(p, src)
	default:
		err = fault.New(fault.Invalid, "build", p.Name, "there is no kind %q", p.Kind)
	}
	if err != nil {
		return nil, err
	}
	return r, r.Manifest.Check()
}

// compile builds the main package in dir into a program of that name.
func (r *Result) compile(ctx context.Context, p *project.Project, dir, name string, t Target, flags ...string) error {
	prog, err := dev.Find(ctx, dir)
	if err != nil {
		return err
	}
	out := filepath.Join(r.tmp, name)
	if err := prog.Compile(ctx, out, t.OS, t.Arch, flags...); err != nil {
		return err
	}
	r.Manifest, r.Files = p.Manifest([]string{name}), []bundle.File{{Path: name, From: out}}
	return nil
}

// program takes a program that was built elsewhere.
func (r *Result) program(p *project.Project, name string, t Target) error {
	if p.Program == "" {
		return fault.New(fault.Invalid, "", "", "%s: program: it is not said: a project of kind %s needs the path of its program", p.Where(), p.Kind)
	}
	from := filepath.Join(p.Dir, filepath.FromSlash(p.Program))
	if err := fits(from, t); err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return fault.Wrap(fault.Invalid, "build", from, err)
	}
	if info.Mode()&0o100 == 0 {
		return fault.New(fault.Invalid, "", "", "%s: it is not executable: run `chmod +x %s`", from, from)
	}
	r.Manifest, r.Files = p.Manifest([]string{name}), []bundle.File{{Path: name, From: from}}
	return nil
}

// machines are the machines of ELF by their names in Go.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390}

// fits checks that a program runs on the target. A script does anywhere.
func fits(file string, t Target) error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "", "", "%s: %s", file, fmt.Sprintf(format, args...))
	}
	b := make([]byte, 4)
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return bad("there is no such program: build it first")
	} else if err != nil {
		return fault.Wrap(fault.Invalid, "build", file, err)
	}
	n, err := f.Read(b)
	_ = f.Close() // it was only read
	switch {
	case err != nil:
		return bad("it cannot be read as a program: %v", err)
	case bytes.HasPrefix(b[:n], []byte("#!")):
		return nil
	case bytes.HasPrefix(b[:n], []byte("MZ")), bytes.HasPrefix(b[:n], []byte("\xcf\xfa\xed\xfe")), bytes.HasPrefix(b[:n], []byte("\xca\xfe\xba\xbe")):
		return bad("it is a program for Windows or macOS, and %s/%s is needed: build it with GOOS=%s GOARCH=%s", t.OS, t.Arch, t.OS, t.Arch)
	}
	e, err := elf.Open(file)
	if err != nil {
		return bad("it is no program: %v", err)
	}
	defer func() { _ = e.Close() }() // it is only read
	if want, ok := machines[t.Arch]; ok && e.Machine != want {
		return bad("it is a program for %v, and %s/%s is needed: build it with GOOS=%[2]s GOARCH=%[3]s", e.Machine, t.OS, t.Arch)
	}
	return nil
}

// lambda takes a function of Lambda: from a zip, from a program, or from the
// source of one in Go.
func (r *Result) lambda(ctx context.Context, p *project.Project, src string, t Target) error {
	if strings.HasSuffix(p.Program, ".zip") {
		return r.zip(p, t)
	}
	if p.Program == "" {
		if _, err := os.Stat(filepath.Join(src, "bootstrap")); err != nil {
			if found, err := filepath.Glob(filepath.Join(src, "*.go")); err == nil && len(found) > 0 {
				// Without the tag it brings along how Lambda once called it.
				return r.compile(ctx, p, src, "bootstrap", t, "-tags", "lambda.norpc")
			}
			return fault.New(fault.Invalid, "", "", "%s: there is neither a program bootstrap nor Go source in %s: say where it is with `program:`", p.Where(), src)
		}
		q := *p
		q.Program = path.Join(p.Source, "bootstrap")
		p = &q
	}
	return r.program(p, "bootstrap", t)
}

// zip takes a zip as it is sent to Lambda.
func (r *Result) zip(p *project.Project, t Target) error {
	from := filepath.Join(p.Dir, filepath.FromSlash(p.Program))
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Invalid, "", "", "%s: there is no such file: build it first", from)
	} else if err != nil {
		return fault.Wrap(fault.Invalid, "build", from, err)
	}
	defer func() { _ = f.Close() }() // it is only read
	s, err := bundle.Open(filepath.Join(r.tmp, "zip"), bundle.ArchiveLimits{})
	if err != nil {
		return err
	}
	b, err := s.Put(f, bundle.Upload{Name: p.Name, Zip: true, Manifest: p.Manifest([]string{"bootstrap"})})
	if errors.Is(err, zip.ErrFormat) {
		return fault.New(fault.Invalid, "", "", "%s: it is no zip", from)
	} else if err != nil {
		return err
	}
	if err := fits(filepath.Join(b.Dir, "bootstrap"), t); err != nil {
		return err
	}
	r.Manifest = b.Manifest
	r.Files, err = bundle.Files(b.Dir, nil)
	return err
}

// code gathers the files of a function of Node or Python.
func (r *Result) code(p *project.Project, src string) error {
	if p.Kind == bundle.Node {
		if err := installed(src); err != nil {
			return err
		}
	}
	files, err := bundle.Files(src, p.Skips)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fault.New(fault.Invalid, "", "", "%s: there is nothing in %s", p.Where(), src)
	}
	r.Manifest, r.Files = p.Manifest(nil), files
	return r.hasHandler(src)
}

// hasHandler checks that the file of the handler is there: it says so here, and
// not after it was sent.
func (r *Result) hasHandler(src string) error {
	want := r.Manifest.HandlerFiles()
	for _, f := range r.Files {
		for _, w := range want {
			if f.Path == w {
				return nil
			}
		}
	}
	return fault.New(fault.Invalid, "", "", "%s: there is no %s for the handler %s", src, strings.Join(want, ", "), r.Manifest.Handler)
}

// installed checks that the packages that a package.json names are there. They
// are not installed here: what is deployed is what was tried.
func installed(src string) error {
	file := filepath.Join(src, "package.json")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fault.Wrap(fault.Invalid, "build", file, err)
	}
	var pkg struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(b, &pkg); err != nil {
		return fault.New(fault.Invalid, "", "", "%s: it cannot be read: %v", file, err)
	}
	for name := range pkg.Dependencies {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fault.New(fault.Invalid, "", "", "%s: %q is no name of a package", file, name)
		}
		if _, err := os.Stat(filepath.Join(src, "node_modules", filepath.FromSlash(name))); err != nil {
			return fault.New(fault.Invalid, "", "", "%s: the package %s is not in node_modules: run `npm ci --omit=dev` in %s", file, name, src)
		}
	}
	return nil
}

// GoVersion returns what compiles, for what people are shown.
func GoVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
