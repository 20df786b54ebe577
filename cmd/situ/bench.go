package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/airline"
	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/floor"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/internal/fault"
)

func benchCommand(c *console) *cobra.Command {
	b := &bench{c: c}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine, and check the results",
		Long: `Bench runs a workload on a platform of its own, in a new data directory,
measures it, checks its result, and measures in the same run what no platform
is faster than: the same work on plain goroutines and channels in memory, and
the time that the disk takes to sync 4 KiB.`,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&b.mode, "mode", platform.Embedded, "where the components run: "+strings.Join(platform.Modes, " or "))
	f.StringVar(&b.dir, "dir", "", "directory for the data, made anew below it and removed at the end (default a temporary one)")
	f.IntVar(&b.repeat, "repeat", 1, "run so many times, and show medians")
	f.StringVar(&b.cpuProfile, "cpuprofile", "", "write a CPU profile of the measured part (of the last run) to `FILE`")
	f.StringVar(&b.memProfile, "memprofile", "", "write a profile of allocations to `FILE`")
	cmd.AddCommand(b.airlineCommand(), b.counterCommand(), b.hotCommand())
	return cmd
}

// bench is the flags that all workloads share.
type bench struct {
	c                      *console
	mode, dir              string
	repeat                 int
	cpuProfile, memProfile string
}

// workload is one thing to measure.
type workload struct {
	name       string
	size       map[string]int
	components []situ.Component
	run        func(context.Context, platform.Platform, *platform.Meter, *report.Progress) (report.Result, error)
	floor      func(r *report.Result) time.Duration
}

