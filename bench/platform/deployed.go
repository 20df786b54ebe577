package platform

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/proc"
	"github.com/situ-dev/situ/internal/server"
	"github.com/situ-dev/situ/internal/wire"
)

// deployment is the name under which a benchmark's program is deployed.
const deployment = "bench"

// deployed is a platform as situ serve runs it, with the components in a version
// that was deployed: in a worker process of its own, in the strongest sandbox that
// there is here.
type deployed struct {
	srv  *server.Server
	stop context.CancelFunc
	ran  chan error
}

func openDeployed(ctx context.Context, c Config) (_ Platform, err error) {
	archive, err := pack(c)
	if err != nil {
		return nil, err
	}
	srv, err := server.Open(server.Config{Dir: c.Dir, Mode: "bench", Listen: "127.0.0.1:0", Deploy: true, Output: os.Stderr,
		Limits: node.Limits{Resident: c.Resident, ResidentBytes: c.ResidentBytes, IdleAfter: idleAfter}})
	if err != nil {
		return nil, err
	}
	p := &deployed{srv: srv, ran: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	var run context.Context
	run, p.stop = context.WithCancel(context.Background())
	known := make(chan struct{})
	go func() { p.ran <- srv.Run(run) }()
	go func() {
		if srv.Alone(run, func() { close(known) }) != nil {
			p.stop() // then Run says why, and so does the call below
		}
	}()
	select {
	case <-known:
	case <-run.Done():
		return nil, fault.New(fault.Unavailable, "bench", c.Dir, "the server has ended")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	api := client.New("http://" + srv.Addr())
	defer api.Close()
	_, err = api.PutArchive(ctx, deployment, bundle.TypeTar, archive, nil)
	return p, err
}

// pack returns a bundle of the program.
func pack(c Config) ([]byte, error) {
	env := map[string]string{}
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	var b bytes.Buffer
	err := bundle.Pack(&b, bundle.Manifest{Name: deployment, Kind: bundle.Binary, Command: []string{"program"}, Env: env},
		[]bundle.File{{Path: "program", From: c.Program}})
	return b.Bytes(), err
}

// Invoke implements situ.Caller.
func (p *deployed) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	return p.Node().Invoke(ctx, r)
}

// Figures implements Platform.
func (p *deployed) Figures(ctx context.Context) (Figures, error) { return figures(ctx, p.Node()) }

// Usage implements Platform.
func (p *deployed) Usage() (time.Duration, int64) { return report.Usage(p.PIDs()...) }

// PIDs implements Platform: this process, and all that it started.
func (p *deployed) PIDs() []int { return append([]int{os.Getpid()}, proc.Descendants(os.Getpid())...) }

// Node implements Platform.
func (p *deployed) Node() *node.Node { return p.srv.Node() }

// Addr returns the address of the server's own door.
func (p *deployed) Addr() string { return p.srv.Addr() }

// Close implements Platform.
func (p *deployed) Close() error {
	p.stop()
	err := <-p.ran
	p.ran <- err // for whoever closes again
	return err
}
