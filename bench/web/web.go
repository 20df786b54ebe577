// Package web is the workload of HTTP (situ bench http): a function that
// echoes, and durable calls of counters, through the platform's own door,
// against servers that do nothing but answer. Server, floors and client are
// processes of their own; they are measured in turns.
package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/floor"
	"github.com/situ-dev/situ/bench/load"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Echo is the function.
var Echo = situ.NewFunc[string, string]("echo", situ.Doc("Returns its input."))

// Components returns the function. The counters are another package's.
func Components() []situ.Component {
	return []situ.Component{situ.Function(Echo, func(_ *situ.Turn, in string) (string, error) { return in, nil })}
}

// Config says how much to do.
type Config struct {
	Echoes   int           // connections for the function
	Calls    int           // connections for the counters
	Objects  int           // counters
	Duration time.Duration // of each measurement
	Rounds   int           // measurements of each thing, in turns
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"echo connections": c.Echoes, "call connections": c.Calls, "objects": c.Objects, "rounds": c.Rounds}
}

// The figures, as bars name them.
const (
	echoFigure = "echo"
	callFigure = "durable call"
)

// payload is the body of a call of the function: 64 bytes of JSON.
var payload = `"` + strings.Repeat("x", 62) + `"`

// run is the processes of one run, and what was measured of them so far.
type run struct {
	c       Config
	show    *report.Progress
	client  *load.Client
	server  *platform.Server
	fast    *floor.Bare
	std     *floor.Bare
	done    int // measurements
	added   []uint64
	unknown []uint64

	echo, echoFast, echoStd, call, callFast []load.Result
	cpu                                     time.Duration // of the server while counters were called
}

// Run measures a server as p says.
func Run(ctx context.Context, p platform.Config, c Config, show *report.Progress) (r report.Result, err error) {
	if c.Rounds < 1 || c.Echoes < 1 || c.Calls < 1 || c.Objects < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: rounds, connections and objects are at least 1")
	}
	w := &run{c: c, show: show, added: make([]uint64, c.Objects), unknown: make([]uint64, c.Objects)}
	begin := time.Now()
	if w.server, err = platform.Serve(p); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.server.Close()) }()
	if w.client, err = load.NewClient(); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.client.Close()) }()
	if w.fast, err = floor.Serve(floor.FastHTTP); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.fast.Close()) }()
	if w.std, err = floor.Serve(floor.NetHTTP); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.std.Close()) }()
	for range c.Rounds {
		if err := w.round(ctx); err != nil {
			return r, err
		}
	}
	_, rss := w.server.Usage()
	r.RSSMB = float64(rss) / (1 << 20)
	r.WallMS = report.MS(time.Since(begin))
	wrong := w.faults()
	if wrong == "" {
		wrong, err = counter.Compare(ctx, w.server, w.added, w.unknown, show)
	}
	if wrong != "" {
		r.Notes = append(r.Notes, wrong)
	}
	r.Durable, r.Verified = true, err == nil && wrong == ""
	w.figures(&r)
	return r, err
}

// measure is one thing to measure.
type measure struct {
	into *[]load.Result
	cfg  load.Config
}

// round measures everything once: the floors beside what is compared to them,
// and every other time the other way round, so that what one leaves to do is
// not always in the way of the same.
func (w *run) round(ctx context.Context) error {
	const echo = "/echo"
	counters := load.Config{Addr: w.server.Addr, Connections: w.c.Calls, Path: "/v1/objects/counter/c%d/add", Keys: w.c.Objects, Body: "1", Seed: uint64(w.done)}
	all := []measure{
		{&w.echoFast, load.Config{Addr: w.fast.Addr, Connections: w.c.Echoes, Path: echo}},
		{&w.echo, load.Config{Addr: w.server.Addr, Connections: w.c.Echoes, Path: "/v1/functions/echo"}},
		{&w.echoStd, load.Config{Addr: w.std.Addr, Connections: w.c.Echoes, Path: echo}},
		{&w.callFast, load.Config{Addr: w.fast.Addr, Connections: w.c.Calls, Path: echo}},
		{&w.call, counters},
	}
	if w.done/len(all)%2 == 1 {
		slices.Reverse(all)
	}
	for _, m := range all {
		if m.cfg.Body == "" {
			m.cfg.Body, m.cfg.Want = payload, payload
		}
		m.cfg.Warm, m.cfg.Duration = min(w.c.Duration/4, time.Second), w.c.Duration
		before, _ := w.server.Usage()
		res, err := w.client.Run(ctx, m.cfg)
		if err != nil {
			return err
		}
		if m.into == &w.call {
			after, _ := w.server.Usage()
			w.cpu += after - before
			for i := range w.added {
				w.added[i] += res.Acked[i]
				w.unknown[i] += res.Unknown[i]
			}
		}
		*m.into = append(*m.into, res)
		w.done++
		w.show.Show("http", w.done, len(all)*w.c.Rounds)
	}
	return nil
}

