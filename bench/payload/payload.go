// Package payload is the workload of large inputs (situ bench payload): inputs
// of some sizes are stored as the state of objects, each durable before it is
// answered, against what the disk takes when it is written in sequence.
package payload

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/floor"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Version is an input, and the state of a blob.
type Version struct {
	N    uint64 `json:"n"`
	Data []byte `json:"data"`
}

// Sum tells of a state: the checksum is that of the data as it rests.
type Sum struct {
	N     uint64 `json:"n"`
	Bytes int    `json:"bytes"`
	CRC   uint32 `json:"crc"`
}

// The contract of a blob.
var (
	Type = situ.NewType("blob", situ.Doc("Bytes."))
	Put  = situ.NewMethod[Version, uint64](Type, "put", situ.Doc("Stores its input and returns its number."))
	Get  = situ.NewMethod[situ.None, Sum](Type, "get", situ.ReadOnly, situ.Doc("Tells what is stored."))
)

// Components returns the blob.
func Components() []situ.Component {
	return []situ.Component{situ.Object(Type,
		situ.On(Put, func(v *Version, _ *situ.Turn, in Version) (uint64, error) { *v = in; return in.N, nil }),
		situ.On(Get, func(v *Version, _ *situ.Turn, _ situ.None) (Sum, error) { return v.Sum(), nil }))}
}

// Sum returns the sum of v.
func (v *Version) Sum() Sum { return Sum{v.N, len(v.Data), crc32.ChecksumIEEE(v.Data)} }

// Config says how much to do.
type Config struct {
	Sizes   []int // of inputs, in bytes
	Bytes   int   // to store of each size, after as many to warm up
	Callers int   // each with blobs of its own
	Dir     string
}

// overhead is what an input has beside its data, at most. An input of 1 MiB
// with it would be over the limit of 1 MiB.
const overhead = 64

// underWay is how many bytes callers wait with at most, so that nothing is
// refused: of large inputs there are fewer callers.
const underWay = 64 << 20

// blobs are how many each caller has.
const blobs = 2

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"bytes of each size": c.Bytes, "callers": c.Callers}
}

// Run stores inputs of each size on p and checks what is there. The result has
// all that can be measured here.
func Run(ctx context.Context, p platform.Platform, c Config, m *platform.Meter, show *report.Progress) (r report.Result, err error) {
	if len(c.Sizes) == 0 || c.Callers < 1 || c.Bytes < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: want a size, a caller and a byte at least")
	}
	if err := m.Begin(ctx, p); err != nil {
		return r, err
	}
	loads := make([]*load, len(c.Sizes))
	var disk []float64 // before each load, and after the last
	for i, size := range c.Sizes {
		if err := c.disk(&disk); err != nil {
			return r, err
		}
		loads[i] = c.newLoad(size)
		if err := loads[i].run(ctx, p, show); err != nil {
			return r, err
		}
	}
	if err := c.disk(&disk); err != nil {
		return r, err
	}
	var all []report.Latencies
	for _, l := range loads {
		all = append(all, l.took...)
	}
	if _, err := m.End(ctx, time.Now(), &r, all...); err != nil {
		return r, err
	}
	r.Verified = true
	for _, l := range loads {
		wrong, err := l.check(ctx, p)
		if err != nil {
			return r, err
		}
		if wrong != "" {
			r.Verified, r.Notes = false, append(r.Notes, wrong)
		}
	}
	return r, c.figures(&r, loads, disk)
}

// large is what the disk is given to write at once.
const large = 4 << 20

// disk measures the disk's bandwidth, in bytes a second, with as many bytes as are
// stored of a size. A first file of that length is not measured, as the first half
// of the inputs is not: the kernel has the pages of the second from it, and a page that a virtual machine
// has never used may cost more than all the rest of its way.
func (c Config) disk(all *[]float64) error {
	n := max(c.Bytes, large)
	if _, err := floor.Sequential(c.Dir, large, n); err != nil {
		return err
	}
	perS, err := floor.Sequential(c.Dir, large, n)
	*all = append(*all, perS)
	return err
}

