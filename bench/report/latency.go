package report

import (
	"slices"
	"time"
)

// Latencies gathers how long calls took. Each caller has one of its own.
type Latencies []time.Duration

// Quantiles returns the median and the 99th percentile of all, in
// milliseconds, and 0 if there are none.
func Quantiles(all ...Latencies) (p50, p99 float64) {
	flat := slices.Concat(all...)
	if len(flat) == 0 {
		return 0, 0
	}
	slices.Sort(flat)
	return MS(flat[len(flat)/2]), MS(flat[len(flat)*99/100])
}

// MS returns d in milliseconds.
func MS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
