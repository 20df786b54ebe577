// Package workflow is the workload of workflows (situ bench workflow): each does a
// number of steps, one after another, and each step is durable before the next is
// run.
package workflow

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/flow"
	"github.com/situ-dev/situ/internal/fault"
)

// The contract.
var (
	Type = situ.NewType("steps", situ.Doc("A workflow of steps."))
	Run  = situ.NewMethod[int, int](Type, "run", situ.Doc("Does so many steps and returns how many it did."))
)

// ran is how often a step was run in this process. A step may be run again; none
// may be left out.
var ran atomic.Int64

// Components returns the workflow.
func Components() []situ.Component {
	return []situ.Component{flow.Workflow(Type, Run, func(f *flow.Flow, steps int) (int, error) {
		sum := 0
		for i := range steps {
			n, err := flow.Step(f, "step", func(context.Context) (int, error) {
				ran.Add(1)
				return i + 1, nil
			})
			if err != nil {
				return sum, err
			}
			if n == sum+1 {
				sum = n
			}
		}
		return sum, nil
	})}
}

// Config says how much to do.
type Config struct {
	Steps     int // of a workflow
	Callers   int // who start workflows, one after another
	Workflows int // in all
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"steps": c.Steps, "callers": c.Callers, "workflows": c.Workflows}
}

const alone = "p50 of one caller"

// RunOn runs workflows on p and checks their results.
func RunOn(ctx context.Context, p platform.Platform, c Config, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	if c.Steps < 1 || c.Callers < 1 || c.Workflows < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: want a step, a caller and a workflow at least")
	}
	if err := m.Begin(ctx, p); err != nil {
		return r, err
	}
	before := ran.Load()
	took, perS, err := c.many(ctx, p, "w", c.Callers, c.Workflows, show)
	if err != nil {
		return r, err
	}
	if _, err := m.End(ctx, time.Now(), &r, took...); err != nil {
		return r, err
	}
	r.Add("workflows", perS, "workflows/s")
	n := max(c.Workflows/100, 10)
	took, _, err = c.many(ctx, p, "one", 1, n, show)
	if err != nil {
		return r, err
	}
	p50, _ := report.Quantiles(took...)
	r.Add(alone, p50, "ms")
	// In a worker the steps are counted in another process.
	if n, want := ran.Load()-before, int64(c.Steps*(c.Workflows+n)); len(p.PIDs()) == 1 && n < want {
		r.Notes = append(r.Notes, fmt.Sprintf("WRONG: steps were run %d times, want %d at least", n, want))
		return r, nil
	}
	r.Verified = true
	return r, nil
}

// many has workflows run by so many callers, and returns how long each took, by
// caller, and how many there were a second.
func (c Config) many(ctx context.Context, p situ.Caller, name string, callers, n int, show *report.Progress) ([]report.Latencies, float64, error) {
	took, errs := make([]report.Latencies, callers), make([]error, callers)
	var next atomic.Int64
	var group sync.WaitGroup
	begin := time.Now()
	for i := range callers {
		group.Go(func() {
			for {
				at := int(next.Add(1))
				if at > n || errs[i] != nil {
					return
				}
				if at%256 == 0 {
					show.Show("workflows", at, n)
				}
				begin := time.Now()
				did, err := situ.Do(ctx, p, Run.To(fmt.Sprint(name, at), c.Steps))
				took[i] = append(took[i], time.Since(begin))
				if err == nil && did != c.Steps {
					err = fmt.Errorf("WRONG: a workflow did %d steps, not %d", did, c.Steps)
				}
				errs[i] = err
			}
		})
	}
	group.Wait()
	return took, float64(n) / time.Since(begin).Seconds(), cmp.Or(errs...)
}

// Bars are those of the project: of three steps, embedded, on a disk.
func (c Config) Bars(r *report.Result) []report.Bar {
	if c.Steps != 3 || c.Workflows < 10_000 || r.Mode != platform.Embedded || r.Conditions.Disk == "tmpfs" {
		return nil
	}
	return []report.Bar{report.AtLeast("workflows/s", r.Figure("workflows").Value, 5000),
		report.AtMost("p50 of one caller / fdatasync", r.Figure(alone).Value/r.FsyncP50MS, 6)}
}
