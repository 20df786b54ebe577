// Package figure counts what a version of a program does: how many of its calls
// failed, and how long they took. Shards and lanes add to it from their goroutines;
// fleet reads it. It decides nothing.
package figure

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
)

// bounds of the lengths that are told apart: four to an octave, from a microsecond on.
const lengths = 4 * 36

// Figures count since a program was first run. The zero value is ready.
type Figures struct {
	failed atomic.Uint64
	took   [lengths]atomic.Uint64
}

// Counts are what was counted until some time.
type Counts struct {
	Failed uint64
	Took   [lengths]uint64
}

// canceled is a failure that is nobody's fault.
var canceled = fault.Canceled.String()

// Result counts what became of a call; nil says that the program died of it. One
// that has not ended is not counted.
func (f *Figures) Result(res *turn.Result) {
	if res == nil {
		f.Add(true, 0)
		return
	}
	switch res.Outcome {
	case turn.Done, turn.Panicked:
		f.Add(res.Outcome == turn.Panicked || res.Fail != nil && res.Fail.Kind != canceled, time.Duration(res.Took))
	}
}

// Add counts a call.
func (f *Figures) Add(failed bool, took time.Duration) {
	if failed {
		f.failed.Add(1)
	}
	f.took[slot(took)].Add(1)
}

// Read returns what was counted so far.
func (f *Figures) Read() *Counts {
	c := &Counts{Failed: f.failed.Load()}
	for i := range f.took {
		c.Took[i] = f.took[i].Load()
	}
	return c
}

// slot returns where a length is counted.
func slot(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 4 {
		return int(us)
	}
	n := bits.Len64(us)                             // 3 and more
	return min(4*(n-2)+int(us>>(n-3)&3), lengths-1) // its two digits after the first
}

// upper returns what is longer than all lengths in a slot.
func upper(slot int) time.Duration {
	if slot < 4 {
		return time.Duration(slot+1) * time.Microsecond
	}
	n, part := slot/4+2, uint64(slot%4)
	return time.Duration((4+part+1)<<(n-3)) * time.Microsecond
}

// Since returns how many calls were counted since an earlier look, how many of them
// failed, and a time that 95 in a hundred were quicker than, a fourth too long at most.
func (c *Counts) Since(before *Counts) (calls, failed int, p95 time.Duration) {
	var took [lengths]uint64
	n := uint64(0)
	for i := range took {
		took[i] = c.Took[i] - before.Took[i]
		n += took[i]
	}
	sum := uint64(0)
	for i, k := range took {
		if sum += k; sum*100 >= n*95 && n > 0 {
			p95 = upper(i)
			break
		}
	}
	return int(n), int(c.Failed - before.Failed), p95
}
