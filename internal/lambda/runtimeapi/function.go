package runtimeapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// The starts of functions that are no programs themselves.
var (
	//go:embed bootstrap.mjs
	nodeStart []byte
	//go:embed bootstrap.py
	pythonStart []byte
)

// Function says what runs: a directory with a program named bootstrap, or with a
// module of Node or Python that has a handler.
type Function struct {
	Name    string
	Dir     string
	Handler string        // FILE.EXPORT, for Node and Python; default index.handler
	Timeout time.Duration // of an invocation; default 1 minute
	Memory  int           // MB, that it is told it has; default 1024
	Most    int           // instances at once; default 8
	Env     []string      // more of its environment, as "NAME=value"
	Alone   bool          // Env is all that it gets, and nothing of this process's own
}

// Config is what the functions of a platform have in common.
type Config struct {
	Node     string        // program for those of Node; default "node"
	Python   string        // program for those of Python; default "python3"
	Scratch  string        // directory for the start of both, made if it is not there
	Endpoint string        // where functions find the Lambda API, as a URL
	Region   string        // default us-east-1
	Idle     time.Duration // after it an instance without work is ended; default 5 minutes
	Init     time.Duration // how long an instance may take until it asks for work; default 30 s
	Log      *slog.Logger
	Output   io.Writer // receives the lines that functions print; default: they are logged
}

func (c Config) withDefaults() Config {
	if c.Node == "" {
		c.Node = "node"
	}
	if c.Python == "" {
		c.Python = "python3"
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Idle == 0 {
		c.Idle = 5 * time.Minute
	}
	if c.Init == 0 {
		c.Init = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// command is how the instances of a function are started.
type command struct {
	path string
	args []string
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// prepare checks a function, fills in what it leaves open, and says how it is started.
func (c Config) prepare(f *Function) (command, error) {
	bad := func(format string, args ...any) (command, error) {
		return command{}, fault.New(fault.Invalid, "lambda", f.Name, format, args...)
	}
	if !nameForm.MatchString(f.Name) {
		return bad("a function's name has 1 to 64 letters, digits, '-' and '_'")
	}
	dir, err := filepath.Abs(f.Dir)
	if err != nil {
		return bad("%v", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return bad("there is no directory %s with its code", f.Dir)
	}
	f.Dir = dir
	if f.Timeout == 0 {
		f.Timeout = time.Minute
	}
	if f.Memory == 0 {
		f.Memory = 1024
	}
	if f.Most == 0 {
		f.Most = 8
	}
	if info, err := os.Stat(filepath.Join(dir, "bootstrap")); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return command{path: filepath.Join(dir, "bootstrap")}, nil
	}
	if f.Handler == "" {
		f.Handler = "index.handler"
	}
	file, _, ok := strings.Cut(filepath.Base(f.Handler), ".")
	if !ok || file == "" {
		return bad("the handler %q is not FILE.EXPORT, like index.handler", f.Handler)
	}
	has := func(end string) bool {
		_, err := os.Stat(filepath.Join(dir, filepath.Dir(f.Handler), file+end))
		return err == nil
	}
	switch {
	case has(".mjs"), has(".js"), has(".cjs"):
		return c.node(f)
	case has(".py"):
		return c.python(f)
	}
	return bad("%s has neither a program named bootstrap nor a module %s.mjs, .js, .cjs or .py", f.Dir, file)
}

// node finds Node, and lays the start of its functions ready.
func (c Config) node(f *Function) (command, error) {
	node, out, err := version(f, "Node 22", c.Node, "--version")
	if err != nil {
		return command{}, err
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(out, "v"), ".")
	if n, bad := strconv.Atoi(major); bad != nil || n < 22 {
		return command{}, fault.New(fault.Invalid, "lambda", f.Name, "it needs Node 22 or newer, and %s is %q: install a newer one, or say where it is with --lambda-node", node, out)
	}
	return c.start(f, node, nil, "bootstrap.mjs", nodeStart)
}

// python finds Python, and lays the start of its functions ready.
func (c Config) python(f *Function) (command, error) {
	// What is in PATH may be a script that finds one: who it found says so itself.
	python, out, err := version(f, "Python 3.8", c.Python, "-c", `import sys; print("Python %d.%d" % sys.version_info[:2] + "\n" + sys.executable)`)
	if err != nil {
		return command{}, err
	}
	out, real, _ := strings.Cut(out, "\n")
	if filepath.IsAbs(real) {
		python = real
	}
	var major, minor int
	if _, err := fmt.Sscanf(out, "Python %d.%d", &major, &minor); err != nil || major != 3 || minor < 8 {
		return command{}, fault.New(fault.Invalid, "lambda", f.Name, "it needs Python 3.8 or newer, and %s is %q: install a newer one", python, out)
	}
	// Its output comes at once, and it writes nothing beside the code.
	return c.start(f, python, []string{"-u", "-B"}, "bootstrap.py", pythonStart)
}

// version finds a program, and returns what it prints with args about itself.
func version(f *Function, needs, program string, args ...string) (path, out string, err error) {
	path, err = exec.LookPath(program)
	if err != nil {
		return "", "", fault.New(fault.Invalid, "lambda", f.Name, "it needs %s or newer, and there is no program %q: install it, or say where it is (--lambda-node, --lambda-python)", needs, program)
	}
	b, err := exec.Command(path, args...).Output()
	if err != nil {
		return "", "", fault.New(fault.Invalid, "lambda", f.Name, "it needs %s or newer, and %s cannot tell its version: %v", needs, path, err)
	}
	path, err = filepath.Abs(path) // a function runs in its own directory
	return path, strings.TrimSpace(string(b)), fault.Wrap(fault.Invalid, "lambda", f.Name, err)
}

// start writes the start of a language's functions, and returns the command
// that runs it.
func (c Config) start(f *Function, program string, args []string, name string, text []byte) (command, error) {
	path, err := filepath.Abs(filepath.Join(c.Scratch, name))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	return command{path: program, args: append(args, path)}, fault.Wrap(fault.Invalid, "lambda", f.Name, err)
}

// env is the environment of an instance that listens at addr.
func (c Config) env(f *Function, addr string) []string {
	return append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + addr,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.Memory),
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=situ",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_EXECUTION_ENV=Situ",
		"_HANDLER=" + f.Handler,
		"LAMBDA_TASK_ROOT=" + f.Dir,
		"TZ=:UTC",
		"AWS_REGION=" + c.Region,
		"AWS_DEFAULT_REGION=" + c.Region,
		"AWS_ACCESS_KEY_ID=situ", // clients sign, whether or not anybody looks
		"AWS_SECRET_ACCESS_KEY=situ",
		"AWS_ENDPOINT_URL_LAMBDA=" + c.Endpoint,
	}, f.Env...)
}

// failure is an error of the platform's about an invocation, as a function's.
func failure(typ, format string, args ...any) Result {
	b, err := json.Marshal(map[string]string{"errorType": typ, "errorMessage": fmt.Sprintf(format, args...)})
	if err != nil {
		b = []byte(`{"errorType":"Unhandled"}`)
	}
	return Result{Failed: true, Payload: b}
}