// faults returns what servers did wrong.
func (w *run) faults() string {
	for name, all := range map[string][]load.Result{"fasthttp": slices.Concat(w.echoFast, w.callFast), "net/http": w.echoStd, "echo": w.echo, "call": w.call} {
		for i := range all {
			switch r := &all[i]; {
			case r.Fault() != "":
				return name + ": " + r.Fault()
			case len(r.Status) > 1 || r.Broken > 0:
				return fmt.Sprintf("WRONG: %s: statuses %v, %d broken connections: want nothing but 200", name, r.Status, r.Broken)
			}
		}
	}
	return ""
}

// figures fills in what was measured. A ratio is the median of those of each
// round.
func (w *run) figures(r *report.Result) {
	over := func(name string, all, floors []load.Result, of string) {
		var ratios []float64
		for i := range all {
			ratios = append(ratios, all[i].PerS()/floors[i].PerS())
		}
		r.AddRatio(name, perS(all), "requests/s", perS(floors), of, report.Middle(ratios))
	}
	over(echoFigure, w.echo, w.echoFast, "bare fasthttp")
	over("echo against net/http", w.echo, w.echoStd, "bare net/http")
	quantiles(r, "echo", w.echo)
	quantiles(r, "bare fasthttp", w.echoFast)
	over(callFigure, w.call, w.callFast, "bare fasthttp")
	quantiles(r, callFigure, w.call)
	r.CallsPerS = perS(w.call)
	r.P50MS, r.P99MS = r.Figure(callFigure+" p50").Value, r.Figure(callFigure+" p99").Value
	calls := uint64(0)
	for _, n := range w.added {
		calls += n
	}
	r.Add("CPU of the server per durable call", w.cpu.Seconds()*1e6/float64(max(calls, 1)), "µs")
}

func perS(all []load.Result) float64 {
	var each []float64
	for i := range all {
		each = append(each, all[i].PerS())
	}
	return report.Middle(each)
}

func quantiles(r *report.Result, name string, all []load.Result) {
	for _, get := range quantile {
		var each []float64
		for _, a := range all {
			each = append(each, get.of(a.Latency))
		}
		r.Add(name+" "+get.name, report.Middle(each), "ms")
	}
}

var quantile = []struct {
	name string
	of   func(load.Quantiles) float64
}{
	{"p50", func(q load.Quantiles) float64 { return q.P50 }},
	{"p99", func(q load.Quantiles) float64 { return q.P99 }},
	{"p99.9", func(q load.Quantiles) float64 { return q.P999 }},
}

// Bars are those of the project, for its connections: of the function
// everywhere, of the durable call where the disk costs nothing.
func (c Config) Bars(r *report.Result, mode string, freeDisk bool) (bars []report.Bar) {
	if c.Echoes != 64 || c.Calls != 256 {
		return nil
	}
	bound := 0.9
	switch mode {
	case platform.Worker:
		bound = 0.55
	case platform.Deployed:
		bound = 0.6
	}
	bars = append(bars, report.AtLeast("echo / bare fasthttp", r.Figure(echoFigure).Ratio, bound))
	if freeDisk {
		bars = append(bars, report.AtLeast("durable call / bare fasthttp", r.Figure(callFigure).Ratio, 0.35))
	}
	return bars
}
