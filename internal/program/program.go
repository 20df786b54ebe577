// Package program is a user's program as a process: it works for the platform that
// started it, attaches to one that runs, describes what it hosts, or says how it
// is run.
package program

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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

// Process is the process that a program is.
type Process struct {
	Args           []string
	Env            func(string) string
	Stdout, Stderr io.Writer
}

// Run hosts the components that assemble returns, or says what they are, and returns
// the exit code.
func (p *Process) Run(assemble func() (*host.Set, error)) int {
	set, err := assemble()
	if err != nil {
		_, _ = fmt.Fprintln(p.Stderr, err) // nobody to tell
		return fault.Invalid.Exit()
	}
	heap.Tune()
	if addr := p.Env(guest.EnvSocket); addr != "" {
		return p.work(addr, set)
	}
	if where := p.attachTo(); where != "" {
		return p.attach(where, set)
	}
	if len(p.Args) > 1 && p.Args[1] == "describe" {
		b, err := json.MarshalIndent(set.Manifest(), "", "  ")
		if err != nil {
			p.say("%v", err)
			return fault.KindOf(err).Exit()
		}
		_, err = fmt.Fprintf(p.Stdout, "%s\n", b)
		return exitOf(err)
	}
	p.help(set)
	return 2
}

func (p *Process) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Stderr, "situ: "+format+"\n", args...) // nobody to tell
}

// attachTo returns what SITU_ATTACH or -situ.attach says, "" if neither is
// there.
func (p *Process) attachTo() string {
	for i, arg := range p.Args[min(1, len(p.Args)):] {
		flag, ok := strings.CutPrefix(strings.TrimPrefix(arg, "-"), "-")
		if !ok {
			flag, ok = strings.CutPrefix(arg, "-")
		}
		name, where, given := strings.Cut(flag, "=")
		switch {
		case !ok || name != "situ.attach":
		case given:
			return where
		case i+2 < len(p.Args):
			return p.Args[i+2]
		default:
			return guest.DataDir
		}
	}
	return p.Env("SITU_ATTACH")
}

// help says what the program is and how it is run.
func (p *Process) help(set *host.Set) {
	var b strings.Builder
	name := "program"
	if len(p.Args) > 0 {
		name = filepath.Base(p.Args[0])
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
	_, _ = io.WriteString(p.Stderr, b.String()) // nobody to tell
}

// work is a worker process that the platform started. A terminal's Ctrl-C is
// for the platform, which asks its workers to end.
func (p *Process) work(addr string, set *host.Set) int {
	signal.Ignore(syscall.SIGINT)
	debug.SetMaxStack(64 << 20) // a handler that calls itself without end is found soon
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	err := guest.Serve(ctx, guest.Config{Addr: addr, Token: p.Env(guest.EnvToken), Set: set, Log: log})
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
