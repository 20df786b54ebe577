package runtimeapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
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

//go:embed bootstrap.mjs
var bootstrap []byte

// Function says what runs: a directory with a program named bootstrap, or with a
// module of Node that exports a handler.
type Function struct {
	Name    string
	Dir     string
	Handler string        // FILE.EXPORT, for Node; default index.handler
	Timeout time.Duration // of an invocation; default 1 minute
	Memory  int           // MB, that it is told it has; default 1024
	Most    int           // instances at once; default 8
	Env     []string      // more of its environment, as "NAME=value"
}

// Config is what the functions of a platform have in common.
type Config struct {
	Node     string        // program for those of Node; default "node"
	Scratch  string        // directory for the start of Node functions, made if it is not there
	Endpoint string        // where functions find the Lambda API, as a URL
	Region   string        // default us-east-1
	Idle     time.Duration // after it an instance without work is ended; default 5 minutes
	Init     time.Duration // how long an instance may take until it asks for work; default 30 s
	Log      *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Node == "" {
		c.Node = "node"
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
	found := false
	for _, end := range []string{".mjs", ".js", ".cjs"} {
		_, err := os.Stat(filepath.Join(dir, filepath.Dir(f.Handler), file+end))
		found = found || err == nil
	}
	if !found {
		return bad("%s has neither a program named bootstrap nor a module %s.mjs, .js or .cjs", f.Dir, file)
	}
	return c.node(f)
}

// node finds Node, and lays the start of its functions ready.
func (c Config) node(f *Function) (command, error) {
	node, err := exec.LookPath(c.Node)
	if err != nil {
		return command{}, fault.New(fault.Invalid, "lambda", f.Name, "it needs Node 22 or newer, and there is no program %q: install it, or say where it is with --lambda-node", c.Node)
	}
	out, err := exec.Command(node, "--version").Output()
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, bad := strconv.Atoi(major); err != nil || bad != nil || n < 22 {
		return command{}, fault.New(fault.Invalid, "lambda", f.Name, "it needs Node 22 or newer, and %s is %q: install a newer one, or say where it is with --lambda-node", node, strings.TrimSpace(string(out)))
	}
	// Absolute, both: a function runs in its own directory.
	node, err = filepath.Abs(node)
	if err != nil {
		return command{}, fault.Wrap(fault.Invalid, "lambda", f.Name, err)
	}
	path, err := filepath.Abs(filepath.Join(c.Scratch, "bootstrap.mjs"))
	if err != nil {
		return command{}, fault.Wrap(fault.Invalid, "lambda", f.Name, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return command{}, fault.Wrap(fault.Invalid, "lambda", f.Name, err)
	}
	if err := os.WriteFile(path, bootstrap, 0o644); err != nil {
		return command{}, fault.Wrap(fault.Invalid, "lambda", f.Name, err)
	}
	return command{path: node, args: []string{path}}, nil
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
