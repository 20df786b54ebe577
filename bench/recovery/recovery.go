// Package recovery is the workload of a crash (situ bench recover): a platform
// with many objects is killed with SIGKILL while callers write, when the tail
// of its log, which is in no table yet, has a certain length. Measured is the
// time from the start of the next process to its first answer.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/floor"
	"github.com/situ-dev/situ/bench/memory"
	"github.com/situ-dev/situ/bench/payload"
	"github.com/situ-dev/situ/bench/platform"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Config says how much to do.
type Config struct {
	Objects int
	Tail    int // bytes of the log, at least
	Callers int
	Bytes   int // of the inputs that make the tail
	Starts  int // each on a copy of what the crash left
}

// Size returns the size for the conditions of a report.
func (c Config) Size() map[string]int {
	return map[string]int{"objects": c.Objects, "bytes of tail": c.Tail, "starts": c.Starts}
}

// startFigure is the name of a figure, as bars have it.
const startFigure = "start to first reply"

// Run measures platforms that are as p says, in directories below p.Dir. The
// one that is killed keeps its tail in memory for as long as it must: unless
// the tail is short, it runs in mode platform.Worker, where that can be set.
func Run(ctx context.Context, p platform.Config, c Config, show *report.Progress) (r report.Result, err error) {
	if c.Objects < 1 || c.Tail < 1 || c.Callers < 1 || c.Bytes < 1 || c.Starts < 1 {
		return r, fault.New(fault.Invalid, "", "", "there is nothing to do: want an object, a tail, a caller and a start at least")
	}
	begin := time.Now()
	top := p.Dir
	p.Dir = filepath.Join(top, "crashed")
	p.Resident = 100_000
	if err := fill(ctx, p, c, show); err != nil {
		return r, err
	}
	calls, log, err := c.crash(ctx, p, show)
	if err != nil {
		return r, err
	}
	bytes, _, err := floor.Read(log)
	if err != nil {
		return r, err
	}
	r.Durable, r.Verified = true, bytes >= int64(c.Tail)
	if !r.Verified {
		r.Notes = append(r.Notes, fmt.Sprintf("WRONG: the log has %d bytes, want %d at least", bytes, c.Tail))
	}
	var starts, reads []float64
	for i := range c.Starts {
		show.Show("start", i, c.Starts)
		q := p
		q.Dir = filepath.Join(top, "start"+strconv.Itoa(i))
		if err := os.CopyFS(q.Dir, os.DirFS(p.Dir)); err != nil {
			return r, err
		}
		_, read, err := floor.Read(log)
		if err != nil {
			return r, err
		}
		took, wrong, err := memory.Start(ctx, q, c.Objects, calls.check)
		if err != nil {
			return r, err
		}
		if wrong != "" {
			r.Verified, r.Notes = false, append(r.Notes, wrong)
		}
		starts, reads = append(starts, took.Seconds()), append(reads, read.Seconds())
		if err := os.RemoveAll(q.Dir); err != nil {
			return r, err
		}
	}
	r.Add("tail of the log", float64(bytes)/1e6, "MB")
	r.AddOver(startFigure, report.Middle(starts), "s", report.Middle(reads), "reading the log")
	r.Add("calls acknowledged before the crash", float64(calls.acked()), "")
	r.WallMS = report.MS(time.Since(begin))
	return r, nil
}

// fill makes the objects and ends in order.
func fill(ctx context.Context, p platform.Config, c Config, show *report.Progress) error {
	s, err := platform.Serve(p)
	if err != nil {
		return err
	}
	return errors.Join(memory.Fill(ctx, s, c.Objects, show), s.Close())
}

// crash writes until the tail is long enough and kills the platform in the
// middle of it. It returns the calls, and the file that the tail is in.
func (c Config) crash(ctx context.Context, p platform.Config, show *report.Progress) (_ *calls, log string, err error) {
	const own = 1 << 20 // of a tail that the memtables of any platform keep
	if c.Tail > own {
		p.Mode, p.MemTable = platform.Worker, min(int64(c.Tail)*2, 512<<20)
	}
	s, err := platform.Serve(p)
	if err != nil {
		return nil, "", err
	}
	calls := newCalls(c)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	for i := range c.Callers {
		group.Go(func() { calls.make(ctx, s, i) })
	}
	log, err = c.grown(ctx, s, p.Dir, calls, show)
	err = errors.Join(err, s.Kill())
	stop()
	group.Wait()
	return calls, log, err
}

