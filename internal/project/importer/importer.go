// Package importer makes situ.yaml of what describes functions for another
// platform: an AWS SAM template, a serverless.yml, or a function.yaml of nuclio.
// What it cannot map it says, with its place: nothing is left out silently. It
// reads text and returns text.
package importer

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
)

// Function is one deployment.
type Function struct {
	Dir  string `json:"dir"`  // where its situ.yaml belongs, relative to the file
	YAML string `json:"yaml"` // the text
}

// Result is what came of a file.
type Result struct {
	Functions []Function `json:"functions"`
	Left      []string   `json:"left"` // what was not mapped, as file:line: path: why
}

// file is a situ.yaml, in the order in which it is written.
type file struct {
	Name      string              `yaml:"name"`
	Kind      string              `yaml:"kind"`
	Handler   string              `yaml:"handler,omitempty"`
	Runtime   string              `yaml:"runtime,omitempty"`
	Functions map[string]function `yaml:"functions,omitempty"`
	Limits    *limits             `yaml:"limits,omitempty"`
	Env       map[string]string   `yaml:"env,omitempty"`
	Schedules map[string]schedule `yaml:"schedules,omitempty"`
}

type function struct {
	Description string `yaml:"description,omitempty"`
	Timeout     string `yaml:"timeout,omitempty"`
	Concurrency int    `yaml:"concurrency,omitempty"`
	Retries     *int   `yaml:"retries,omitempty"`
	MaxAge      string `yaml:"max-age,omitempty"`
}

type limits struct {
	Memory     string  `yaml:"memory,omitempty"`
	CPU        float64 `yaml:"cpu,omitempty"`
	Workers    int     `yaml:"workers,omitempty"`
	MinWorkers int     `yaml:"min-workers,omitempty"`
}

type schedule struct {
	Cron     string `yaml:"cron,omitempty"`
	Every    string `yaml:"every,omitempty"`
	Function string `yaml:"function"`
}

// formats are what can be read.
var formats = map[string]func(*reader, *yaml.Node){"sam": sam, "serverless": serverless, "nuclio": nuclio}

// Formats returns the names of the formats, in order.
func Formats() []string { return []string{"sam", "nuclio", "serverless"} }

// Read reads a file of that format. The error is of kind fault.Invalid if it is
// no such file.
func Read(format, name string, text []byte) (*Result, error) {
	read := formats[format]
	if read == nil {
		if hint := near.Name(format, Formats()); hint != "" {
			return nil, fault.New(fault.Invalid, "", "", "there is no format %q; did you mean %s?", format, hint)
		}
		return nil, fault.New(fault.Invalid, "", "", "there is no format %q; there is %s", format, strings.Join(Formats(), ", "))
	}
	var docs []yaml.Node
	if err := yaml.Load(text, &docs, yaml.WithAllDocuments()); err != nil {
		return nil, fault.New(fault.Invalid, "", "", "%s: it is no YAML: %v", name, err)
	}
	if len(docs) == 0 {
		return nil, fault.New(fault.Invalid, "", "", "%s: it is empty", name)
	}
	top := &docs[0]
	if top.Kind == yaml.DocumentNode && len(top.Content) == 1 {
		top = top.Content[0]
	}
	r := &reader{name: name, used: map[*yaml.Node]bool{}}
	read(r, top)
	if len(r.files) == 0 {
		return nil, fault.New(fault.Invalid, "", "", "%s: there is no function of %s in it%s", name, format, because(r.left))
	}
	r.rest(top, "")
	return r.result()
}

func because(left []string) string {
	if len(left) == 0 {
		return ""
	}
	return ": " + left[0]
}

// reader reads one file, and remembers what of it was used.
type reader struct {
	name  string
	used  map[*yaml.Node]bool
	files []placed
	left  []string
}

type placed struct {
	dir string
	f   file
}

// leave says that something was not mapped.
func (r *reader) leave(n *yaml.Node, p, format string, args ...any) {
	r.left = append(r.left, fmt.Sprintf("%s:%d: %s: %s", r.name, n.Line, p, fmt.Sprintf(format, args...)))
	r.use(n)
}

// use marks all of n as dealt with.
func (r *reader) use(n *yaml.Node) {
	r.used[n] = true
	for _, c := range n.Content {
		if c != n && !r.used[c] {
			r.use(c)
		}
	}
}

// rest says what nobody used: the highest of each branch.
func (r *reader) rest(n *yaml.Node, p string) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(p+"."+key.Value, ".")
		switch {
		case r.used[val]:
		case r.some(val):
			r.rest(val, at)
		default:
			r.leave(key, at, "it has no counterpart here")
		}
	}
}

// some reports whether something below n was used.
func (r *reader) some(n *yaml.Node) bool {
	return slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Kind != yaml.AliasNode && (r.used[c] || r.some(c)) })
}

// at returns what is below n at a path of keys, nil if it is not there.
func at(n *yaml.Node, keys ...string) *yaml.Node {
	for _, k := range keys {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var found *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == k {
				found = n.Content[i+1]
			}
		}
		n = found
	}
	return n
}

// each calls f for each pair of a mapping.
func each(n *yaml.Node, f func(key, val *yaml.Node)) {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		f(n.Content[i], n.Content[i+1])
	}
}

