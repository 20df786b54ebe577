package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/dev"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/server"
)

func devCommand(c *console) *cobra.Command {
	var o serverFlags
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Build and run the program in a directory, and again when it changes",
		Long: `Dev builds the Go main package in DIR (the working directory unless given),
starts a platform on an embedded store, and runs the program in a process of
its own. When a Go file of the module changes, the program is built again and
takes over; state stays. When it does not build, the one before goes on.

Ctrl-C lets the turns in flight finish; a second one ends at once. Nothing that
was acknowledged is lost either way.

To debug, start the program yourself with SITU_ATTACH set to the data directory.`,
		Example: `  situ dev ./examples/airline
  situ dev --data /tmp/air --listen 127.0.0.1:9000 ./examples/airline`,
		Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return develop(cmd.Context(), c, &o, dir)
		},
	}
	o.add(cmd)
	return cmd
}

// workshop is a run of dev.
type workshop struct {
	c    *console
	o    *serverFlags
	prog *dev.Program
	srv  *server.Server
	path string         // the program that runs
	told *host.Manifest // the manifest that was shown last
}

func develop(ctx context.Context, c *console, o *serverFlags, dir string) error {
	prog, err := dev.Find(ctx, dir)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{ReplaceAttr: shortTime}))
	cfg, err := o.config("dev", log)
	if err != nil {
		return err
	}
	cfg.Output = indented{c}
	srv, err := server.Open(cfg)
	if err != nil {
		return err
	}
	w := &workshop{c: c, o: o, prog: prog, srv: srv}
	return serve(ctx, c, srv, func(ctx context.Context) error { return w.run(ctx) })
}

// run builds and reloads until ctx is done.
func (w *workshop) run(ctx context.Context) error {
	if err := w.prog.BuildIn(filepath.Join(w.o.data, "bin")); err != nil {
		return err
	}
	watch, err := w.prog.Watch() // before the first build: no change is missed
	if err != nil {
		w.c.note("situ: changes are not noticed: %s", words(err))
	} else {
		defer watch.Close()
	}
	w.load(ctx, nil)
	if watch == nil {
		<-ctx.Done()
		return nil
	}
	for {
		files, err := watch.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		w.load(ctx, files)
	}
}

// load builds the program and makes it the one that runs. Files is what has
// changed; nil is the first time.
func (w *workshop) load(ctx context.Context, files []string) {
	began := time.Now()
	if files == nil {
		w.c.note("building %s …", w.prog.Path)
	} else {
		w.c.note("\nchanged: %s", shorten(files))
	}
	path, err := w.prog.Build(ctx)
	built := time.Since(began)
	if err == nil && w.path != "" && dev.Same(w.path, path) {
		w.prog.Discard(path)
		w.c.note("built in %s: the program is the same", seconds(built))
		return
	}
	if err == nil {
		err = w.srv.Replace(ctx, path)
	}
	if err != nil {
		w.prog.Discard(path)
		if ctx.Err() == nil {
			w.c.note("%s\n%s", words(err), w.rest())
		}
		return
	}
	old := w.path
	w.path = path
	w.c.note("built in %s, running after %s%s", seconds(built), seconds(time.Since(began)), w.kept(files))
	w.show()
	w.prog.Discard(old)
}

// rest says what a failed load leaves.
func (w *workshop) rest() string {
	if w.path == "" {
		return "situ: nothing runs yet; it is built again when a file changes"
	}
	return "situ: the program before goes on; it is built again when a file changes"
}

func (w *workshop) kept(files []string) string {
	if files == nil {
		return ""
	}
	return "; state stays"
}

// show prints what the program hosts, if that is new, and how to call it.
func (w *workshop) show() {
	m := w.srv.Manifest()
	if m == nil || w.told != nil && same(w.told, m) {
		return
	}
	first := w.told == nil
	w.told = m
	w.c.printf("\n%s", listing(m))
	if !first {
		return
	}
	w.c.printf("\n  calls  http://%s\n", w.srv.Addr())
	if admin := w.srv.Admin(); admin != "" {
		w.c.printf("  admin  http://%s\n", admin)
	}
	w.c.printf("  data   %s\n", w.o.data)
	if try := dev.Try(m); len(try) > 0 {
		for i := range try {
			try[i] = dev.Quote(try[i])
		}
		w.c.printf("\nTry it in another terminal:\n\n  %s call %s\n", w.command(), strings.Join(try, " "))
	}
	w.c.printf("\nCtrl-C stops it.\n")
}

// command is how the user runs situ, for examples.
func (w *workshop) command() string {
	name := "situ"
	if strings.Contains(os.Args[0], string(filepath.Separator)+"go-build") {
		name = "go run ./cmd/situ"
	}
	if url := "http://" + w.srv.Addr(); url != defaultServer {
		name += " --server " + url
	}
	return name
}

// listing describes a manifest: a line for each type and function.
func listing(m *host.Manifest) string {
	var b strings.Builder
	line := func(what, name, doc string) {
		doc, _, _ = strings.Cut(doc, "\n")
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("  %-8s %-20s %s", what, name, doc), " "))
	}
	for _, t := range m.Types {
		line("type", t.Name, t.Doc)
		for _, op := range t.Methods {
			if !op.Internal {
				line("", "  "+op.Name, op.Doc)
			}
		}
	}
	for _, f := range m.Functions {
		if !f.Internal {
			line("function", f.Name, f.Doc)
		}
	}
	return b.String()
}

func same(a, b *host.Manifest) bool { return listing(a) == listing(b) }

// shorten names up to a few files.
func shorten(files []string) string {
	if len(files) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(files[:3], ", "), len(files)-3)
	}
	return strings.Join(files, ", ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// shortTime leaves the date away.
func shortTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		a.Value = slog.StringValue(a.Value.Time().Format("15:04:05.000"))
	}
	return a
}

// indented writes what the program prints to the console, set off from what
// the platform says.
type indented struct{ c *console }

// Write implements io.Writer; it gets whole lines.
func (w indented) Write(b []byte) (int, error) {
	w.c.note("| %s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}
