package load

import (
	"math/bits"
	"time"
)

// sub is the number of buckets for each power of two: values are kept to 3 %.
const sub = 32

// histogram counts durations in a fixed memory. The zero value is empty.
type histogram struct {
	buckets [64 * sub]uint32
	n       uint64
	max     time.Duration
}

func (h *histogram) record(d time.Duration) {
	h.buckets[bucket(uint64(max(d, 0)))]++
	h.n++
	h.max = max(h.max, d)
}

// bucket returns the bucket of v: the values below sub have one each, and each
// power of two above is cut into sub.
func bucket(v uint64) int {
	if v < sub {
		return int(v)
	}
	shift := bits.Len64(v) - 6 // v>>shift is sub to 2*sub-1
	return (shift+1)*sub + int(v>>shift) - sub
}

// value returns the middle of a bucket.
func value(b int) float64 {
	if b < 2*sub {
		return float64(b)
	}
	shift := b/sub - 1
	return (float64(b%sub+sub) + 0.5) * float64(uint64(1)<<shift)
}

func (h *histogram) add(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

func (h *histogram) quantiles() Quantiles {
	ms := func(ns float64) float64 { return ns / float64(time.Millisecond) }
	return Quantiles{ms(h.quantile(0.5)), ms(h.quantile(0.99)), ms(h.quantile(0.999)), ms(float64(h.max))}
}

// quantile returns the value, in nanoseconds, that a share q is not above.
func (h *histogram) quantile(q float64) float64 {
	want := uint64(q * float64(h.n))
	for b, n := range h.buckets {
		if uint64(n) > want {
			return min(value(b), float64(h.max))
		}
		want -= uint64(n)
	}
	return 0
}