// text returns a plain value. One that is worked out elsewhere, as by !Ref or
// ${self:...}, is left.
func (r *reader) text(n *yaml.Node, p string) string {
	switch {
	case n == nil:
		return ""
	case n.Kind != yaml.ScalarNode || strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") || strings.Contains(n.Value, "${"):
		if !r.used[n] {
			r.leave(n, p, "it is worked out when it is deployed there: write its value")
		}
		return ""
	}
	r.used[n] = true
	return n.Value
}

// number returns a whole number, 0 if it is not there.
func (r *reader) number(n *yaml.Node, p string) int {
	s := r.text(n, p)
	if s == "" {
		return 0
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < 0 {
		r.leave(n, p, "%q is no number", s)
	}
	return max(v, 0)
}

// vars adds variables of an environment.
func (r *reader) vars(n *yaml.Node, p string, f *file) {
	each(n, func(key, val *yaml.Node) {
		if v := r.text(val, p+"."+key.Value); v != "" || val.Kind == yaml.ScalarNode && val.Value == "" {
			f.env(key.Value, v)
			r.used[val] = true
		}
	})
}

func (f *file) env(name, value string) {
	if f.Env == nil {
		f.Env = map[string]string{}
	}
	f.Env[name] = value
}

// fn changes what is said of the function, which has the deployment's name.
func (f *file) fn(change func(*function)) {
	fn := f.Functions[f.Name]
	change(&fn)
	if fn != (function{}) {
		f.Functions = map[string]function{f.Name: fn}
	}
}

func (f *file) limit(change func(*limits)) {
	l := limits{}
	if f.Limits != nil {
		l = *f.Limits
	}
	change(&l)
	if l != (limits{}) {
		f.Limits = &l
	}
}

func (f *file) schedule(name string, s schedule) {
	if f.Schedules == nil {
		f.Schedules = map[string]schedule{}
	}
	s.Function = f.Name
	f.Schedules[name] = s
}

// runtime says what kind a runtime of Lambda is, and in which version.
func (r *reader) runtime(n *yaml.Node, p string, f *file) {
	s := r.text(n, p)
	switch {
	case strings.HasPrefix(s, "nodejs"):
		f.Kind, f.Runtime = "node", strings.TrimSuffix(strings.TrimPrefix(s, "nodejs"), ".x")
	case strings.HasPrefix(s, "python"):
		f.Kind, f.Runtime = "python", strings.TrimPrefix(strings.TrimPrefix(s, "python"), ":")
	case strings.HasPrefix(s, "provided"), s == "go1.x":
		f.Kind = "lambda"
	case n != nil && s != "":
		f.Kind, f.Runtime = "", "" // what holds for all others is not this one's
		r.leave(n, p, "there is no runtime for %s: only Node, Python, and programs named bootstrap", s)
	}
}

// aws reads the schedule of Amazon's events: rate(5 minutes), cron(0 3 * * ? *).
func (r *reader) aws(n *yaml.Node, p, name string, f *file) {
	s := r.text(n, p)
	inner := strings.TrimSuffix(s[strings.Index(s, "(")+1:], ")")
	switch fields := strings.Fields(inner); {
	case s == "":
	case strings.HasPrefix(s, "rate(") && len(fields) == 2:
		unit := map[string]string{"minute": "m", "hour": "h", "day": "d"}[strings.TrimSuffix(fields[1], "s")]
		if unit == "" {
			r.leave(n, p, "%q is no rate", s)
			return
		}
		f.schedule(name, schedule{Every: fields[0] + unit})
	case strings.HasPrefix(s, "cron(") && len(fields) == 6 && fields[5] == "*" && !strings.ContainsAny(fields[4], "0123456789L#") && !strings.ContainsAny(fields[2], "LW"):
		f.schedule(name, schedule{Cron: strings.ReplaceAll(strings.Join(fields[:5], " "), "?", "*")})
	default:
		r.leave(n, p, "the schedule %q says what a cron expression of ours cannot, or counts days of the week from 1: write it anew", s)
	}
}

// dirOf returns the directory of code, relative to the file.
func dirOf(uri string) string {
	return path.Clean(strings.TrimPrefix(uri, "./"))
}

// result writes what was read.
func (r *reader) result() (*Result, error) {
	res := &Result{Left: r.left}
	seen := map[string]string{}
	for _, p := range r.files {
		if p.f.Kind == "" {
			continue // its runtime was left
		}
		if other := seen[p.dir]; other != "" {
			res.Left = append(res.Left, fmt.Sprintf("%s: %s and %s have the same directory %s: a deployment has one of its own", r.name, other, p.f.Name, p.dir))
		}
		seen[p.dir] = p.f.Name
		b, err := yaml.Dump(&p.f, yaml.WithIndent(2))
		if err != nil {
			return nil, fault.Wrap(fault.Internal, "import", p.f.Name, err)
		}
		res.Functions = append(res.Functions, Function{Dir: p.dir, YAML: string(b)})
	}
	if len(res.Functions) == 0 {
		return nil, fault.New(fault.Invalid, "", "", "%s: none of its functions can run here%s", r.name, because(r.left))
	}
	return res, nil
}
