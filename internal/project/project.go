// Package project is the file situ.yaml, which says what a directory is when it
// is deployed: how it is built, and which limits, variables, secrets and
// schedules its functions and object types have. It makes a manifest of it, and
// tells two manifests apart. It builds and sends nothing.
package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/cron"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/strict"
)

// Name is the name of the file.
const Name = "situ.yaml"

// Project is the file, and where it is.
type Project struct {
	Dir  string // of the project, as it was given
	File string // "" if there is none: then all is guessed

	Settings
}

// Settings are what the file says. What is not in it has a default.
type Settings struct {
	Name    string      `yaml:"name"`    // default: the directory's
	Kind    bundle.Kind `yaml:"kind"`    // default: what is in the directory
	Source  string      `yaml:"source"`  // go: directory of the main package; node, python: of the code; default: where the file is
	Program string      `yaml:"program"` // binary, lambda: the program, or its zip
	Handler string      `yaml:"handler"` // node, python: FILE.EXPORT
	Runtime string      `yaml:"runtime"` // node, python: the version that is needed, as "22"
	Ignore  []string    `yaml:"ignore"`  // files that stay here, as patterns

	Functions map[string]Function `yaml:"functions"`
	Types     map[string]Type     `yaml:"types"`
	Limits    Limits              `yaml:"limits"`
	Env       map[string]string   `yaml:"env"`
	Secrets   map[string]string   `yaml:"secrets"`
	Schedules map[string]Schedule `yaml:"schedules"`
	Network   bundle.Network      `yaml:"network"`
}

// Function is what is said of one function.
type Function struct {
	Description string   `yaml:"description"`
	Timeout     Duration `yaml:"timeout"`
	Concurrency int      `yaml:"concurrency"`
	Rate        Rate     `yaml:"rate"`
	Retries     *int     `yaml:"retries"`
	MaxAge      Duration `yaml:"max-age"`
	OnSuccess   string   `yaml:"on-success"`
	OnFailure   string   `yaml:"on-failure"`
}

// Type is what is said of one object type.
type Type struct {
	Description string `yaml:"description"`
	Concurrency int    `yaml:"concurrency"`
	Rate        Rate   `yaml:"rate"`
	MaxMailbox  int    `yaml:"max-mailbox"`
	MaxState    Bytes  `yaml:"max-state"`
}

// Limits bound each worker process.
type Limits struct {
	Memory     Bytes    `yaml:"memory"`
	CPU        float64  `yaml:"cpu"`
	Files      int      `yaml:"files"`
	Processes  int      `yaml:"processes"`
	Disk       Bytes    `yaml:"disk"`
	Timeout    Duration `yaml:"timeout"`
	Workers    int      `yaml:"workers"`
	MinWorkers int      `yaml:"min-workers"`
	Idle       Duration `yaml:"idle"`
}

// Schedule calls a function or a method at times.
type Schedule struct {
	Cron     string          `yaml:"cron"`
	Every    Duration        `yaml:"every"`
	TimeZone string          `yaml:"time-zone"`
	Function string          `yaml:"function"`
	Object   string          `yaml:"object"`
	Method   string          `yaml:"method"`
	Input    json.RawMessage `yaml:"input"`
}

// Load reads the project in a directory, and guesses what its file does not
// say. The error is of kind fault.Invalid, and says all that is wrong with it.
func Load(dir string) (*Project, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Invalid, "", "", "%s: there is no such directory; `situ new %s` makes one with an example", dir, filepath.Base(dir))
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, "project", dir, err)
	case !info.IsDir():
		return nil, fault.New(fault.Invalid, "", "", "%s: it is a file: give the directory that it is in", dir)
	}
	p := &Project{Dir: dir}
	file := filepath.Join(dir, Name)
	b, err := os.ReadFile(file)
	if err == nil {
		p.File = file
		if err := strict.Decode(b, file, &p.Settings); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Invalid, "project", file, err)
	}
	if err := p.guess(); err != nil {
		return nil, err
	}
	return p, p.check()
}

