// Package memory is the workload of many objects (situ bench memory): how much
// memory an idle object takes that stays in it, and how long a platform takes
// to start with many on its disk. It makes the objects that other workloads
// need, too.
package memory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/proc"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Config says how much to do.
type Config struct {
	Residents int // objects in memory; 0 leaves this part out
	Objects   int // on the disk, for the start; 0 leaves this part out
	Starts    int
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"resident": c.Residents, "stored": c.Objects, "starts": c.Starts}
}

// The figures, as bars name them.
const (
	memoryFigure = "memory of a resident object"
	startFigure  = "start to first reply"
)

// Run measures platforms that are as p says, in directories below p.Dir.
func Run(ctx context.Context, p platform.Config, c Config, show *report.Progress) (r report.Result, err error) {
	if c.Residents < 0 || c.Objects < 0 || c.Residents+c.Objects == 0 || c.Starts < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: want objects, and a start at least")
	}
	begin := time.Now()
	r.Durable, r.Verified = true, true
	if c.Residents > 0 {
		if err := resident(ctx, p, c.Residents, show, &r); err != nil {
			return r, err
		}
	}
	if c.Objects > 0 {
		if err := stored(ctx, p, c, show, &r); err != nil {
			return r, err
		}
	}
	r.WallMS = report.MS(time.Since(begin))
	return r, nil
}

// Fill makes the objects from 0 to n on s, and returns when they are durable.
func Fill(ctx context.Context, s *platform.Server, n int, show *report.Progress) error {
	const batch, callers = 1000, 8
	var group sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, callers)
	for i := range callers {
		group.Go(func() {
			for errs[i] == nil {
				from := int(next.Add(batch)) - batch
				if from >= n {
					return
				}
				_, errs[i] = situ.Do(ctx, s, Make.With(Range{from, min(batch, n-from)}))
				show.Show("make", min(from+batch, n), n)
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("make objects: %w", err)
	}
	return s.Quiet(ctx, nil)
}

// Check reads some objects of n, and says what is wrong with them.
func Check(ctx context.Context, s situ.Caller, n int) (wrong string, err error) {
	const samples = 1000
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range min(n, samples) {
		if n > samples {
			i = rng.IntN(n)
		}
		got, err := situ.Do(ctx, s, Get.To(Key(i), situ.None{}))
		if err != nil {
			return "", fmt.Errorf("read object %s: %w", Key(i), err)
		}
		if got != cell(i) {
			return fmt.Sprintf("WRONG: object %s is %+v", Key(i), got), nil
		}
	}
	return "", nil
}

// use is the memory that processes take, in bytes, when their garbage is gone.
type use struct{ rss, heap float64 }

func measure(ctx context.Context, s *platform.Server, mode string) (u use, st platform.State, err error) {
	guest, err := situ.Do(ctx, s, Heap.With(situ.None{}))
	if err != nil {
		return u, st, err
	}
	if st, err = s.State(true); err != nil {
		return u, st, err
	}
	_, rss := s.Usage()
	u = use{float64(rss), float64(st.HeapAlloc)}
	if mode != platform.Embedded { // a process of its own
		u.heap += float64(guest)
	}
	return u, st, nil
}

// resident makes n objects that all stay in memory and compares the memory
// with that before.
func resident(ctx context.Context, p platform.Config, n int, show *report.Progress, r *report.Result) (err error) {
	p.Dir = filepath.Join(p.Dir, "resident")
	p.Resident, p.ResidentBytes = 2*n+10_000, int64(n)*1000+1<<30
	s, err := platform.Serve(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	before, was, err := measure(ctx, s, p.Mode)
	if err != nil {
		return err
	}
	if err := Fill(ctx, s, n, show); err != nil {
		return err
	}
	after, st, err := measure(ctx, s, p.Mode)
	if err != nil {
		return err
	}
	wrong, err := Check(ctx, s, n)
	if err != nil {
		return err
	}
	if got := st.Resident - was.Resident; wrong == "" && got != n {
		wrong = fmt.Sprintf("WRONG: %d objects are resident, want %d", got, n)
	}
	if wrong != "" {
		r.Verified, r.Notes = false, append(r.Notes, wrong)
	}
	plain, err := floorMap(n)
	if err != nil {
		return err
	}
	const of = "a Go map of the same"
	r.AddOver(memoryFigure, (after.rss-before.rss)/float64(n), "bytes", plain.rss/float64(n), of)
	r.AddOver("heap of a resident object", (after.heap-before.heap)/float64(n), "bytes", plain.heap/float64(n), of)
	r.RSSMB = after.rss / (1 << 20)
	return nil
}

// stored makes objects that mostly do not stay in memory, and starts a
// platform with them.
func stored(ctx context.Context, p platform.Config, c Config, show *report.Progress, r *report.Result) error {
	p.Dir = filepath.Join(p.Dir, "stored")
	p.Resident = 100_000
	s, err := platform.Serve(p)
	if err != nil {
		return err
	}
	begin := time.Now()
	err = Fill(ctx, s, c.Objects, show)
	r.Add("objects made", float64(c.Objects)/time.Since(begin).Seconds(), "objects/s")
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	var starts, floors []float64
	for i := range c.Starts {
		show.Show("start", i, c.Starts)
		took, wrong, err := Start(ctx, p, c.Objects, nil)
		if err != nil {
			return err
		}
		if wrong != "" {
			r.Verified, r.Notes = false, append(r.Notes, wrong)
		}
		floor, err := floorStart()
		if err != nil {
			return err
		}
		starts, floors = append(starts, took.Seconds()), append(floors, floor.Seconds())
	}
	r.AddOver(startFigure, report.Middle(starts), "s", report.Middle(floors), "a process that only answers")
	return os.RemoveAll(p.Dir)
}

// Start starts a platform on a directory with n objects and calls one. It
// returns the time from the start of the process to the answer. Then it reads
// some more, and says what is wrong with them, or what check says, if it is
// not nil.
func Start(ctx context.Context, p platform.Config, n int, check func(situ.Caller) (wrong string, err error)) (took time.Duration, wrong string, err error) {
	begin := time.Now()
	s, err := platform.Serve(p)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	i := n / 2
	got, err := situ.Do(ctx, s, Get.To(Key(i), situ.None{}))
	took = time.Since(begin)
	if err != nil {
		return took, "", err
	}
	if got != cell(i) {
		return took, fmt.Sprintf("WRONG: object %s is %+v", Key(i), got), nil
	}
	wrong, err = Check(ctx, s, n)
	if check != nil && wrong == "" && err == nil {
		wrong, err = check(s)
	}
	return took, wrong, err
}

// Bars are those of the project, for its sizes.
func (c Config) Bars(r *report.Result) (bars []report.Bar) {
	if c.Residents >= 1_000_000 {
		bars = append(bars, report.AtMost("bytes of memory of a resident object", r.Figure(memoryFigure).Value, 500))
	}
	if c.Objects >= 10_000_000 {
		bars = append(bars, report.AtMost("seconds from start to first reply", r.Figure(startFigure).Value, 1.5))
	}
	return bars
}

// Roles are the floors, as roles of a child process.
var Roles = map[string]proc.Role{
	"map":    roleMap,
	"answer": func(_ context.Context, c *proc.Conn) error { return c.Put("here") },
}
