package simtest

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/seed"
)

// fixed is how many seeds are the same each time: 1, 2, 3 and so on.
const fixed = 200

// number reads an environment variable that is a number.
func number(t *testing.T, name string) (n uint64, set bool) {
	s := os.Getenv(name)
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n, true
}

// TestSim runs many seeds. SITU_SEED runs one, SIM_SEEDS so many.
func TestSim(t *testing.T) {
	if seed, one := seed.Given(t); one {
		shared := &sharedStore{t: t}
		defer shared.close()
		w := newWorld(seed, false)
		w.run(shared.disk(len(w.shards)))
		if len(w.errs) > 0 {
			t.Error(w.report())
		}
		return
	}
	seeds, set := number(t, "SIM_SEEDS")
	if !set {
		seeds = 2000
	}
	base := uint64(time.Now().UnixNano())
	began := time.Now()
	count := runAll(t, int(seeds), func(i int) uint64 {
		if i < fixed {
			return uint64(i + 1)
		}
		return base + uint64(i)
	})
	if t.Failed() {
		return
	}
	if seeds >= 1000 {
		for _, what := range covered(count) {
			t.Errorf("in %d seeds it never happened: %s", seeds, what)
		}
	}
	t.Logf("%d seeds in %v, base %d", seeds, time.Since(began).Round(time.Second), base)
	for _, k := range sortedKeys(count) {
		t.Logf("%9d %s", count[k], k)
	}
}

// runAll runs n seeds on all processors and adds up what happened. It stops
// after a few failures.
func runAll(t *testing.T, n int, seed func(int) uint64) map[string]int {
	var mu sync.Mutex
	total := map[string]int{}
	var next, failed atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			shared := &sharedStore{t: t}
			defer shared.close()
			for {
				i := int(next.Add(1)) - 1
				if i >= n || failed.Load() >= 3 {
					return
				}
				w := newWorld(seed(i), false)
				w.run(shared.disk(len(w.shards)))
				if len(w.errs) > 0 {
					failed.Add(1)
					t.Errorf("after %d seeds: %s", i, w.report())
				}
				mu.Lock()
				for k, v := range w.count {
					total[k] += v
				}
				total["steps"] += w.steps
				total["operations"] += len(w.ops)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return total
}

// TestSimReplay runs seeds twice: a seed is a failure that can be run again
// only if it makes the same run. That sources come first in any order, say, shows
// in one of fifty seeds only.
func TestSimReplay(t *testing.T) {
	shared := &sharedStore{t: t}
	defer shared.close()
	for seed := range uint64(120) {
		var runs [2]*world
		for i := range runs {
			runs[i] = newWorld(seed, false)
			runs[i].run(shared.disk(len(runs[i].shards)))
		}
		a, b := runs[0], runs[1]
		if a.digest != b.digest || a.steps != b.steps || !maps.Equal(a.count, b.count) {
			t.Errorf("seed %d: %d and %d steps, digests %x and %x: the second run was another", seed, a.steps, b.steps, a.digest, b.digest)
			if os.Getenv("SIM_EVENTS") != "" {
				for i, w := range runs {
					_ = os.WriteFile(fmt.Sprintf("%s/run%d", os.Getenv("SIM_EVENTS"), i), []byte(w.report()), 0o600)
				}
			}
		}
	}
}

// TestSimSweep takes seeds that lose wake-ups and runs each with the sweep and
// without. With it all come to rest. Without it many must not: else what is lost
// is not worth a net.
func TestSimSweep(t *testing.T) {
	shared := &sharedStore{t: t}
	defer shared.close()
	run := func(seed uint64, sweep bool) *world {
		w := newWorld(seed, false)
		if !sweep {
			w.cfg.Sweep = -1
		}
		w.run(shared.disk(len(w.shards)))
		return w
	}
	const want = 30
	seeds, stuck := 0, 0
	for seed := uint64(1); seeds < want; seed++ {
		if newWorld(seed, false).edges == 0 {
			continue
		}
		seeds++
		if w := run(seed, true); len(w.errs) > 0 {
			t.Errorf("with the sweep: %s", w.report())
		}
		if w := run(seed, false); len(w.errs) > 0 {
			stuck++
			if !strings.Contains(w.errs[0], noRest) {
				t.Errorf("without the sweep something else is wrong: %s", w.report())
			}
		}
	}
	if stuck < want/2 {
		t.Errorf("of %d seeds that lose wake-ups only %d do not come to rest without the sweep", want, stuck)
	}
	t.Logf("of %d seeds that lose wake-ups %d do not come to rest without the sweep", want, stuck)
}

// powerSeeds is how many seeds lose power on a store of their own.
const powerSeeds = 40

// TestSimPower runs seeds on stores of their own, whose file system loses a
// random share of what was not synced. What is there after a crash depends on
// Pebble's goroutines, too, so here a seed does not always make the same run.
func TestSimPower(t *testing.T) {
	base := uint64(time.Now().UnixNano())
	if seed, one := seed.Given(t); one {
		base = seed
	}
	n, set := number(t, "SIM_SEEDS")
	if n /= 20; !set {
		n = powerSeeds
	}
	count := map[string]int{}
	for i := range n {
		w := newWorld(base+i, true)
		w.run(newPowerDisk(len(w.shards)))
		if len(w.errs) > 0 {
			t.Errorf("replay with -run TestSimPower: %s", w.report())
			break
		}
		for k, v := range w.count {
			count[k] += v
		}
	}
	t.Logf("%d seeds from %d: %d crashes, of the commits under way %d were there and %d were not", n, base, count["crash"],
		count["commit under way, there after the crash"], count["commit under way, lost in the crash"])
}
