// Package adapter makes a worker of what does not link the SDK: a program, a
// module of Node or one of Python that speaks the Runtime API of AWS Lambda. The
// worker is this binary in another role. It hosts one function, which hands each
// call to a runtime that it started.
//
// So the engine knows one kind of worker, and versions, weights, limits and
// isolation are the same for all bundles. It also says how a bundle of any kind is
// started. It knows no engine, and nothing of versions.
package adapter

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/lambda/runtimeapi"
	"github.com/situ-dev/situ/internal/sandbox"
)

// env is the variable that makes this binary an adapter: it holds a spec.
const env = "SITU_ADAPTER"

// Launch is how the worker of a bundle is started.
type Launch struct {
	Path string   // of the program, absolute
	Args []string // that follow its name
	Dir  string   // where it runs
	Env  []string // as NAME=value, with what the manifest says; secrets are not in it
	// Reads are other files and directories than the bundle's that it needs
	// besides what any program does, as the interpreter.
	Reads []string
}

// Config says where things are. Zero values have defaults.
type Config struct {
	Self   string // this binary; default is what the kernel says
	Node   string // default "node"
	Python string // default "python3"
}

// spec is what an adapter is told.
type spec struct {
	Name    string        `json:"name"`
	Dir     string        `json:"dir"`
	Version string        `json:"version"`
	Handler string        `json:"handler,omitempty"`
	Timeout time.Duration `json:"timeout"` // nanoseconds
	Memory  int           `json:"memory"`  // MB
	Most    int           `json:"most"`    // instances
	Config  Config        `json:"config"`
}

// Of returns how the worker of a bundle is started. The error is of kind
// fault.Invalid if what it needs is not on this machine.
func Of(b bundle.Bundle, cfg Config) (Launch, error) {
	l := Launch{Dir: b.Dir}
	for _, name := range sorted(b.Manifest.Env) {
		l.Env = append(l.Env, name+"="+b.Manifest.Env[name])
	}
	if b.Manifest.Kind.Component() {
		l.Path, l.Args = filepath.Join(b.Dir, filepath.FromSlash(b.Manifest.Command[0])), b.Manifest.Command[1:]
		return l, nil
	}
	var err error
	if l.Path = cfg.Self; l.Path == "" {
		if l.Path, err = os.Executable(); err != nil {
			return Launch{}, fault.Wrap(fault.Internal, "launch", b.String(), err)
		}
	}
	m := b.Manifest
	s := spec{Name: m.Name, Dir: b.Dir, Version: b.Short(), Handler: m.Handler, Config: cfg,
		Timeout: time.Duration(cmp.Or(m.Functions[m.Name].TimeoutMS, m.Limits.TimeoutMS, 60_000)) * time.Millisecond,
		Memory:  int(cmp.Or(m.Limits.Memory, 1<<30) >> 20), Most: cmp.Or(m.Functions[m.Name].Concurrency, 8)}
	if p := map[bundle.Kind]*string{bundle.Node: &s.Config.Node, bundle.Python: &s.Config.Python}[m.Kind]; p != nil {
		if *p, err = interpreter(m.Kind, *p); err != nil {
			return Launch{}, err
		}
		l.Reads = append(l.Reads, *p)
		if home := filepath.Dir(filepath.Dir(*p)); home != "/" {
			l.Reads = append(l.Reads, home) // its library
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return Launch{}, fault.Wrap(fault.Internal, "launch", b.String(), err)
	}
	l.Env = append(l.Env, env+"="+string(text))
	return l, nil
}

// Sandbox returns what walls the worker of the bundle has. Secrets are more of its
// environment, as NAME=value.
func (l Launch) Sandbox(b bundle.Bundle, secrets []string) sandbox.Spec {
	limits := b.Manifest.Limits
	return sandbox.Spec{ID: b.ID, Root: b.Dir, Reads: l.Reads, Env: slices.Concat(l.Env, secrets), NoNet: b.Manifest.Network == bundle.NetworkDeny,
		Limits: sandbox.Limits{Memory: limits.Memory, Files: limits.Files, Processes: limits.Processes, Disk: limits.Disk}}
}

// interpreter returns the program of a language, with no script between.
func interpreter(k bundle.Kind, name string) (string, error) {
	name = cmp.Or(name, map[bundle.Kind]string{bundle.Node: "node", bundle.Python: "python3"}[k])
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fault.New(fault.Invalid, "launch", name, "a bundle of kind %s needs it, and it is not on this machine: install it", k)
	}
	tell := map[bundle.Kind][]string{bundle.Node: {"-p", "process.execPath"}, bundle.Python: {"-c", "import sys; print(sys.executable)"}}[k]
	out, err := exec.Command(path, tell...).Output()
	if real := strings.TrimSpace(string(out)); err == nil && filepath.IsAbs(real) {
		return real, nil
	}
	return "", fault.New(fault.Invalid, "launch", path, "a bundle of kind %s needs it, and it does not say where it is: %v", k, err)
}

