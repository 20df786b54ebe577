package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/dev"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/platform/webhook"
	"github.com/situ-dev/situ/internal/server"
)

// serverFlags are what dev and serve have in common.
type serverFlags struct {
	data, listen, admin string
	shards              int
	drain, timeout      time.Duration
	limits              node.Limits
	memory              int64
	secrets             string   // file
	allow               []string // addresses
	lambda              lambdaFlags
}

func (o *serverFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.data, "data", ".situ", "data `directory`, made if it is not there")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` for calls")
	f.StringVar(&o.admin, "admin", "127.0.0.1:8081", "`address` for health, status and profiles; \"\" is none")
	f.IntVar(&o.shards, "shards", 0, "shards of a new data directory (default two for each core, 4 to 8); they stay as they are")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "how long turns in flight and the program may take at the end, each")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long a handler may run when its method does not say")
	f.Int64Var(&o.memory, "max-worker-memory", 0, "`bytes` of memory that the program may occupy before it is started anew; 0 is no bound")
	f.StringVar(&o.secrets, "webhook-secret-file", "", "`file` with the secrets that sign what is posted to callback URLs, one on a line; without it none are taken")
	f.StringSliceVar(&o.allow, "webhook-allow", nil, "`networks`, such as 10.1.0.0/16, that callback URLs may lead to although they are not public")
	o.lambda.add(cmd)
	l := &o.limits
	f.IntVar(&l.Payload, "max-payload", 1<<20, "`bytes` of one input (413)")
	f.Int64Var(&l.InFlight, "max-in-flight", 0, "`bytes` of inputs that are not answered yet (429) (default 256 MiB, or a quarter of GOMEMLIMIT)")
	f.IntVar(&l.Mailbox, "max-mailbox", 0, "`messages` waiting for one object (429) (default 10,000, or a quarter of GOMEMLIMIT at 24 KiB each)")
	f.IntVar(&l.Queued, "max-queued", 800_000, "`messages` waiting in memory, in all (429)")
	f.IntVar(&l.Resident, "max-resident", 2_000_000, "unused `objects` that stay in memory")
	f.Int64Var(&l.ResidentBytes, "max-resident-bytes", 0, "`bytes` of their state (default 2 GiB, or a quarter of GOMEMLIMIT)")
	f.DurationVar(&l.IdleAfter, "idle-after", 10*time.Minute, "unused objects leave memory after this time")
	f.DurationVar(&l.KeepAnswers, "keep-answers", 24*time.Hour, "how long answers are kept of calls with a key and of asynchronous ones")
	f.Uint64Var(&l.MinFree, "min-free", 64<<20, "`bytes` of free disk under which writes are refused (507)")
}

func (o *serverFlags) config(mode string, log *slog.Logger) (server.Config, error) {
	hooks, err := o.webhooks()
	if err != nil {
		return server.Config{}, err
	}
	functions, err := o.lambda.config(o.data, log)
	return server.Config{Deploy: mode == "serve", Platform: platform.Config{Webhook: hooks}, Dir: o.data, Mode: mode, Shards: o.shards, Listen: o.listen, Admin: o.admin, Log: log, Drain: o.drain,
		Limits: o.limits, Memory: o.memory, Run: host.Config{Timeout: o.timeout}, Lambda: functions}, err
}

// webhooks returns how answers are posted.
func (o *serverFlags) webhooks() (cfg webhook.Config, err error) {
	for _, text := range o.allow {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return cfg, usage("--webhook-allow %s is no network such as 10.1.0.0/16, or 127.0.0.1/32", text)
		}
		cfg.Allow = append(cfg.Allow, p)
	}
	if o.secrets != "" {
		cfg.Secrets, err = webhook.ReadSecrets(o.secrets)
	}
	return cfg, err
}

func serveCommand(c *console) *cobra.Command {
	var o serverFlags
	cmd := &cobra.Command{
		Use:   "serve [PROGRAM]",
		Short: "Run a program",
		Long: `Serve starts a platform on an embedded store and runs PROGRAM, a binary whose
main calls situ.Main, in a process of its own; or, if PROGRAM is a directory,
the Go main package in it, built once. Logs are JSON, one record on a line, on
the standard error.

Programs can be deployed to it, beside PROGRAM or without one: each version runs
in processes of its own. Without a PROGRAM it runs what is deployed.

With --lambda-durable and --lambda-function, functions of AWS Lambda run, too,
each in processes of its own.

SIGTERM and Ctrl-C let the turns in flight finish; a second one ends at once.`,
		Example: `  situ serve ./airline --data /var/lib/airline --listen 0.0.0.0:8080
  situ serve --lambda-durable order=./functions:order.handler`,
		Args: between(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return serveProgram(cmd.Context(), c, &o, args[0])
			}
			return serveDeployed(cmd.Context(), c, &o)
		},
	}
	o.add(cmd)
	return cmd
}

func serveProgram(ctx context.Context, c *console, o *serverFlags, name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return usage("%s: there is no such file or directory", name)
	} else if err != nil {
		return usage("%v", err)
	}
	var prog *dev.Program
	if info.IsDir() {
		if prog, err = dev.Find(ctx, name); err != nil {
			return err
		}
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(c.err, nil))
	cfg, err := o.config("serve", log)
	if err != nil {
		return err
	}
	srv, err := server.Open(cfg)
	if err != nil {
		return err
	}
	return serve(ctx, c, srv, func(ctx context.Context) error {
		if prog != nil {
			if err := prog.BuildIn(filepath.Join(o.data, "bin")); err != nil {
				return err
			}
			if path, err = prog.Build(ctx); err != nil {
				return err
			}
		}
		if err := srv.Replace(ctx, path); err != nil {
			return err
		}
		log.Info("ready", "listen", srv.Addr(), "admin", srv.Admin(), "data", o.data, "lambda", srv.Lambda(), "program", path, "pid", srv.Worker().PID)
		<-ctx.Done()
		return nil
	})
}

// serveDeployed serves what is deployed, and functions of AWS Lambda.
func serveDeployed(ctx context.Context, c *console, o *serverFlags) error {
	log := slog.New(slog.NewJSONHandler(c.err, nil))
	cfg, err := o.config("serve", log)
	if err != nil {
		return err
	}
	srv, err := server.Open(cfg)
	if err != nil {
		return err
	}
	return serve(ctx, c, srv, func(ctx context.Context) error {
		return srv.Alone(ctx, func() {
			log.Info("ready", "listen", srv.Addr(), "admin", srv.Admin(), "data", o.data, "lambda", srv.Lambda())
		})
	})
}

// serve runs srv, and beside it what drives it, until ctx is done or one of
// the two fails; then both end in bounded time.
func serve(ctx context.Context, c *console, srv *server.Server, drive func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	unhook := context.AfterFunc(ctx, func() {
		// From now on a signal does what it does to any program.
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		if errors.Is(context.Cause(ctx), context.Canceled) {
			c.note("\nstopping: turns in flight finish first (once more ends at once)")
		}
	})
	defer unhook()
	driven := make(chan error, 1)
	go func() {
		err := drive(ctx)
		if err != nil && ctx.Err() == nil {
			stop(err)
		} else if fault.Is(err, fault.Canceled) {
			err = nil
		}
		driven <- err
	}()
	err := srv.Run(ctx)
	stop(err)
	if failed := <-driven; err == nil {
		err = failed
	}
	return err
}
