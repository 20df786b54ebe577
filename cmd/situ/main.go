// Command situ runs a stateful serverless platform, and talks to one.
//
// Each command is a file: its help, its flags and what it does. main holds the
// list of them and turns errors into messages and exit codes.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/situ-dev/situ/bench/suite"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/heap"
	"github.com/situ-dev/situ/internal/lambda/adapter"
	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/sandbox"
)

// commands are all commands, in the order that help shows. To add one, add
// its constructor.
var commands = []func(*console) *cobra.Command{
	devCommand,
	serveCommand,
	callCommand, callbackCommand,
	waitCommand,
	flowCommand,
	getCommand,
	lsCommand,
	rmCommand,
	describeCommand,
	statusCommand,
	deadCommand,
	scheduleCommand,
	vetCommand,
	traceCommand,
	usageCommand,
	pauseCommand,
	resumeCommand,
	cancelCommand,
	doctorCommand,
	benchCommand,
}

func main() {
	vetTool(os.Args[1:])
	heap.Tune()
	sandbox.Serve() // the platform runs this binary as the inside of one
	suite.Serve()   // a bench runs this binary as its other processes, too
	adapter.Serve() // and the platform, as the worker of what does not link the SDK
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c := &console{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, tty: isTerminal(os.Stdout)}
	code := run(ctx, c, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, c *console, args []string) int {
	c.args = args
	root := rootCommand(c)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); errors.Is(err, errFound) {
		return 1
	} else if err != nil {
		c.complain(err)
		return fault.KindOf(err).Exit()
	}
	return 0
}

func rootCommand(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:   "situ",
		Short: "A stateful serverless platform: code runs where its data lives",
		Long: `Situ hosts typed, durable objects and functions.

Begin with "situ dev DIR" in one terminal, and "situ ls" in another.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          known,
		RunE:          help,
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v%s; see \"%s --help\"", err, likely(cmd, err), cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&c.server, "server", "", "address of the server (default $SITU_SERVER, or "+defaultServer+")")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON for machines")
	for _, command := range commands {
		root.AddCommand(command(c))
	}
	root.AddCommand(shipCommands(c)...)
	root.AddCommand(versionCommands(c)...)
	return root
}

// version returns what this binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// likely says which flag may have been meant, "" if none is near.
func likely(cmd *cobra.Command, err error) string {
	wrong, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return ""
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if name := near.Name(wrong.GetSpecifiedName(), names); name != "" {
		return "; did you mean --" + name + "?"
	}
	return ""
}