// figures fills in the figures. The disk's bandwidth is the best of all that were
// measured: other work, such as what the platform still has to write, makes
// the disk slow, and nothing makes it fast. A size's own floor has as much for
// each sync as callers can wait with.
func (c Config) figures(r *report.Result, loads []*load, disk []float64) error {
	const mb = 1e6
	best := slices.Max(disk)
	for _, l := range loads {
		group := min(l.size*len(l.took), large)
		own, err := floor.Sequential(c.Dir, group, min(c.Bytes, 64*group))
		if err != nil {
			return err
		}
		r.AddOver(Name(l.size), l.perS/mb, "MB/s", best/mb, "sequential writes of 4 MiB, each with fdatasync")
		r.AddOver(Name(l.size)+" in groups", l.perS/mb, "MB/s", own/mb, fmt.Sprintf("sequential writes of %d bytes, each with fdatasync", group))
		p50, p99 := report.Quantiles(l.took...)
		r.Add(Name(l.size)+" p50", p50, "ms")
		r.Add(Name(l.size)+" p99", p99, "ms")
		r.Add(Name(l.size)+" cpu", l.cpu, "µs a call")
	}
	return nil
}

// Name returns the name of the figure for inputs of that size.
func Name(size int) string {
	if size%(1<<20) == 0 {
		return strconv.Itoa(size>>20) + " MiB"
	}
	if size%(1<<10) == 0 {
		return strconv.Itoa(size>>10) + " KiB"
	}
	return strconv.Itoa(size) + " B"
}

// load is the calls with inputs of one size.
type load struct {
	c    Config
	size int
	took []report.Latencies // by caller
	last []Sum              // that was acknowledged, by blob
	perS float64
	cpu  float64 // µs a call, callers included
}

func (c Config) newLoad(size int) *load {
	c.Callers = min(c.Callers, max(underWay/size, 1))
	return &load{c: c, size: size, took: make([]report.Latencies, c.Callers), last: make([]Sum, c.Callers*blobs)}
}

func (l *load) key(blob int) string { return strconv.Itoa(l.size) + "-" + strconv.Itoa(blob) }

// run stores inputs until there are enough, twice: the first time memory and files
// become what they stay, and only the second is measured.
func (l *load) run(ctx context.Context, p platform.Platform, show *report.Progress) error {
	if err := l.store(ctx, p, show); err != nil {
		return err
	}
	clear(l.took)
	before, _ := p.Usage()
	begin := time.Now()
	if err := l.store(ctx, p, show); err != nil {
		return err
	}
	wall := time.Since(begin)
	after, _ := p.Usage()
	calls := 0
	for _, t := range l.took {
		calls += len(t)
	}
	l.perS = float64(calls) * float64(l.size) / wall.Seconds()
	l.cpu = float64((after - before).Nanoseconds()) / 1e3 / float64(calls)
	return nil
}

// store stores inputs from all callers until there are enough.
func (l *load) store(ctx context.Context, p situ.Caller, show *report.Progress) error {
	var group sync.WaitGroup
	var left atomic.Int64
	total := max(l.c.Bytes/l.size, l.c.Callers)
	left.Store(int64(total))
	random := make([]byte, 2*l.size)
	floor.Fill(random, uint64(l.size))
	errs := make([]error, l.c.Callers)
	for i := range l.c.Callers {
		group.Go(func() {
			data := make([]byte, max(l.size-overhead, 1))
			for n := left.Add(-1); n >= 0 && errs[i] == nil; n = left.Add(-1) {
				v := Version{N: uint64(n), Data: data}
				copy(data, random[int(n)%l.size:]) // another piece each time
				blob := i*blobs + int(n)%blobs
				begin := time.Now()
				_, errs[i] = situ.Do(ctx, p, Put.To(l.key(blob), v))
				l.took[i] = append(l.took[i], time.Since(begin))
				l.last[blob] = v.Sum()
				if n%64 == 0 {
					show.Show(Name(l.size), total-int(n), total)
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// check compares each blob with what was acknowledged last.
func (l *load) check(ctx context.Context, p situ.Caller) (wrong string, err error) {
	for blob, want := range l.last {
		if want.Bytes == 0 {
			continue // it was never written
		}
		got, err := situ.Do(ctx, p, Get.To(l.key(blob), situ.None{}))
		if err != nil {
			return "", fmt.Errorf("read blob %s: %w", l.key(blob), err)
		}
		if got != want {
			return fmt.Sprintf("WRONG: blob %s has %+v, want %+v", l.key(blob), got, want), nil
		}
	}
	return "", nil
}

// Bars are those of the project.
func (c Config) Bars(r *report.Result) (bars []report.Bar) {
	for _, size := range c.Sizes {
		bars = append(bars, report.AtLeast(Name(size)+" / sequential bandwidth", r.Figure(Name(size)).Ratio, 0.5))
	}
	return bars
}