// guess fills in name, kind and handler.
func (p *Project) guess() error {
	if p.Name == "" {
		abs, err := filepath.Abs(p.Dir)
		if err != nil {
			return fault.Wrap(fault.Invalid, "project", p.Dir, err)
		}
		p.Name = asName(filepath.Base(abs))
	}
	if p.Kind == "" {
		if p.Kind = p.looksLike(); p.Kind == "" {
			return p.bad("it cannot be seen what this is: there are no Go files, no bootstrap, no index.mjs, index.js, handler.py or main.py; say it with `kind:` in %s", Name)
		}
	}
	if !slices.Contains(bundle.Kinds, p.Kind) {
		return p.bad("kind: there is no kind %q%s", p.Kind, maybe(string(p.Kind), bundle.Kinds))
	}
	if p.Handler == "" && (p.Kind == bundle.Node || p.Kind == bundle.Python) {
		for _, f := range starts[p.Kind] {
			if p.has(f) {
				p.Handler = strings.TrimSuffix(f, path.Ext(f)) + ".handler"
				break
			}
		}
		if p.Handler == "" {
			return p.bad("handler: it is not said, and there is none of %s: write it as FILE.EXPORT, like index.handler", strings.Join(starts[p.Kind], ", "))
		}
	}
	return nil
}

// starts are the files that usually hold the handler.
var starts = map[bundle.Kind][]string{
	bundle.Node:   {"index.mjs", "index.js", "index.cjs"},
	bundle.Python: {"handler.py", "lambda_function.py", "main.py", "app.py"},
}

// looksLike returns the kind of what is in the directory, "" if it is none.
func (p *Project) looksLike() bundle.Kind {
	if goFiles, err := filepath.Glob(filepath.Join(p.Dir, filepath.FromSlash(p.Source), "*.go")); err == nil && len(goFiles) > 0 {
		return bundle.Go
	}
	if strings.HasSuffix(p.Program, ".zip") || path.Base(p.Program) == "bootstrap" || p.has("bootstrap") {
		return bundle.Lambda
	}
	if p.Program != "" {
		return bundle.Binary
	}
	for _, k := range []bundle.Kind{bundle.Node, bundle.Python} {
		if slices.ContainsFunc(starts[k], p.has) || p.Handler == "" && k == bundle.Node && p.has("package.json") {
			return k
		}
	}
	return ""
}

// has reports whether the source has a file of that name.
func (p *Project) has(name string) bool {
	info, err := os.Stat(filepath.Join(p.Dir, filepath.FromSlash(p.Source), name))
	return err == nil && info.Mode().IsRegular()
}

var notName = regexp.MustCompile(`[^a-z0-9_.-]+`)

// asName makes the name of a deployment of a directory's.
func asName(s string) string {
	return strings.Trim(notName.ReplaceAllString(strings.ToLower(s), "-"), "-_.")
}

func maybe[T ~string](name string, known []T) string {
	var all []string
	for _, k := range known {
		all = append(all, string(k))
	}
	if hint := near.Name(name, all); hint != "" {
		return "; did you mean " + hint + "?"
	}
	return "; there is " + strings.Join(all, ", ")
}

// Where is what messages about the project begin with: its file, or its
// directory if it has none.
func (p *Project) Where() string {
	if p.File == "" {
		return p.Dir
	}
	return p.File
}

// always are files that are never part of what is deployed.
var always = []string{Name, ".*", "__pycache__/", "*.pyc", "*~", "node_modules/.cache/", "node_modules/.package-lock.json"}

// Skips reports whether a file or directory of the source stays here, by the
// patterns of ignore: a pattern with a slash is for the path, others for names at any
// depth; one that ends with a slash is for directories.
func (p *Project) Skips(name string, dir bool) bool {
	for _, pattern := range slices.Concat(always, p.Ignore) {
		only := strings.HasSuffix(pattern, "/")
		pattern = strings.TrimSuffix(pattern, "/")
		of := name
		if !strings.Contains(pattern, "/") {
			of = path.Base(name)
		}
		// The link to programs of packages is kept: some packages call them.
		if ok, err := path.Match(pattern, of); err == nil && ok && (dir || !only) && name != "node_modules/.bin" {
			return true
		}
	}
	return false
}

// bad is the error of a project: a line.
func (p *Project) bad(format string, args ...any) error {
	return fault.New(fault.Invalid, "", "", "%s: %s", p.Where(), fmt.Sprintf(format, args...))
}

