// Package suite is the list of workloads and runs them: each in a directory of
// its own, some times, between measurements of the disk. It knows the bars that
// the project has set itself. A command line calls it.
package suite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/airline"
	"github.com/situ-dev/situ/bench/chain"
	"github.com/situ-dev/situ/bench/fan"
	"github.com/situ-dev/situ/bench/floor"
	"github.com/situ-dev/situ/bench/load"
	"github.com/situ-dev/situ/bench/memory"
	"github.com/situ-dev/situ/bench/payload"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/proc"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/bench/timers"
	"github.com/situ-dev/situ/bench/waiting"
	"github.com/situ-dev/situ/bench/web"
	"github.com/situ-dev/situ/bench/workflow"
	"github.com/situ-dev/situ/internal/fault"
)

// Config says how workloads are run.
type Config struct {
	Mode   string // of platform.Modes
	Dir    string // the data goes below it, and is removed; "" is a temporary one
	Repeat int    // figures are medians of so many runs
	// Files for profiles; "" is none. That of the processor is of the measured
	// part of the last run, that of waiting of all measured parts, and that of
	// allocations of all there was.
	CPUProfile, MemProfile, BlockProfile string
	// Again, if it is set, runs a workload whose platform is in this process once, in a
	// process of its own; last says that it is the last time. What ran before in a
	// process makes the next run faster, and the floor, which is short, most of all.
	Again func(ctx context.Context, last bool) (report.Result, error)
}

// Workload is one thing to measure.
type Workload struct {
	name    string
	size    map[string]int
	outside bool // its platforms are in other processes, which are not profiled
	// run runs it once, with its data in dir.
	run  func(ctx context.Context, c Config, dir string, show *report.Progress) (report.Result, error)
	bars func(r *report.Result) []report.Bar // nil: none
}

// Run runs w and returns the medians. An error is of kind fault.Invalid if c
// is not for w. A result that is not verified is not an error.
func (w Workload) Run(ctx context.Context, c Config, show *report.Progress) (r report.Result, err error) {
	switch {
	case c.Repeat < 1:
		return r, fault.New(fault.Invalid, "", "", "--repeat %d: run it once at least", c.Repeat)
	case !slices.Contains(platform.Modes, c.Mode):
		return r, fault.New(fault.Invalid, "", "", "there is no mode %q: the modes are %s", c.Mode, strings.Join(platform.Modes, ", "))
	case w.outside && (c.CPUProfile != "" || c.MemProfile != "" || c.BlockProfile != ""):
		return r, fault.New(fault.Invalid, "", "", "bench %s: there is no profile of platforms that are processes of their own", w.name)
	}
	var runs []report.Result
	apart := c.Repeat > 1 && c.Again != nil && !w.outside
	for i := range c.Repeat {
		if apart {
			r, err = c.Again(ctx, i == c.Repeat-1)
		} else {
			r, err = w.once(ctx, c, show)
		}
		if err != nil {
			return r, err
		}
		runs = append(runs, r)
	}
	r = report.Median(runs)
	if r.Bars = []report.Bar{}; w.bars != nil {
		r.Bars = append(r.Bars, w.bars(&r)...)
	}
	if apart { // they have written their profiles
		return r, nil
	}
	return r, errors.Join(writeProfile("allocs", c.MemProfile), writeProfile("block", c.BlockProfile))
}

// once runs a workload once, in a directory of its own. The disk is measured
// before and after it.
func (w Workload) once(ctx context.Context, c Config, show *report.Progress) (r report.Result, err error) {
	if c.Dir != "" {
		if err := os.MkdirAll(c.Dir, 0o777); err != nil {
			return r, err
		}
	}
	dir, err := os.MkdirTemp(c.Dir, "situ-bench-*")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	before, err := floor.Fsync(dir)
	if err != nil {
		return r, fmt.Errorf("measure the disk: %w", err)
	}
	if r, err = w.run(ctx, c, dir, show); err != nil {
		return r, err
	}
	after, err := floor.Fsync(dir)
	if err != nil {
		return r, fmt.Errorf("measure the disk: %w", err)
	}
	r.Workload, r.Mode, r.FsyncP50MS = w.name, c.Mode, (before+after)/2
	r.Conditions = report.ConditionsOf(dir, w.size)
	return r, nil
}

