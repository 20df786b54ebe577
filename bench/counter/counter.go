// Package counter is the workload of calls: many callers add to many counters,
// or all of them to one (hot), each call durable before it is answered.
package counter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
)

// The contract of a counter.
var (
	Type = situ.NewType("counter", situ.Doc("A number."))
	Add  = situ.NewMethod[int64, int64](Type, "add", situ.Doc("Adds to the number and returns the sum."))
	Get  = situ.NewMethod[situ.None, int64](Type, "get", situ.ReadOnly, situ.Doc("Returns the number."))
	Toil = situ.NewMethod[int64, int64](Type, "toil", situ.Doc("Hashes so many times, adds one to the number and returns it."))
)

type counter struct {
	N int64 `json:"n"`
}

// Components returns the counter.
func Components() []situ.Component {
	return []situ.Component{situ.Object(Type,
		situ.On(Add, func(c *counter, _ *situ.Turn, n int64) (int64, error) { c.N += n; return c.N, nil }),
		situ.On(Toil, func(c *counter, _ *situ.Turn, rounds int64) (int64, error) {
			if err := toil(rounds); err != nil {
				return 0, err
			}
			c.N++
			return c.N, nil
		}),
		situ.On(Get, func(c *counter, _ *situ.Turn, _ situ.None) (int64, error) { return c.N, nil }))}
}

// Config says how much to do.
type Config struct {
	Objects int
	Callers int
	Calls   int           // in all; 0 is as many as there are in Time
	Time    time.Duration // if Calls is 0
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"objects": c.Objects, "callers": c.Callers}
}

// Run makes the calls on p and checks that each counter has what was added to
// it. The result has all that can be measured here.
func Run(ctx context.Context, p platform.Platform, c Config, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	load := newLoad(c, show)
	if err := m.Begin(ctx, p); err != nil {
		return r, err
	}
	err = load.run(func(object int) error {
		_, err := situ.Do(ctx, p, Add.To(key(object), 1))
		return err
	})
	after, err2 := m.End(ctx, time.Now(), &r, load.took...)
	if err := errors.Join(err, err2); err != nil {
		return r, err
	}
	wrong, err := load.check(ctx, p)
	r.Verified = err == nil && wrong == ""
	r.Notes = append(r.Notes, fmt.Sprintf("%d calls in %d commits", load.calls(), m.Commits(after)))
	if wrong != "" {
		r.Notes = append(r.Notes, wrong)
	}
	return r, err
}

func key(object int) string { return "c" + strconv.Itoa(object) }

// load is the calls of one run.
type load struct {
	c     Config
	took  []report.Latencies
	added []atomic.Int64 // by object
	left  atomic.Int64
	show  *report.Progress
}

func newLoad(c Config, show *report.Progress) *load {
	l := &load{c: c, took: make([]report.Latencies, c.Callers), added: make([]atomic.Int64, c.Objects), show: show}
	l.left.Store(int64(c.Calls))
	for i := range l.took {
		l.took[i] = make(report.Latencies, 0, 1024)
	}
	return l
}

// run calls add from all callers until there is nothing left to do, or the
// time is over.
func (l *load) run(add func(object int) error) error {
	var group sync.WaitGroup
	errs := make(chan error, l.c.Callers)
	end := time.Now().Add(l.c.Time)
	for i := range l.c.Callers {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for n := 0; l.more(end); n++ {
				object := rng.IntN(l.c.Objects)
				begin := time.Now()
				if err := add(object); err != nil {
					errs <- fmt.Errorf("add to counter %s: %w", key(object), err)
					return
				}
				l.took[i] = append(l.took[i], time.Since(begin))
				l.added[object].Add(1)
			}
		})
	}
	group.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func (l *load) more(end time.Time) bool {
	if l.c.Calls == 0 {
		return time.Now().Before(end)
	}
	left := l.left.Add(-1)
	if left >= 0 && left%4096 == 0 {
		l.show.Show("call", l.c.Calls-int(left), l.c.Calls)
	}
	return left >= 0
}

func (l *load) calls() (n int) {
	for _, t := range l.took {
		n += len(t)
	}
	return n
}

// check reads all counters, and says what is wrong with them.
func (l *load) check(ctx context.Context, p situ.Caller) (wrong string, err error) {
	sum := int64(0)
	for object := range l.c.Objects {
		n, err := situ.Do(ctx, p, Get.To(key(object), situ.None{}))
		if err != nil {
			return "", fmt.Errorf("read counter %s: %w", key(object), err)
		}
		sum += n
		if want := l.added[object].Load(); n != want {
			return fmt.Sprintf("WRONG: counter %s is %d; %d was added", key(object), n, want), nil
		}
		if object%64 == 0 {
			l.show.Show("check", object+1, l.c.Objects)
		}
	}
	if calls := int64(l.calls()); sum != calls {
		return fmt.Sprintf("WRONG: the counters are %d in all; %d was added", sum, calls), nil
	}
	return "", nil
}

// Compare reads the counters of clients in another process, and says what is
// wrong with them: counter i is what was acknowledged of it, and at most as
// much more as is unsure, because the answer did not arrive.
func Compare(ctx context.Context, p situ.Caller, acked, unsure []uint64, show *report.Progress) (wrong string, err error) {
	for i, n := range acked {
		got, err := situ.Do(ctx, p, Get.To(key(i), situ.None{}))
		if err != nil {
			return "", fmt.Errorf("read counter %s: %w", key(i), err)
		}
		if uint64(got) < n || uint64(got) > n+unsure[i] {
			return fmt.Sprintf("WRONG: counter %s is %d; %d was added, and perhaps %d more", key(i), got, n, unsure[i]), nil
		}
		if i%64 == 0 {
			show.Show("check", i+1, len(acked))
		}
	}
	return "", nil
}
