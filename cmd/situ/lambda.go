package main

import (
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/lambda"
	"github.com/situ-dev/situ/internal/lambda/execution"
	"github.com/situ-dev/situ/internal/lambda/runtimeapi"
)

// lambdaFlags say which functions of AWS Lambda run.
type lambdaFlags struct {
	listen, node       string
	python             string
	functions, durable []string
	timeout            time.Duration
	instances          int
}

func (o *lambdaFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.durable, "lambda-durable", nil, "`NAME=DIR[:FILE.EXPORT]`: a durable function of AWS Lambda; may be given more than once")
	f.StringArrayVar(&o.functions, "lambda-function", nil, "`NAME=DIR[:FILE.EXPORT]`: any other function of AWS Lambda")
	f.StringVar(&o.listen, "lambda", "127.0.0.1:8082", "`address` of the Lambda API, if there are such functions")
	f.DurationVar(&o.timeout, "lambda-timeout", time.Minute, "how long one invocation of such a function may run")
	f.IntVar(&o.instances, "lambda-instances", 8, "`processes` that one such function may have at once")
	f.StringVar(&o.node, "lambda-node", "node", "`program` that runs those of Node: Node 22 or newer")
	f.StringVar(&o.python, "lambda-python", "python3", "`program` that runs those of Python: Python 3.8 or newer")
}

// given reports whether there are such functions.
func (o *lambdaFlags) given() bool { return len(o.functions)+len(o.durable) > 0 }

// config returns what is to run, nil if nothing is.
func (o *lambdaFlags) config(data string, log *slog.Logger) (*lambda.Config, error) {
	if !o.given() {
		return nil, nil
	}
	if o.timeout <= 0 || o.timeout > 15*time.Minute {
		return nil, usage("--lambda-timeout is %v: it is to be more than 0, and 15 minutes at most", o.timeout)
	}
	if o.instances < 1 || o.instances > 1000 {
		return nil, usage("--lambda-instances is %d: it is to be 1 to 1000", o.instances)
	}
	cfg := &lambda.Config{Listen: o.listen, Dir: data, Node: o.node, Python: o.python, Log: log}
	seen := map[string]bool{}
	for i, spec := range append(o.durable[:len(o.durable):len(o.durable)], o.functions...) {
		name, dir, ok := strings.Cut(spec, "=")
		if !ok || name == "" || dir == "" {
			return nil, usage("%q does not say which function runs: write NAME=DIR or NAME=DIR:FILE.EXPORT", spec)
		}
		if seen[name] {
			return nil, usage("the function %s is given twice: each needs a name of its own", name)
		}
		seen[name] = true
		f := execution.Function{Durable: i < len(o.durable)}
		f.Function = runtimeapi.Function{Name: name, Dir: dir, Timeout: o.timeout, Most: o.instances}
		if at := strings.LastIndexByte(dir, ':'); at > 0 && strings.Contains(dir[at:], ".") && !strings.Contains(dir[at:], "/.") {
			f.Dir, f.Handler = dir[:at], dir[at+1:]
		}
		cfg.Functions = append(cfg.Functions, f)
	}
	return cfg, nil
}