// check returns all that is wrong with the settings together.
func (p *Project) check() error {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, p.bad(format, args...).Error()) }
	for _, dir := range []struct{ what, v string }{{"source", p.Source}, {"program", p.Program}} {
		if dir.v != "" && (filepath.IsAbs(dir.v) || !filepath.IsLocal(filepath.FromSlash(dir.v))) {
			bad("%s: %q is not in the project: write it relative to %s", dir.what, dir.v, Name)
		}
	}
	for _, pattern := range p.Ignore {
		if _, err := path.Match(pattern, "x"); err != nil {
			bad("ignore: %q is no pattern", pattern)
		}
	}
	component := p.Kind.Component()
	if !component && len(p.Types) > 0 {
		bad("types: a project of kind %s has no object types", p.Kind)
	}
	for name := range p.Functions {
		if !component && name != p.Name {
			bad("functions.%s: a project of kind %s is one function, named %s", name, p.Kind, p.Name)
		}
	}
	l := p.Limits
	for what, n := range map[string]float64{"memory": float64(l.Memory), "cpu": l.CPU, "files": float64(l.Files), "processes": float64(l.Processes), "workers": float64(l.Workers), "min-workers": float64(l.MinWorkers)} {
		if n < 0 {
			bad("limits.%s: it is less than none", what)
		}
	}
	if l.Memory > 0 && l.Memory < 16<<20 {
		bad("limits.memory: it is %d bytes, and no program runs in less than 16MiB", l.Memory)
	}
	if l.MinWorkers > l.Workers && l.Workers > 0 {
		bad("limits.min-workers: it is %d, and workers is %d", l.MinWorkers, l.Workers)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Schedules)) {
		if err := p.Schedules[name].check(); err != nil {
			bad("schedules.%s: %v", name, err)
		}
	}
	m := p.Manifest([]string{"x"})
	if err := m.Check(); err != nil {
		if e, ok := errors.AsType[*fault.Error](err); ok {
			err = errors.New(e.Msg)
		}
		bad("%v", err)
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fault.New(fault.Invalid, "", "", "%s", strings.Join(wrong, "\n"))
}

// check returns what is wrong with a schedule.
func (s Schedule) check() error {
	zone, err := time.LoadLocation(s.TimeZone)
	switch {
	case err != nil:
		return fmt.Errorf("there is no time zone %q: write it like Europe/Berlin", s.TimeZone)
	case (s.Cron == "") == (s.Every == 0):
		return errors.New("it is to have one of cron and every")
	case s.Every > 0 && (time.Duration(s.Every) < cron.MinEvery || time.Duration(s.Every)%time.Second != 0):
		return errors.New("every is to be whole seconds")
	case (s.Function == "") == (s.Object == ""):
		return errors.New("it is to have one of function and object")
	case s.Object != "" && (s.Method == "" || !strings.Contains(s.Object, "/")):
		return errors.New("an object is written as TYPE/KEY, and needs a method")
	}
	if s.Cron != "" {
		if _, err := cron.Parse(s.Cron, zone, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// Manifest returns the manifest of a bundle of the project whose program is
// started with command, which is not used where there is a handler.
func (p *Project) Manifest(command []string) bundle.Manifest {
	m := bundle.Manifest{Format: bundle.Format, Name: p.Name, Kind: p.Kind, Handler: p.Handler, Runtime: p.Runtime, Env: p.Env, Secrets: p.Secrets, Network: p.Network,
		Limits: bundle.Limits{Memory: int64(p.Limits.Memory), CPU: p.Limits.CPU, Files: p.Limits.Files, Processes: p.Limits.Processes, Disk: int64(p.Limits.Disk),
			TimeoutMS: p.Limits.Timeout.ms(), Workers: p.Limits.Workers, MinWorkers: p.Limits.MinWorkers, IdleMS: p.Limits.Idle.ms()}}
	if p.Kind.Component() || p.Kind == bundle.Lambda {
		m.Command = command
	}
	for name, f := range p.Functions {
		set(&m.Functions, name, bundle.Function{TimeoutMS: f.Timeout.ms(), Concurrency: f.Concurrency, RatePerS: float64(f.Rate), Retries: f.Retries,
			MaxAgeS: f.MaxAge.ms() / 1000, OnFailure: f.OnFailure, OnSuccess: f.OnSuccess, Description: f.Description})
	}
	for name, t := range p.Types {
		set(&m.Types, name, bundle.Type{Concurrency: t.Concurrency, RatePerS: float64(t.Rate), MaxMailbox: t.MaxMailbox, MaxState: int64(t.MaxState), Description: t.Description})
	}
	for name, s := range p.Schedules {
		set(&m.Schedules, name, bundle.Schedule{Cron: s.Cron, EveryMS: s.Every.ms(), TimeZone: s.TimeZone, Function: s.Function, Object: s.Object, Method: s.Method, Input: s.Input})
	}
	return m
}

func set[V any](m *map[string]V, name string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = v
}
