package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
)

// Format is the version of the manifest's form that is written.
const Format = 1

// ManifestName is the name of the manifest, in an archive and at rest.
const ManifestName = "bundle.json"

// maxManifest bounds a manifest, in bytes.
const maxManifest = 1 << 20

// Kind says how a bundle is run. The names are durable.
type Kind string

// The kinds.
const (
	Go     Kind = "go"     // a program that calls situ.Main, built from its source
	Binary Kind = "binary" // such a program that was built elsewhere
	Lambda Kind = "lambda" // a program named bootstrap that speaks the Runtime API of AWS Lambda
	Node   Kind = "node"   // a module of Node that exports a handler
	Python Kind = "python" // a module of Python with a handler
)

// Kinds are all kinds.
var Kinds = []Kind{Go, Binary, Lambda, Node, Python}

// Component reports whether the program links the SDK, and says itself which
// types and functions it has. Others are one function each.
func (k Kind) Component() bool { return k == Go || k == Binary }

// Manifest says what a bundle holds and how it is to be run. It is part of the
// content that names the bundle, so it holds no time and no machine.
type Manifest struct {
	Format int    `json:"format"`
	Name   string `json:"name"` // of the deployment
	Kind   Kind   `json:"kind"`
	// Command is the program, as a path within the bundle with forward slashes,
	// and its arguments. It is empty for Node and Python: who runs the bundle
	// knows where those are.
	Command []string `json:"command,omitempty"`
	// Handler is FILE.EXPORT for Node and Python, as Lambda writes it.
	Handler string `json:"handler,omitempty"`
	Runtime string `json:"runtime,omitempty"` // version of the language that is needed, as "22"; "" is any

	Functions map[string]Function `json:"functions,omitempty"` // what is said of single ones, by name
	Types     map[string]Type     `json:"types,omitempty"`     // the same of object types
	Limits    Limits              `json:"limits,omitzero"`     // of each worker process
	Env       map[string]string   `json:"env,omitempty"`       // of each worker process
	Secrets   map[string]string   `json:"secrets,omitempty"`   // variable of the environment → name of the secret
	Schedules map[string]Schedule `json:"schedules,omitempty"` // by name
	Network   Network             `json:"network,omitempty"`
}

// Function is what a deployment says of one function. Zero is the default of
// the platform.
type Function struct {
	TimeoutMS   int64   `json:"timeout_ms,omitempty"`  // of one call, in milliseconds
	Concurrency int     `json:"concurrency,omitempty"` // calls at once
	RatePerS    float64 `json:"rate_per_s,omitempty"`  // calls a second
	Retries     *int    `json:"retries,omitempty"`     // after a failed run; nil is the default
	MaxAgeS     int64   `json:"max_age_s,omitempty"`   // of an asynchronous call, in seconds
	OnFailure   string  `json:"on_failure,omitempty"`  // function that is told
	OnSuccess   string  `json:"on_success,omitempty"`  // function that is told
	Description string  `json:"description,omitempty"`
}

// Type is what a deployment says of one object type.
type Type struct {
	Concurrency int     `json:"concurrency,omitempty"` // objects of it that take turns at once
	RatePerS    float64 `json:"rate_per_s,omitempty"`  // calls a second, of all its objects
	MaxMailbox  int     `json:"max_mailbox,omitempty"` // messages that wait for one object
	MaxState    int64   `json:"max_state,omitempty"`   // bytes of one object
	Description string  `json:"description,omitempty"`
}

// Limits bound one worker process. Zero is the default of the platform.
type Limits struct {
	Memory     int64   `json:"memory,omitempty"`      // bytes
	CPU        float64 `json:"cpu,omitempty"`         // processors
	Files      int     `json:"files,omitempty"`       // open at once
	Processes  int     `json:"processes,omitempty"`   // and threads
	TimeoutMS  int64   `json:"timeout_ms,omitempty"`  // of one call, in milliseconds
	Workers    int     `json:"workers,omitempty"`     // processes at once, at most
	MinWorkers int     `json:"min_workers,omitempty"` // processes that are kept warm
	IdleMS     int64   `json:"idle_ms,omitempty"`     // without work, before a worker is ended
	Disk       int64   `json:"disk,omitempty"`        // bytes of one file that it writes
}

// Schedule calls a function or a method at times.
type Schedule struct {
	Cron     string          `json:"cron,omitempty"`     // one of the two
	EveryMS  int64           `json:"every_ms,omitempty"` // in milliseconds
	TimeZone string          `json:"time_zone,omitempty"`
	Function string          `json:"function,omitempty"` // one of the two
	Object   string          `json:"object,omitempty"`   // TYPE/KEY
	Method   string          `json:"method,omitempty"`   // with Object
	Input    json.RawMessage `json:"input,omitempty"`
}

