package situ

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/heap"
	"github.com/situ-dev/situ/internal/host"
)

// Main hosts components in a program of its own. It is all that main does, and
// does not return:
//
//	func main() { situ.Main(flights.Component, passengers.Component) }
//
// The platform starts the program: `situ dev .` or `situ serve .`. Started by
// hand, it says so; with the argument "describe" it prints what it hosts as
// JSON; with SITU_ATTACH or the flag -situ.attach set to the data directory of
// a running platform it takes the place of the program that the platform runs,
// so that an IDE or a debugger can start it.
func Main(components ...Component) {
	p := program{args: os.Args, env: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(p.run(components))
}

// program is a run of Main.
type program struct {
	args           []string
	env            func(string) string
	stdout, stderr io.Writer
}

// run does what Main is for and returns the exit code.
func (p *program) run(components []Component) int {
	set, err := Assemble(components...)
	if err != nil {
		_, _ = fmt.Fprintln(p.stderr, err) // nobody to tell
		return fault.Invalid.Exit()
	}
	heap.Tune()
	if addr := p.env(guest.EnvSocket); addr != "" {
		return p.work(addr, set)
	}
	if where := p.attachTo(); where != "" {
		return p.attach(where, set)
	}
	if len(p.args) > 1 && p.args[1] == "describe" {
		b, err := json.MarshalIndent(set.Manifest(), "", "  ")
		if err != nil {
			p.say("%v", err)
			return fault.KindOf(err).Exit()
		}
		_, err = fmt.Fprintf(p.stdout, "%s\n", b)
		return exitOf(err)
	}
	p.help(set)
	return 2
}

func (p *program) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.stderr, "situ: "+format+"\n", args...) // nobody to tell
}

// attachTo returns what SITU_ATTACH or -situ.attach says, "" if neither is
// there.
func (p *program) attachTo() string {
	for i, arg := range p.args[min(1, len(p.args)):] {
		flag, ok := strings.CutPrefix(strings.TrimPrefix(arg, "-"), "-")
		if !ok {
			flag, ok = strings.CutPrefix(arg, "-")
		}
		name, where, given := strings.Cut(flag, "=")
		switch {
		case !ok || name != "situ.attach":
		case given:
			return where
		case i+2 < len(p.args):
			return p.args[i+2]
		default:
			return guest.DataDir
		}
	}
	return p.env("SITU_ATTACH")
}

// help says what the program is and how it is run.
func (p *program) help(set *host.Set) {
	var b strings.Builder
	name := "program"
	if len(p.args) > 0 {
		name = filepath.Base(p.args[0])
	}
	fmt.Fprintf(&b, "%s hosts components of Situ:\n\n", name)
	m := set.Manifest()
	for _, t := range m.Types {
		fmt.Fprintf(&b, "  type %-20s %s\n", t.Name, t.Doc)
		for _, method := range t.Methods {
			if !method.Internal {
				fmt.Fprintf(&b, "    %-23s %s\n", method.Name, method.Doc)
			}
		}
	}
	for _, f := range m.Functions {
		fmt.Fprintf(&b, "  function %-16s %s\n", f.Name, f.Doc)
	}
	fmt.Fprintf(&b, `
It is run by the platform. In the directory of its source:

  situ dev .              run it, and again whenever the source changes
  situ serve .            run it

To run it yourself, in an IDE or a debugger, while the platform runs:

  SITU_ATTACH=DATA %[1]s  DATA is the platform's data directory (%[2]s)
  %[1]s describe          print what it hosts, as JSON
`, name, guest.DataDir)
	_, _ = io.WriteString(p.stderr, b.String()) // nobody to tell
}

// work is a worker process that the platform started. A terminal's Ctrl-C is
// for the platform, which asks its workers to end.
func (p *program) work(addr string, set *host.Set) int {
	signal.Ignore(syscall.SIGINT)
	debug.SetMaxStack(64 << 20) // a handler that calls itself without end is found soon
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	err := guest.Serve(ctx, guest.Config{Addr: addr, Token: p.env(guest.EnvToken), Set: set, Log: log})
	if err != nil {
		p.say("%v", err)
	}
	return exitOf(err)
}

func exitOf(err error) int {
	if err == nil {
		return 0
	}
	return fault.KindOf(err).Exit()
}