func sorted(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Serve makes this process an adapter if it is to be one, and then does not
// return. It is called first in main.
func Serve() {
	text := os.Getenv(env)
	if text == "" {
		return
	}
	fn, closed, err := open([]byte(text))
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "situ:", err) // nobody to tell
		os.Exit(fault.KindOf(err).Exit())
	}
	defer closed() // never: the processes end with this one
	situ.Main(fn)
}

// open starts the host of a function and returns it as a component.
func open(text []byte) (situ.Component, func(), error) {
	var s spec
	if err := json.Unmarshal(text, &s); err != nil {
		return situ.Component{}, nil, fault.New(fault.Invalid, "adapter", "", "%s: %v", env, err)
	}
	scratch, err := os.MkdirTemp("", "situ-")
	if err != nil {
		return situ.Component{}, nil, fault.Wrap(fault.Unavailable, "adapter", s.Name, err)
	}
	h, err := runtimeapi.NewHost(runtimeapi.Function{Name: awsName(s.Name), Dir: s.Dir, Handler: s.Handler, Timeout: s.Timeout, Memory: s.Memory,
		Most: s.Most, Env: own(os.Environ()), Alone: true},
		runtimeapi.Config{Node: s.Config.Node, Python: s.Config.Python, Scratch: scratch, Output: os.Stderr, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil))})
	if err != nil {
		return situ.Component{}, nil, err
	}
	a := &adapter{spec: s, host: h}
	fn := situ.NewFunc[json.RawMessage, json.RawMessage](s.Name, situ.Timeout(s.Timeout+grace), situ.Retries(situ.Retry{On: lost}))
	return situ.Function(fn, a.call), func() { h.Close(); _ = os.RemoveAll(scratch) }, nil
}

// grace is how much longer than the function's a call may take: for the start of
// an instance, and the wait for one.
const grace = 30 * time.Second

// lost are the errors that are not the function's own answers: the call is made
// again, as policy says.
var lost = []string{"Runtime.ExitError", "Runtime.NoAnswer", "Sandbox.Timedout", "Runtime.TruncatedResponse"}

// awsName is the name by which the function knows itself: Lambda has no dots in
// it.
func awsName(s string) string { return strings.ReplaceAll(s, ".", "-") }

// own returns what of this process's environment is the bundle's.
func own(all []string) (kept []string) {
	for _, v := range all {
		if !strings.HasPrefix(v, "SITU_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// adapter runs one function.
type adapter struct {
	spec spec
	host *runtimeapi.Host
}

// call hands one call to an instance. A failure has the code that the runtime
// gave it.
func (a *adapter) call(t *situ.Turn, in json.RawMessage) (json.RawMessage, error) {
	return a.invoke(t, in)
}

func (a *adapter) invoke(ctx context.Context, in json.RawMessage) (json.RawMessage, error) {
	if len(in) == 0 {
		in = json.RawMessage("null")
	}
	res, err := a.host.Invoke(ctx, runtimeapi.Event{Payload: in, Request: requestID(),
		ARN: "arn:aws:lambda:us-east-1:000000000000:function:" + awsName(a.spec.Name) + ":" + a.spec.Version})
	if err != nil {
		return nil, err
	}
	if res.Failed {
		return nil, failure(res.Payload)
	}
	if !json.Valid(res.Payload) {
		return nil, situ.Errorf("Runtime.InvalidResponse", "the function answered with what is no JSON: %.200q", res.Payload)
	}
	return res.Payload, nil
}

// failure is the error that a function answered with.
func failure(body []byte) error {
	var e struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(body, &e) != nil || e.Type == "" {
		e.Type = "Unhandled"
	}
	if e.Message == "" {
		e.Message = string(body)
	}
	return situ.Errorf(e.Type, "%s", e.Message)
}

func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
