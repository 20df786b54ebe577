package platform

import (
	"context"
	"io"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/situ-dev/situ/bench/report"
)

// blockRate is how many nanoseconds of waiting there are, on average, for each
// sample of a block profile.
const blockRate = 10_000

// Meter measures the part of a run that counts: loading before and checking
// after are not in it.
type Meter struct {
	// CPUProfile receives a profile of the measured part, if it is not nil.
	CPUProfile io.Writer
	// BlockProfile makes the measured part of the run count what goroutines
	// wait for.
	BlockProfile bool

	platform Platform
	before   Figures
	cpu      time.Duration
	began    time.Time
}

// Begin begins the measured part of a run on p.
func (m *Meter) Begin(ctx context.Context, p Platform) (err error) {
	m.platform = p
	if m.before, err = p.Figures(ctx); err != nil {
		return err
	}
	if m.CPUProfile != nil {
		if err := pprof.StartCPUProfile(m.CPUProfile); err != nil {
			return err
		}
	}
	if m.BlockProfile {
		runtime.SetBlockProfileRate(blockRate)
	}
	m.cpu, _ = p.Usage()
	m.began = time.Now()
	return nil
}

// Turns returns how many turns were run since Begin, by figures read later.
func (m *Meter) Turns(f Figures) uint64 { return f.Turns - m.before.Turns }

// Commits returns how many commits were made since Begin.
func (m *Meter) Commits(f Figures) uint64 { return f.Commits - m.before.Commits }

// End ends the measured part, which was over at end, and fills in r what was
// measured; calls are those from outside.
func (m *Meter) End(ctx context.Context, end time.Time, r *report.Result, calls ...report.Latencies) (Figures, error) {
	if m.CPUProfile != nil {
		pprof.StopCPUProfile()
	}
	if m.BlockProfile {
		runtime.SetBlockProfileRate(0)
	}
	cpu, rss := m.platform.Usage()
	after, err := m.platform.Figures(ctx)
	if err != nil {
		return after, err
	}
	wall := end.Sub(m.began)
	n := 0
	for _, c := range calls {
		n += len(c)
	}
	r.Durable = true
	r.WallMS = report.MS(wall)
	r.Turns = m.Turns(after)
	r.TurnsPerS = float64(r.Turns) / wall.Seconds()
	r.CallsPerS = float64(n) / wall.Seconds()
	r.P50MS, r.P99MS = report.Quantiles(calls...)
	r.BytesWrittenPerTurn = float64(after.BytesWritten-m.before.BytesWritten) / float64(max(r.Turns, 1))
	r.CPUSeconds = (cpu - m.cpu).Seconds()
	r.RSSMB = float64(rss) / (1 << 20)
	return after, nil
}
