// Package heap sets Go's garbage collector for a process that is a server: it
// trades memory, of which there is enough, for a quarter of the processor's
// time, and stops doing so before memory runs short. Tune is called once, by a
// program's main, and never by a library; what holds memory asks AtMost what it
// may hold.
package heap

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
)

// percent is how much the heap may grow between collections, relative to what
// is alive. Measured on the airline, 500×250: 400 takes 25 % less processor
// time than Go's 100, and 800 no less than 400.
const percent = 400

// What is alive and has no pointers costs a collection nothing, and buys nothing: of
// such a heap, twice its size is enough. It is so when less than 1/8 has
// pointers; from a half on, percent stays. A heap may always grow by leastRoom
// bytes, as far as percent goes: collections also cost something that is the same for each.
const (
	leastPercent = 100
	fullShare    = 2 // 1/fullShare
	leastRoom    = 256 << 20
)

// percentFor returns the percent for a heap with so many bytes alive, of which so many may
// hold pointers.
func percentFor(live, scan uint64) int {
	if live == 0 {
		return percent
	}
	return int(min(max(percent*fullShare*scan/live, leastRoom*100/live, leastPercent), percent))
}

// tuner sets the percent anew after a collection.
type tuner struct {
	now     int
	samples [2]metrics.Sample
}

// follow has t look after the next collection, and after each that follows.
func follow(t *tuner) {
	runtime.SetFinalizer(&struct{ t *tuner }{t}, func(mark *struct{ t *tuner }) {
		mark.t.look()
		follow(mark.t)
	})
}

func (t *tuner) look() {
	t.samples[0].Name, t.samples[1].Name = "/gc/heap/live:bytes", "/gc/scan/heap:bytes"
	metrics.Read(t.samples[:])
	p := percentFor(t.samples[0].Value.Uint64(), t.samples[1].Value.Uint64())
	if d := p - t.now; d > t.now/8 || -d > t.now/8 { // each change stops the world for a moment
		debug.SetGCPercent(p)
		t.now = p
	}
}

// Tune sets the collector, unless GOGC says how, and a soft limit of two
// fifths of the machine's memory, unless GOMEMLIMIT says what: near the limit
// the collector works harder, so that the trade cannot exhaust the machine.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
		follow(&tuner{now: percent})
	}
	if total := physical(); total > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(total / 5 * 2)
	}
}

// AtMost returns want, or one part-th of the memory limit if that is less: the
// default of a bound that holds memory. Both are bytes.
func AtMost(want, part int64) int64 {
	return min(want, debug.SetMemoryLimit(-1)/part)
}

// physical returns the machine's memory in bytes, 0 if it cannot be known.
func physical() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }() // only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			var kb int64
			if _, err := fmt.Sscanf(rest, "%d kB", &kb); err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}
