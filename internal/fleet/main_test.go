package fleet_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/server"
)

// What this binary is, besides a test: the platform, or a version of a program.
const (
	envVersion = "FLEET_VERSION"
	envServer  = "FLEET_SERVER" // data directory
)

func TestMain(m *testing.M) {
	if v := os.Getenv(envVersion); v != "" {
		situ.Main(program(v)...)
		return
	}
	if dir := os.Getenv(envServer); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve runs a platform, which says where it listens when it is ready.
func serve(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	_ = os.Setenv("FLEET_PROGRAM", exe)
	_ = os.Unsetenv(envServer)
	srv, err := server.Open(server.Config{Deploy: true, Dir: dir, Mode: "serve", Shards: 2, Listen: "127.0.0.1:0", Drain: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Output: io.Discard})
	if err != nil {
		return err
	}
	go func() { _ = srv.Alone(ctx, func() { fmt.Println(srv.Addr()) }) }()
	return srv.Run(ctx)
}

// tally is an object that says which versions wrote it.
type tally struct {
	N  int
	By map[string]int
}

type told struct {
	N  int    `json:"n"`
	By string `json:"by"` // the version that ran this
}

// program returns what a version has: "a1" is version 1 of the deployment a.
func program(version string) []situ.Component {
	name := version[:1]
	typ := situ.NewType(name + "-tally")
	add := situ.NewMethod[int, told](typ, "add")
	push := situ.NewMethod[int, situ.None](typ, "push")
	who := situ.NewFunc[situ.None, string](name + "-who")
	return []situ.Component{
		situ.Object(typ,
			situ.On(add, func(o *tally, t *situ.Turn, n int) (told, error) {
				if len(version) > 2 && version[2:] == "bad" && t.Rand().IntN(5) == 0 {
					return told{}, fmt.Errorf("this version is bad")
				}
				if o.By == nil {
					o.By = map[string]int{}
				}
				o.N += n
				o.By[version]++
				return told{o.N, version}, nil
			}),
			situ.On(push, func(_ *tally, t *situ.Turn, n int) (situ.None, error) {
				for i := range n {
					situ.Send(t, add.To(fmt.Sprint("p", i), 1))
				}
				return situ.None{}, nil
			})),
		situ.Function(who, func(*situ.Turn, situ.None) (string, error) { return version, nil }),
	}
}
