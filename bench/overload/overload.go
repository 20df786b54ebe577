// Package overload is the workload of far too much (situ bench overload): what
// a platform under a limit of memory can take is measured with clients that
// wait, then many times as much is sent, on time and most of it to one key,
// and then little again.
package overload

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/situ-dev/situ/bench/counter"
	"github.com/situ-dev/situ/bench/load"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Config says how much to do.
type Config struct {
	Objects     int
	Hot         float64       // share of the calls that go to one object
	Waiting     int           // connections of the clients that wait
	Connections int           // of the open loop
	Times       float64       // the peak is what the open loop sends
	Duration    time.Duration // of the open loop; the others take less
	Work        time.Duration // of the processor, for each call; 0 is an addition
	MemoryMB    int           // limit of each process of the platform (GOMEMLIMIT)
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"objects": c.Objects, "% on one": int(c.Hot * 100), "waiting connections": c.Waiting,
		"open connections": c.Connections, "times the peak": int(c.Times), "s": int(c.Duration.Seconds()), "µs work": int(c.Work.Microseconds()), "MiB limit": c.MemoryMB}
}

// The figures, as bars name them.
const (
	goodputFigure  = "goodput"
	hotFigure      = "goodput of the one object"
	memoryFigure   = "peak memory"
	refusedFigure  = "refused p99"
	sentFigure     = "requests that were sent when they were due"
	answeredFigure = "sent requests that were answered 200, 429 or 503"
	normalFigure   = "normal again after"
)

// light is the connections of a load that is none.
const light = 4

// window is how precisely the return to normal is told.
const window = 100 * time.Millisecond

// run is the processes of one run, and what was added to the counters.
type run struct {
	c             Config
	method, body  string
	client        *load.Client
	server        *platform.Server
	added, unsure []uint64
	wrong         string
}

// Run measures a platform that is as p says.
func Run(ctx context.Context, p platform.Config, c Config, show *report.Progress) (r report.Result, err error) {
	if c.Objects < 2 || c.Waiting < 1 || c.Connections < 1 || c.Times <= 0 || c.Duration < 10*window || c.MemoryMB < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: want two objects, connections, a load, a second and a limit at least")
	}
	begin := time.Now()
	w := &run{c: c, method: "add", body: "1", added: make([]uint64, c.Objects), unsure: make([]uint64, c.Objects)}
	if c.Work > 0 {
		rounds, err := counter.Rounds(c.Work)
		if err != nil {
			return r, err
		}
		w.method, w.body = "toil", strconv.FormatInt(rounds, 10)
		r.Notes = append(r.Notes, fmt.Sprintf("each call hashes %d times, which took %v of a processor before the run", rounds, c.Work))
	}
	if w.server, err = platform.Serve(p, fmt.Sprintf("GOMEMLIMIT=%dMiB", c.MemoryMB)); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.server.Close()) }()
	if w.client, err = load.NewClient(); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.client.Close()) }()
	if err := w.phases(ctx, &r, show); err != nil {
		return r, err
	}
	if w.wrong == "" {
		if w.wrong, err = counter.Compare(ctx, w.server, w.added, w.unsure, show); err != nil {
			return r, err
		}
	}
	if w.wrong != "" {
		r.Notes = append(r.Notes, w.wrong)
	}
	r.Durable, r.Verified = true, w.wrong == ""
	r.WallMS = report.MS(time.Since(begin))
	return r, nil
}

// phases makes the loads one after another and fills in the figures.
func (w *run) phases(ctx context.Context, r *report.Result, show *report.Progress) error {
	c, short := w.c, max(w.c.Duration/5, time.Second/2)
	show.Show("normal", 0, 4)
	before, err := w.load(ctx, load.Config{Connections: light, Duration: short})
	if err != nil {
		return err
	}
	show.Show("peak", 1, 4)
	peak, peakCPU, err := w.costs(ctx, load.Config{Connections: c.Waiting, Duration: short})
	if err != nil {
		return err
	}
	if before.Status[200] == 0 || peak.Status[200] == 0 {
		return fault.New(fault.Unavailable, "bench", "overload", "nothing was answered in time, without overload: %v, %v", before.Status, peak.Status)
	}
	show.Show("overload", 2, 4)
	cpu := w.client.CPU()
	over, overCPU, err := w.costs(ctx, load.Config{Connections: c.Connections, Duration: c.Duration, Rate: c.Times * peak.PerS()})
	if err != nil {
		return err
	}
	cpu = w.client.CPU() - cpu
	show.Show("normal", 3, 4)
	after, err := w.load(ctx, load.Config{Connections: light, Duration: max(short, 15*window) + min(c.Duration, 5*time.Second), Window: window})
	if err != nil {
		return err
	}
	w.tell(r, &before, &peak, &over, &after)
	r.AddOver("processor time for each 200", overCPU, "µs", peakCPU, "that at the peak, client and platform together")
	r.Add("processors that the client used under overload", cpu.Seconds()/c.Duration.Seconds(), "")
	return nil
}