// grown waits until the newest file of the log has enough bytes of its own,
// and returns it. What is counted as written since it came says too much
// for a moment, so its size must be enough, too.
func (c Config) grown(ctx context.Context, s *platform.Server, dir string, calls *calls, show *report.Progress) (string, error) {
	newest, base := "", uint64(0)
	for {
		name, err := newestLog(dir)
		if err != nil {
			return "", err
		}
		st, err := s.State(false)
		if err != nil {
			return "", err
		}
		if name != newest {
			newest, base = name, st.LogBytes
		}
		show.Show("tail", int(st.LogBytes-base)>>20, c.Tail>>20)
		info, err := os.Stat(newest)
		if err != nil {
			return "", err
		}
		if st.LogBytes-base >= uint64(c.Tail) && info.Size() >= int64(c.Tail) {
			return newest, nil
		}
		if err := calls.failed(); err != nil {
			return "", err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// newestLog returns the log file below dir with the highest number.
func newestLog(dir string) (newest string, err error) {
	err = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was there
		}
		if filepath.Ext(name) == ".log" && filepath.Base(filepath.Dir(name)) == "log" && name > newest { // the numbers are as wide
			newest = name
		}
		return err
	})
	if err == nil && newest == "" {
		err = fmt.Errorf("there is no log below %s", dir)
	}
	return newest, err
}

// Bars are those of the project, for its sizes.
func (c Config) Bars(r *report.Result) []report.Bar {
	if c.Objects < 1_000_000 || c.Tail < 256_000_000 {
		return nil
	}
	return []report.Bar{report.AtMost("seconds from start to first reply after kill -9", r.Figure(startFigure).Value, 2)}
}

// calls are those that go on when the platform is killed. Each caller has a
// blob of its own, and writes one version of it after another.
type calls struct {
	c    Config
	mu   sync.Mutex
	last []uint64 // the version that was acknowledged last, by caller; 0 is none
	err  error    // of a call before the end
}

func newCalls(c Config) *calls { return &calls{c: c, last: make([]uint64, c.Callers)} }

// version returns the version n of a caller's blob. Its bytes follow from
// both.
func (k *calls) version(caller int, n uint64) payload.Version {
	data := make([]byte, k.c.Bytes)
	floor.Fill(data, uint64(caller)<<32|n)
	return payload.Version{N: n, Data: data}
}

func blob(caller int) string { return "crash" + strconv.Itoa(caller) }

// make writes versions until one is not acknowledged.
func (k *calls) make(ctx context.Context, p situ.Caller, caller int) {
	for n := uint64(1); ; n++ {
		_, err := situ.Do(ctx, p, payload.Put.To(blob(caller), k.version(caller, n)))
		k.mu.Lock()
		if err == nil {
			k.last[caller] = n
		} else if k.err == nil {
			k.err = err
		}
		k.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// failed returns the error of a call, if there was one.
func (k *calls) failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

func (k *calls) acked() (n uint64) {
	for _, last := range k.last {
		n += last
	}
	return n
}

// check reads each blob: it is the version that was acknowledged last, or the
// one after it.
func (k *calls) check(p situ.Caller) (wrong string, err error) {
	for caller, last := range k.last {
		got, err := situ.Do(context.Background(), p, payload.Get.To(blob(caller), situ.None{}))
		if err != nil {
			return "", fmt.Errorf("read blob %s: %w", blob(caller), err)
		}
		if got.N == 0 && last == 0 && got.Bytes == 0 {
			continue
		}
		if got.N != last && got.N != last+1 {
			return fmt.Sprintf("WRONG: blob %s has version %d; %d was acknowledged last", blob(caller), got.N, last), nil
		}
		v := k.version(caller, got.N)
		if want := v.Sum(); got != want {
			return fmt.Sprintf("WRONG: blob %s has %+v, want %+v", blob(caller), got, want), nil
		}
	}
	return "", nil
}
