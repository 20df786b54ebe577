package suite

import (
	"context"
	"path/filepath"
	"time"

	"github.com/situ-dev/situ/bench/airline"
	"github.com/situ-dev/situ/bench/chain"
	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/fan"
	"github.com/situ-dev/situ/bench/memory"
	"github.com/situ-dev/situ/bench/overload"
	"github.com/situ-dev/situ/bench/payload"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/recovery"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/bench/timers"
	"github.com/situ-dev/situ/bench/waiting"
	"github.com/situ-dev/situ/bench/web"
	"github.com/situ-dev/situ/bench/workflow"
	"github.com/situ-dev/situ/examples/airline/airgen"
)

// tmpfs is the file system on which a sync costs nothing.
const tmpfs = "tmpfs"

// Airline cancels the flights of an airline of that size. In a worker the same
// is run embedded, too, to compare the two.
func Airline(s airgen.Size) Workload {
	in := inside{airline.Components(),
		func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
			return airline.Run(ctx, p, s, m, show)
		},
		func(*report.Result) time.Duration { return airline.Floor(s) }}
	const beside = "wall"
	return Workload{name: "airline", size: map[string]int{"flights": s.Flights, "passengers": s.Passengers, "seed": int(s.Seed)},
		run: func(ctx context.Context, c Config, dir string, show *report.Progress) (report.Result, error) {
			r, err := in.once(ctx, c, dir, show)
			if err != nil || c.Mode == platform.Embedded {
				return r, err
			}
			e, err := in.on(ctx, platform.Config{Mode: platform.Embedded, Dir: filepath.Join(dir, "embedded")}, &platform.Meter{}, show)
			r.Verified = r.Verified && e.Verified
			r.AddOver(beside, r.WallMS, "ms", e.WallMS, "the same embedded")
			return r, err
		},
		bars: func(r *report.Result) []report.Bar {
			switch {
			case s.Flights < 500 || s.Passengers < 250:
				return nil
			case r.Mode != platform.Embedded:
				return []report.Bar{report.AtMost("wall / embedded", r.Figure(beside).Ratio, 2.5)}
			}
			bound := 4.0
			if r.Conditions.Disk == tmpfs {
				bound = 2.5
			}
			return []report.Bar{report.AtMost("wall / floor", r.Ratio, bound), report.AtMost("bytes written per turn", r.BytesWrittenPerTurn, 150)}
		}}
}

// Counter adds to counters, under the name "counter" or "hot".
func Counter(name string, k counter.Config) Workload {
	return Workload{name: name, size: k.Size(),
		run: inside{counter.Components(),
			func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
				return counter.Run(ctx, p, k, m, show)
			},
			func(r *report.Result) time.Duration { return counter.Floor(k, int(r.CallsPerS*r.WallMS/1000)) }}.once,
		bars: func(r *report.Result) []report.Bar { return countBars(r, k) }}
}

// countBars are the bars of counter and hot, which are for callers in the
// process of the platform.
func countBars(r *report.Result, k counter.Config) []report.Bar {
	onTmpfs := r.Conditions.Disk == tmpfs
	switch {
	case r.Mode != platform.Embedded:
		return nil
	case k.Callers == 1:
		return []report.Bar{report.AtMost("p50 of one caller in ms (1.5 fdatasync + 0.1)", r.P50MS, 1.5*r.FsyncP50MS+0.1)}
	case k.Callers < 1024:
		return nil
	case k.Objects == 1 && !onTmpfs:
		return []report.Bar{report.AtLeast("durable calls/s", r.CallsPerS, 90_000)}
	case k.Objects < 10_000:
		return nil
	}
	least := 60_000.0
	if onTmpfs {
		least = 250_000
	}
	return []report.Bar{report.AtLeast("durable calls/s", r.CallsPerS, least),
		report.AtMost("µs of CPU a call", r.CPUSeconds*1e6/float64(max(r.Turns, 1)), 8)}
}

// Chain calls through chains.
func Chain(k chain.Config) Workload {
	return Workload{name: "chain", size: k.Size(), bars: k.Bars, run: inside{components: chain.Components(),
		run: func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
			return chain.Run(ctx, p, k, m, show)
		}}.once}
}

// Flow runs workflows.
func Flow(k workflow.Config) Workload {
	return Workload{name: "workflow", size: k.Size(), bars: k.Bars, run: inside{components: workflow.Components(),
		run: func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
			return workflow.RunOn(ctx, p, k, m, show)
		}}.once}
}

// Fan has one call make many.
func Fan(k fan.Config) Workload {
	return Workload{name: "fan", size: k.Size(), bars: k.Bars, run: inside{components: fan.Components(),
		run: func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
			return fan.RunOn(ctx, p, k, m, show)
		}}.once}
}

// Payload stores large inputs.
func Payload(k payload.Config) Workload {
	return Workload{name: "payload", size: k.Size(),
		run: func(ctx context.Context, c Config, dir string, show *report.Progress) (report.Result, error) {
			k.Dir = dir
			return inside{components: payload.Components(),
				run: func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
					return payload.Run(ctx, p, k, m, show)
				}}.once(ctx, c, dir, show)
		},
		bars: func(r *report.Result) []report.Bar {
			if k.Bytes < 64<<20 {
				return nil // too little to tell
			}
			return k.Bars(r)
		}}
}

// HTTP calls over HTTP.
func HTTP(k web.Config) Workload {
	return served("http", k.Size(), func(r *report.Result) []report.Bar { return k.Bars(r, r.Mode, r.Conditions.Disk == tmpfs) },
		func(ctx context.Context, p platform.Config, show *report.Progress) (report.Result, error) {
			return web.Run(ctx, p, k, show)
		})
}

// Memory keeps many objects.
func Memory(k memory.Config) Workload {
	return served("memory", k.Size(), k.Bars,
		func(ctx context.Context, p platform.Config, show *report.Progress) (report.Result, error) {
			return memory.Run(ctx, p, k, show)
		})
}

// Recover kills a platform and starts it again.
func Recover(k recovery.Config) Workload {
	return served("recover", k.Size(), k.Bars,
		func(ctx context.Context, p platform.Config, show *report.Progress) (report.Result, error) {
			return recovery.Run(ctx, p, k, show)
		})
}

// Overload calls far more than can be done.
func Overload(k overload.Config) Workload {
	return served("overload", k.Size(), k.Bars,
		func(ctx context.Context, p platform.Config, show *report.Progress) (report.Result, error) {
			return overload.Run(ctx, p, k, show)
		})
}

// Waiting has many chains wait.
func Waiting(k waiting.Config) Workload {
	return served("waiting", k.Size(), k.Bars,
		func(ctx context.Context, p platform.Config, show *report.Progress) (report.Result, error) {
			return waiting.Run(ctx, p, k, show)
		})
}

// Timers has very many timers come due at once.
func Timers(k timers.Config) Workload {
	return Workload{name: "timers", size: k.Size(), run: inside{components: timers.Components(),
		run: func(ctx context.Context, p platform.Platform, m *platform.Meter, show *report.Progress) (report.Result, error) {
			return timers.RunOn(ctx, p, k, m, show)
		}}.once}
}
