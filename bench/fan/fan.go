// Package fan is the workload of fan-out and fan-in (situ bench fan): one call makes a
// hundred thousand others, of as many objects or of a function, and is answered with
// the sum of what they answer.
package fan

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/fan"
	"github.com/situ-dev/situ/internal/fault"
)

// The contract.
var (
	leafType = situ.NewType("leaf", situ.Doc("One of many that are called."))
	add      = situ.NewMethod[int, int](leafType, "add")
	total    = situ.NewMethod[situ.None, int](leafType, "total", situ.ReadOnly)
	square   = situ.NewFunc[int, int]("leaf-square")

	objectsType = situ.NewType("fan-objects", situ.Doc("Calls many objects."))
	objects     = fan.New[int, int](objectsType, "run")
	funcsType   = situ.NewType("fan-functions", situ.Doc("Calls a function many times."))
	funcs       = fan.New[int, int](funcsType, "run")
)

type leaf struct{ Sum, Runs int }

// Components returns who calls and who is called.
func Components() []situ.Component {
	return []situ.Component{
		situ.Object(leafType,
			situ.On(add, func(l *leaf, _ *situ.Turn, n int) (int, error) {
				l.Sum += n
				l.Runs++
				return n, nil
			}),
			situ.On(total, func(l *leaf, _ *situ.Turn, _ situ.None) (int, error) { return l.Runs, nil })),
		situ.Function(square, func(_ *situ.Turn, n int) (int, error) { return n, nil }),
		fan.Host(objects, plan(func(i int) situ.Call[int] { return add.To(strconv.Itoa(i), i) })),
		fan.Host(funcs, plan(square.With)),
	}
}

// plan sums the answers of n calls.
func plan(call func(int) situ.Call[int]) fan.Plan[int, int, int, int] {
	return fan.Plan[int, int, int, int]{
		Limit: 4000,
		Calls: func(n, from int) iter.Seq[situ.Call[int]] {
			return func(yield func(situ.Call[int]) bool) {
				for i := from; i < n && yield(call(i)); i++ {
				}
			}
		},
		Fold: func(sum *int, r fan.Result[int]) error { *sum += r.Value; return r.Err },
		Done: func(sum *int, _ fan.Progress) (int, error) { return *sum, nil },
	}
}

// Config says how much to do.
type Config struct {
	Calls int // of a fan-out
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int { return map[string]int{"calls": c.Calls} }

// The figures that have bars.
const (
	fresh   = "to new objects"
	again   = "to the same objects"
	toFuncs = "to a function"
	grown   = "live heap, most"
)

// RunOn runs fan-outs on p and checks their results.
func RunOn(ctx context.Context, p platform.Platform, c Config, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	if c.Calls < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: want a call at least")
	}
	if err := m.Begin(ctx, p); err != nil {
		return r, err
	}
	heap := watch()
	var all report.Latencies
	for i, f := range []struct {
		name string
		job  fan.Job[int, int]
	}{{fresh, objects}, {again, objects}, {toFuncs, funcs}} {
		show.Show(f.name, i, 3)
		begin := time.Now()
		got, err := situ.Do(ctx, p, f.job.To("all", c.Calls))
		if err != nil {
			return r, err
		}
		if want := c.Calls * (c.Calls - 1) / 2; got != want {
			r.Notes = append(r.Notes, fmt.Sprintf("WRONG: the sum of %d calls %s is %d, want %d", c.Calls, f.name, got, want))
		}
		took := time.Since(begin)
		all = append(all, took)
	}
	most := heap()
	if _, err := m.End(ctx, time.Now(), &r, all); err != nil {
		return r, err
	}
	r.Add(grown, most, "MB")
	floor := c.floor() // after all that counts: its goroutines leave much behind
	for i, name := range []string{fresh, again, toFuncs} {
		r.AddOver(name, all[i].Seconds(), "s", floor.Seconds(), "goroutines and a channel")
	}
	for i := range min(c.Calls, 1000) { // of the objects, some: each was called twice
		at := i * c.Calls / min(c.Calls, 1000)
		n, err := situ.Do(ctx, p, total.To(strconv.Itoa(at), situ.None{}))
		if err != nil {
			return r, err
		}
		if n != 2 {
			r.Notes = append(r.Notes, fmt.Sprintf("WRONG: object %d was called %d times, want 2", at, n))
			break
		}
	}
	r.Verified = len(r.Notes) == 0
	return r, nil
}

// floor does the same with goroutines, in memory.
func (c Config) floor() time.Duration {
	begin := time.Now()
	ch := make(chan int, 1000)
	var group sync.WaitGroup
	for i := range c.Calls {
		group.Go(func() { ch <- i })
	}
	sum := 0
	for range c.Calls {
		sum += <-ch
	}
	group.Wait()
	runtime.KeepAlive(sum)
	return time.Since(begin)
}

// watch looks at the heap of this process until the function that it returns is called,
// which returns the most that was alive at the end of a collection, in MB. What is
// in use beside it is garbage, of which there is as much as there is memory for.
func watch() func() float64 {
	stop, most := make(chan struct{}), make(chan float64)
	go func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		var top uint64
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			metrics.Read(live)
			top = max(top, live[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-stop:
				tick.Stop()
				most <- float64(top) / (1 << 20)
				return
			}
		}
	}()
	return func() float64 {
		runtime.GC()
		close(stop)
		return <-most
	}
}

// Bars are those of the project: of a hundred thousand calls, embedded.
func (c Config) Bars(r *report.Result) []report.Bar {
	if c.Calls < 100_000 || r.Mode != platform.Embedded {
		return nil
	}
	per := float64(c.Calls) / 100_000
	return []report.Bar{report.AtMost("s for 100,000 calls "+fresh, r.Figure(fresh).Value/per, 2),
		report.AtMost("s for 100,000 calls "+again, r.Figure(again).Value/per, 2),
		report.AtMost("s for 100,000 calls "+toFuncs, r.Figure(toFuncs).Value/per, 2)}
}
