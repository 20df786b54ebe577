package fleet

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/lambda/adapter"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/shard/figure"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

// run is a version that is running, or is being started.
type run struct {
	program string
	worker  *worker.Pool // nil as long as it was never ready
	stop    context.CancelFunc
	done    chan struct{} // closed when nothing of it is left
	window  *window
}

// programOf returns the name of a version's program.
func programOf(name string, v *deploy.Version) string { return name + deploy.At + v.ID() }

// start runs a version that nobody has seen yet, and returns when it is ready, or why
// it cannot be. Then nothing of it is left.
func (f *Fleet) start(ctx context.Context, d *deployed, v *deploy.Version, b bundle.Bundle) (*run, error) {
	program := f.cfg.Node.Program(programOf(d.name, v))
	r := f.newRun(program, v)
	bound, cancel := context.WithCancel(f.running)
	r.stop = cancel
	started := make(chan error, 1)
	f.workers.Go(func() {
		defer close(r.done)
		w, done, err := f.launch(bound, program, b)
		if err == nil {
			r.worker = w
		}
		started <- err
		if err == nil {
			<-done
		}
	})
	var err error
	select {
	case err = <-started:
	case <-ctx.Done():
		err = fault.Wrap(fault.Canceled, "deploy", d.name, context.Cause(ctx))
	}
	if err != nil {
		f.cfg.Node.Forget(r.program)
		cancel()
		<-r.done
		return nil, err
	}
	return r, nil
}

func (f *Fleet) newRun(p *node.Program, v *deploy.Version) *run {
	return &run{program: p.Name(), done: make(chan struct{}), window: newWindow(p.Figures())}
}

// begin runs a version that was there before: what is for it waits until it is ready,
// however often that is tried.
func (f *Fleet) begin(d *deployed, v *deploy.Version) {
	program := f.cfg.Node.Program(programOf(d.name, v))
	r := f.newRun(program, v)
	ctx, cancel := context.WithCancel(f.running)
	r.stop = cancel
	d.mu.Lock()
	d.runs[v.Number] = r
	d.mu.Unlock()
	log := f.cfg.Log.With("deployment", d.name, "version", v.Number)
	m := &host.Manifest{}
	if err := json.Unmarshal(v.Program, m); err != nil {
		log.Error("what a version announced cannot be read", "error", err)
	} else if err := program.SetHosts(nil, m); err != nil {
		log.Error("a version cannot have its names", "error", err)
	}
	id := v.Bundle
	f.workers.Go(func() {
		defer close(r.done)
		for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
			b, err := f.cfg.Bundles.Get(id)
			if err == nil {
				var w *worker.Pool
				var done <-chan struct{}
				if w, done, err = f.launch(ctx, program, b); err == nil {
					d.mu.Lock()
					r.worker = w
					d.mu.Unlock()
					<-done
					return
				}
			}
			if ctx.Err() == nil {
				log.Error("a version cannot be started; it is tried again", "error", err)
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	})
}

// finish ends a version: what it had goes to those that have a weight.
func (f *Fleet) finish(d *deployed, n int) {
	r := d.runs[n]
	f.cfg.Node.Forget(r.program)
	r.stop()
	<-r.done
	d.mu.Lock()
	delete(d.runs, n)
	d.mu.Unlock()
}

// launch runs a bundle, and keeps doing so until ctx is done. It returns when it is
// ready, or why it cannot be; done is closed when nothing of it is left.
func (f *Fleet) launch(ctx context.Context, p *node.Program, b bundle.Bundle) (w *worker.Pool, done <-chan struct{}, err error) {
	how, err := adapter.Of(b, f.cfg.Adapter)
	if err != nil {
		return nil, nil, err
	}
	cfg := f.cfg.Worker
	cfg.Dir = "" // nobody attaches to a version by hand
	cfg.Log = f.cfg.Log.With("program", p.Name())
	cfg.Work, cfg.Args, cfg.Env = how.Dir, how.Args, append(slices.Clip(cfg.Env), how.Env...)
	if m := b.Manifest.Limits.Memory; m > 0 {
		cfg.Memory = m
	}
	if ms := b.Manifest.Limits.TimeoutMS; ms > 0 {
		cfg.Run.Timeout = time.Duration(ms) * time.Millisecond
	}
	if f.cfg.Confine != nil {
		cfg.Confine = f.cfg.Confine(b, how)
	}
	pool, err := worker.New(&seat{Program: p, bundle: b}, cfg)
	if err != nil {
		return nil, nil, err
	}
	ended := make(chan struct{})
	run, cancel := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		defer cancel()
		pool.Run(run)
	}()
	if err := pool.Replace(ctx, how.Path); err != nil {
		cancel()
		<-ended
		return nil, nil, err
	}
	return pool, ended, nil
}

// seat is the place of a version in the node: what its bundle says is there, too.
type seat struct {
	*node.Program
	bundle bundle.Bundle
}

// Admit implements worker.Node.
func (s *seat) Admit(m *host.Manifest) error {
	if err := s.declared(m); err != nil {
		return err
	}
	return s.Program.Admit(m)
}

// declared refuses a program that has not what its bundle says it has.
func (s *seat) declared(m *host.Manifest) error {
	for name := range s.bundle.Manifest.Functions {
		if !m.Has("function", name) {
			return fault.New(fault.Invalid, "deploy", s.bundle.Manifest.Name, "the bundle declares the function %s, which the program does not have", name)
		}
	}
	for name := range s.bundle.Manifest.Types {
		if !m.Has("type", name) {
			return fault.New(fault.Invalid, "deploy", s.bundle.Manifest.Name, "the bundle declares the type %s, which the program does not have", name)
		}
	}
	return nil
}

// SetHosts implements worker.Node.
func (s *seat) SetHosts(of func(wire.ShardID) shard.Host, m *host.Manifest) error {
	return s.Program.SetHosts(of, m)
}

// lately is how far back figures of a version are looked at.
const lately = 5 * time.Second

// window is what a version did lately.
type window struct {
	of *figure.Figures

	mu    sync.Mutex
	looks []moment // the oldest first
}

type moment struct {
	at     time.Time
	counts *figure.Counts
}

func newWindow(of *figure.Figures) *window {
	return &window{of: of, looks: []moment{{time.Now(), of.Read()}}}
}

// look takes a look, and forgets those that are too old.
func (w *window) look(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks = append(w.looks, moment{now, w.of.Read()})
	for len(w.looks) > 2 && now.Sub(w.looks[1].at) >= lately {
		w.looks = w.looks[1:]
	}
}

// since returns what the version did since a time, or lately.
func (w *window) since(t time.Time) (f deploy.Figures) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := w.looks[0]
	for _, m := range w.looks {
		if !m.at.After(t) {
			from = m
		}
	}
	f.Calls, f.Failed, f.P95 = w.looks[len(w.looks)-1].counts.Since(from.counts)
	return f
}

// figures returns what the versions did lately, since the step of their rollout began.
func (d *deployed) figures() map[int]deploy.Figures {
	all := map[int]deploy.Figures{}
	for n, r := range d.runs {
		all[n] = r.window.since(d.state.Rollout.Since)
	}
	return all
}