func (b *bench) airlineCommand() *cobra.Command {
	s := airgen.Size{Seed: 1}
	cmd := &cobra.Command{
		Use:   "airline",
		Short: "Cancel flights: their passengers rebook by messages",
		Long: `Airline cancels the flights of examples/airline; each passenger picks another
flight, leaves the old one and boards the new. Measured is the time from the
call that cancels until nothing is left to do. p50 and p99 are of durable calls
to counters beside it, one begun each millisecond.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Validate(); err != nil {
				return usage("%v", err)
			}
			return b.measure(cmd.Context(), workload{"airline",
				map[string]int{"flights": s.Flights, "passengers": s.Passengers, "seed": int(s.Seed)}, airline.Components(),
				func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
					return airline.Run(ctx, p, s, m, show)
				},
				func(*report.Result) time.Duration { return airline.Floor(s) }})
		},
	}
	cmd.Flags().IntVar(&s.Flights, "flights", 25, "flights to cancel")
	cmd.Flags().IntVar(&s.Passengers, "passengers", 100, "passengers on each flight")
	cmd.Flags().Uint64Var(&s.Seed, "seed", s.Seed, "seed of the airline")
	return cmd
}

func (b *bench) counterCommand() *cobra.Command {
	k := counter.Config{Objects: 10_000, Callers: 1024, Calls: 500_000}
	cmd := &cobra.Command{
		Use:   "counter",
		Short: "Add to many counters from many callers",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return b.count(cmd.Context(), "counter", k) },
	}
	cmd.Flags().IntVar(&k.Objects, "objects", k.Objects, "counters")
	callFlags(cmd, &k)
	return cmd
}

func (b *bench) hotCommand() *cobra.Command {
	k := counter.Config{Objects: 1, Callers: 1024, Calls: 500_000}
	cmd := &cobra.Command{
		Use:   "hot",
		Short: "Add to one counter from many callers",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return b.count(cmd.Context(), "hot", k) },
	}
	callFlags(cmd, &k)
	return cmd
}

func callFlags(cmd *cobra.Command, k *counter.Config) {
	cmd.Flags().IntVar(&k.Callers, "callers", k.Callers, "callers, each of which makes one call after another")
	cmd.Flags().IntVar(&k.Calls, "calls", k.Calls, "calls in all")
	seconds := cmd.Flags().Float64("seconds", 0, "call for so long instead")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *seconds > 0 {
			k.Calls, k.Time = 0, time.Duration(*seconds*float64(time.Second))
		}
		if k.Objects < 1 || k.Callers < 1 || k.Calls < 0 || k.Calls == 0 && k.Time <= 0 {
			return usage("there is nothing to do: counters, callers and calls are at least 1")
		}
		return nil
	}
}

func (b *bench) count(ctx context.Context, name string, k counter.Config) error {
	return b.measure(ctx, workload{name, k.Size(), counter.Components(),
		func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
			return counter.Run(ctx, p, k, m, show)
		},
		func(r *report.Result) time.Duration { return counter.Floor(k, int(r.CallsPerS*r.WallMS/1000)) }})
}

// measure runs a workload and prints what it found.
func (b *bench) measure(ctx context.Context, w workload) (err error) {
	if b.repeat < 1 {
		return usage("--repeat %d: run it once at least", b.repeat)
	}
	show := &report.Progress{}
	if isTerminal(os.Stderr) {
		show = report.NewProgress(b.c.err)
	}
	defer show.Clear()
	var runs []report.Result
	for range b.repeat {
		r, err := b.once(ctx, w, show)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	show.Clear()
	r := report.Median(runs)
	if err := errors.Join(b.writeMemProfile(), b.print(&r)); err != nil {
		return err
	}
	if !r.Verified {
		return fault.New(fault.Internal, "bench", w.name, "the check at the end failed: %s", strings.Join(r.Notes, "; "))
	}
	return nil
}

func (b *bench) print(r *report.Result) error {
	if b.c.json {
		return r.WriteJSON(b.c.out)
	}
	return r.WriteTable(b.c.out)
}

// once runs a workload once, in a directory of its own.
func (b *bench) once(ctx context.Context, w workload, show *report.Progress) (r report.Result, err error) {
	if b.dir != "" {
		if err := os.MkdirAll(b.dir, 0o777); err != nil {
			return r, err
		}
	}
	dir, err := os.MkdirTemp(b.dir, "situ-bench-*")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fsync, err := floor.Fsync(dir)
	if err != nil {
		return r, fmt.Errorf("measure the disk: %w", err)
	}
	p, err := b.open(ctx, filepath.Join(dir, "data"), w)
	if err != nil {
		return r, err
	}
	m, done, err := b.meter()
	if err != nil {
		return r, errors.Join(err, p.Close())
	}
	r, err = w.run(ctx, p, m, show)
	if err = errors.Join(err, done(), p.Close()); err != nil {
		return r, err
	}
	r.FloorWallMS = floorOf(w, &r)
	r.Ratio = r.WallMS / r.FloorWallMS
	r.Workload, r.Mode, r.FsyncP50MS = w.name, b.mode, fsync
	r.Conditions = report.ConditionsOf(dir, w.size)
	return r, nil
}

// floorOf returns the median of three runs of a workload's floor, which is too
// short for one to tell much.
func floorOf(w workload, r *report.Result) float64 {
	var walls [3]float64
	for i := range walls {
		debug.FreeOSMemory() // nobody is to pay for the garbage of who ran before
		walls[i] = report.MS(w.floor(r))
	}
	debug.FreeOSMemory()
	slices.Sort(walls[:])
	return walls[1]
}

func (b *bench) open(ctx context.Context, dir string, w workload) (platform.Platform, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return platform.Open(ctx, platform.Config{Mode: b.mode, Dir: dir, Components: w.components,
		Program: self, Env: []string{benchWorker + "=1"}})
}

// benchWorker is in the environment of a situ that is the worker of a bench.
const benchWorker = "SITU_BENCH_WORKER"

// beWorker hosts the components of all workloads, and does not return, if this
// process is the worker of a bench.
func beWorker() {
	if os.Getenv(benchWorker) != "" {
		situ.Main(airline.Components()...)
	}
}

// meter returns the meter of a run, and what to call when it is over.
func (b *bench) meter() (*platform.Meter, func() error, error) {
	if b.cpuProfile == "" {
		return &platform.Meter{}, func() error { return nil }, nil
	}
	f, err := os.Create(b.cpuProfile)
	if err != nil {
		return nil, nil, err
	}
	return &platform.Meter{CPUProfile: f}, f.Close, nil
}

func (b *bench) writeMemProfile() error {
	if b.memProfile == "" {
		return nil
	}
	f, err := os.Create(b.memProfile)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