// inside is a workload on a platform in this process. Floor, if it is not nil,
// is the same work without a platform.
type inside struct {
	components []situ.Component
	run        func(context.Context, platform.Platform, *platform.Meter, *report.Progress) (report.Result, error)
	floor      func(r *report.Result) time.Duration
}

// once runs a workload, and its floor.
func (in inside) once(ctx context.Context, c Config, dir string, show *report.Progress) (r report.Result, err error) {
	p, err := c.platform(filepath.Join(dir, "data"))
	if err != nil {
		return r, err
	}
	m, done, err := c.meter()
	if err != nil {
		return r, err
	}
	r, err = in.on(ctx, p, m, show)
	if err = errors.Join(err, done()); err != nil || in.floor == nil {
		return r, err
	}
	r.FloorWallMS = in.floors(&r)
	r.Ratio = r.WallMS / r.FloorWallMS
	return r, nil
}

// on runs a workload on a platform that is opened for it.
func (in inside) on(ctx context.Context, c platform.Config, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	c.Components = in.components
	p, err := platform.Open(ctx, c)
	if err != nil {
		return r, err
	}
	r, err = in.run(ctx, p, m, show)
	return r, errors.Join(err, p.Close())
}

// floors returns the median of three runs of a workload's floor, which is too
// short for one to tell much.
func (in inside) floors(r *report.Result) float64 {
	var walls [3]float64
	for i := range walls {
		debug.FreeOSMemory() // nobody is to pay for the garbage of who ran before
		walls[i] = report.MS(in.floor(r))
	}
	debug.FreeOSMemory()
	slices.Sort(walls[:])
	return walls[1]
}

// served returns a workload that run measures with platforms in processes of
// their own, with their data below a directory.
func served(name string, size map[string]int, bars func(*report.Result) []report.Bar,
	run func(context.Context, platform.Config, *report.Progress) (report.Result, error)) Workload {
	return Workload{name: name, size: size, outside: true, bars: bars,
		run: func(ctx context.Context, c Config, dir string, show *report.Progress) (r report.Result, err error) {
			p, err := c.platform(filepath.Join(dir, "data"))
			if err != nil {
				return r, err
			}
			return run(ctx, p, show)
		}}
}

// workerEnv is in the environment of a program that is the worker of a bench. Names
// that begin with SITU_ cannot be given to what is deployed.
const workerEnv = "BENCH_SITU_WORKER"

// platform returns how a platform with its data in dir is opened.
func (c Config) platform(dir string) (platform.Config, error) {
	self, err := os.Executable()
	return platform.Config{Mode: c.Mode, Dir: dir, Program: self, Env: []string{workerEnv + "=1"}}, err
}

// components are those of all workloads.
func components() []situ.Component {
	return slices.Concat(airline.Components(), web.Components(), chain.Components(), payload.Components(), memory.Components(), workflow.Components(), fan.Components(),
		waiting.Components(), timers.Components())
}

// Serve does not return if this process is another's worker, server, client or
// floor in a bench. A program that runs workloads calls it first.
func Serve() {
	if os.Getenv(workerEnv) != "" {
		situ.Main(components()...)
	}
	roles := map[string]proc.Role{"server": platform.Role(components()...), "client": load.Role}
	maps.Copy(roles, floor.Roles)
	maps.Copy(roles, memory.Roles)
	proc.Serve(roles)
}

// meter returns the meter of a run, and what to call when it is over.
func (c Config) meter() (*platform.Meter, func() error, error) {
	m := &platform.Meter{BlockProfile: c.BlockProfile != ""}
	if c.CPUProfile == "" {
		return m, func() error { return nil }, nil
	}
	f, err := os.Create(c.CPUProfile)
	if err != nil {
		return nil, nil, err
	}
	m.CPUProfile = f
	return m, f.Close, nil
}

// writeProfile writes the profile of that name to a file, unless that is "".
func writeProfile(name, file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(name).WriteTo(f, 0), f.Close())
}