// Network says whom a worker may connect to.
type Network string

// The policies. "" is the platform's default.
const (
	NetworkAllow Network = "allow"
	NetworkDeny  Network = "deny" // nobody but the platform
)

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9_.-]{0,62}[a-z0-9])?$`)

// CheckName returns why name cannot be that of a deployment, nil if it can.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fault.New(fault.Invalid, "bundle", "", "the name of a deployment is %q: it is to have 1 to 64 small letters, digits, '-', '_' and '.', and begin and end with a letter or digit", cut(name))
	}
	if strings.HasPrefix(name, "situ.") || name == "situ" {
		return fault.New(fault.Invalid, "bundle", "", "the name of a deployment is %q: names that begin with situ are the platform's own", name)
	}
	return nil
}

var envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Check returns what is wrong with a manifest, nil if nothing is. It is of kind
// fault.Invalid.
func (m *Manifest) Check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "bundle", m.Name, format, args...)
	}
	if m.Format != Format {
		return bad("the manifest has format %d, and this version of situ knows %d: use a newer one", m.Format, Format)
	}
	if err := CheckName(m.Name); err != nil {
		return err
	}
	switch m.Kind {
	case Go, Binary, Lambda:
		if len(m.Command) == 0 {
			return bad("its manifest has no command: a bundle of kind %s needs one", m.Kind)
		}
		if err := checkPath(m.Command[0]); err != nil {
			return bad("its command %q: %v", cut(m.Command[0]), err)
		}
	case Node, Python:
		if len(m.Command) != 0 {
			return bad("its manifest has a command: a bundle of kind %s has a handler instead", m.Kind)
		}
		if err := checkHandler(m.Handler); err != nil {
			return bad("%v", err)
		}
	default:
		return bad("its kind is %q: there is %s", cut(string(m.Kind)), kinds())
	}
	if m.Network != "" && m.Network != NetworkAllow && m.Network != NetworkDeny {
		return bad("its network policy is %q: it is to be allow or deny", cut(string(m.Network)))
	}
	return m.checkEnv(bad)
}

// checkEnv looks at the environment: what the platform sets itself is not to be
// set by a bundle.
func (m *Manifest) checkEnv(bad func(string, ...any) error) error {
	all := slices.Concat(slices.Sorted(maps.Keys(m.Env)), slices.Sorted(maps.Keys(m.Secrets)))
	for _, name := range all {
		_, plain := m.Env[name]
		_, secret := m.Secrets[name]
		switch {
		case !envForm.MatchString(name):
			return bad("a variable of its environment is named %q: it is to have letters, digits and '_'", cut(name))
		case strings.HasPrefix(name, "SITU_"), name == "AWS_LAMBDA_RUNTIME_API", name == "_HANDLER", name == "LAMBDA_TASK_ROOT", strings.HasPrefix(name, "LD_"):
			return bad("the variable %s of its environment is the platform's: give it another name", name)
		case plain && secret:
			return bad("the variable %s of its environment is given twice: as a value and as a secret", name)
		case strings.ContainsRune(m.Env[name], 0):
			return bad("the variable %s of its environment has a zero byte", name)
		}
	}
	return nil
}

func checkHandler(h string) error {
	file, export, ok := strings.Cut(path.Base(h), ".")
	if !ok || file == "" || export == "" {
		return errors.New("its handler is " + quote(h) + ": it is to be FILE.EXPORT, like index.handler")
	}
	if err := checkPath(h); err != nil {
		return errors.New("its handler is " + quote(h) + ": " + err.Error())
	}
	return nil
}

// HandlerFiles returns the files that may hold the handler: one of them is to be
// there. It is nil if there is a command.
func (m *Manifest) HandlerFiles() []string {
	file, _, _ := strings.Cut(path.Base(m.Handler), ".")
	file = path.Join(path.Dir(m.Handler), file)
	switch m.Kind {
	case Node:
		return []string{file + ".mjs", file + ".js", file + ".cjs"}
	case Python:
		return []string{file + ".py"}
	}
	return nil
}

// encode returns the manifest as it rests: the same bytes for the same content.
func (m *Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fault.Wrap(fault.Invalid, "bundle", m.Name, err)
	}
	return b.Bytes(), nil
}

// DecodeManifest reads a manifest and checks it. The error is of kind
// fault.Invalid.
func DecodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fault.New(fault.Invalid, "bundle", ManifestName, "the manifest cannot be read: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Manifest{}, fault.New(fault.Invalid, "bundle", ManifestName, "something follows the manifest's end")
	}
	return m, m.Check()
}

func kinds() string {
	var all []string
	for _, k := range Kinds {
		all = append(all, string(k))
	}
	return strings.Join(all, ", ")
}