// tell fills in the figures.
func (w *run) tell(r *report.Result, before, peak, over, after *load.Result) {
	c := w.c
	most := float64(w.server.Peak()) / (1 << 20)
	one := func(l *load.Result) float64 { return float64(l.Status[200]-l.Others[200]) / l.Seconds }
	r.AddOver(goodputFigure, over.PerS(), "calls/s", peak.PerS(), "the peak of "+strconv.Itoa(c.Waiting)+" connections that wait")
	r.AddOver(hotFigure, one(over), "calls/s", one(peak), "its peak")
	r.Add("calls to other objects that were answered 200", float64(over.Others[200])/float64(max(count(over.Others), 1)), "")
	r.AddOver(memoryFigure, most, "MiB", float64(c.MemoryMB), "the limit")
	r.Add("refused p50", over.Refused.P50, "ms")
	r.Add(refusedFigure, over.Refused.P99, "ms")
	r.Add("refused at the latest", over.Refused.Max, "ms")
	r.Add(normalFigure, normalAgain(before, after).Seconds(), "s")
	unsure := sum(over.Unknown)
	r.Add(sentFigure, float64(over.Sent)/float64(max(over.Sent+over.Missed, 1)), "")
	r.Add(answeredFigure, 1-float64(unsure)/float64(max(over.Sent, 1)), "")
	r.Add("offered", c.Times*peak.PerS(), "requests/s")
	r.Add("sent", float64(over.Sent)/c.Duration.Seconds(), "requests/s")
	r.Add("p50 before", before.Latency.P50, "ms")
	r.Add("p50 after", after.Latency.P50, "ms")
	r.Add("p50 of 200 under overload", over.Latency.P50, "ms")
	r.AddOver("p99 of 200 under overload", over.Latency.P99, "ms", before.Latency.P99, strconv.Itoa(light)+" connections that wait")
	r.AddOver("p99 of 200 of other objects under overload", over.Beside.P99, "ms", before.Beside.P99, strconv.Itoa(light)+" connections that wait")
	r.CallsPerS, r.P50MS, r.P99MS, r.RSSMB = over.PerS(), over.Latency.P50, over.Latency.P99, most
	r.Notes = append(r.Notes, fmt.Sprintf("overload: answers by status %v, of other objects %v; %d requests were due when none of the %d connections was free, and not sent; %d connections broke, %d were answered 503 before they asked; %d requests had no answer that tells what became of them",
		over.Status, over.Others, over.Missed, c.Connections, over.Broken, over.Turned, unsure))
	r.Notes = append(r.Notes, fmt.Sprintf("at the peak: answers by status %v, p50 %.1f ms, p99 %.1f ms", peak.Status, peak.Latency.P50, peak.Latency.P99))
	if over.Refused.Max == 0 {
		r.Notes = append(r.Notes, "overload: nothing was refused, so that there is no time until a refusal: what was not sent waited for what was")
	}
}

// costs makes one load and returns the processor time that the client and the
// platform took for each answer 200, in microseconds. On a machine that others
// use as well, it tells more than the time on the clock.
func (w *run) costs(ctx context.Context, cfg load.Config) (load.Result, float64, error) {
	used := func() time.Duration {
		cpu, _ := w.server.Usage()
		return cpu + w.client.CPU()
	}
	before := used()
	res, err := w.load(ctx, cfg)
	return res, float64((used() - before).Microseconds()) / float64(max(res.Status[200], 1)), err
}

// load makes one load and notes what came of it.
func (w *run) load(ctx context.Context, cfg load.Config) (load.Result, error) {
	cfg.Addr, cfg.Path, cfg.Body = w.server.Addr, "/v1/objects/counter/c%d/"+w.method, w.body
	cfg.Keys, cfg.Hot, cfg.Seed = w.c.Objects, w.c.Hot, 1
	res, err := w.client.Run(ctx, cfg)
	if err != nil {
		return res, err
	}
	for i := range w.added {
		w.added[i] += res.Acked[i]
		w.unsure[i] += res.Unknown[i]
	}
	if w.wrong == "" && res.Wrong > 0 {
		w.wrong = fmt.Sprintf("WRONG: %d answers, such as %s", res.Wrong, res.Example)
	}
	return res, nil
}

// normalAgain returns when the first of ten windows begins that are normal one
// after another: nothing is refused, and p50 is at most 1.5 times what it was
// before plus 0.2 ms. If there are none, it is the time of all.
func normalAgain(before, after *load.Result) time.Duration {
	const row = 10
	good := 0
	for i, win := range after.Windows {
		good++
		if win.OK == 0 || win.Refused > 0 || win.P50 > 1.5*before.Latency.P50+0.2 {
			good = 0
		}
		if good == row {
			return max(time.Duration(i+1-row)*window, time.Millisecond)
		}
	}
	return time.Duration(len(after.Windows)) * window
}

func count(byStatus map[int]uint64) (n uint64) {
	for _, v := range byStatus {
		n += v
	}
	return n
}

func sum(all []uint64) (n uint64) {
	for _, v := range all {
		n += v
	}
	return n
}

// Bars are those of the project, for its load.
func (c Config) Bars(r *report.Result) []report.Bar {
	if c.Times < 10 || c.Duration < 30*time.Second || c.MemoryMB > 256 || c.Hot < 0.9 {
		return nil
	}
	return []report.Bar{
		report.AtMost("peak memory / limit", r.Figure(memoryFigure).Ratio, 1.2),
		report.AtLeast("goodput / peak", r.Figure(goodputFigure).Ratio, 0.8),
		report.AtLeast("sent / due", r.Figure(sentFigure).Value, 0.999),
		report.AtLeast("answered 200, 429 or 503 / sent", r.Figure(answeredFigure).Value, 1),
		report.AtMost("ms until the refusal, p99", r.Figure(refusedFigure).Value, 50),
		report.AtMost("seconds until it is normal again", r.Figure(normalFigure).Value, 5),
	}
}
