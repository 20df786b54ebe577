package turn

import (
	"math"

	"github.com/situ-dev/situ/internal/wire"
)

// Bucket lets so many through in a second. Times are ticks of the owner, in
// nanoseconds. The zero value lets everything through.
type Bucket struct {
	Rate   float64 // a second; 0 is any number
	tokens float64
	at     wire.Time // of the last look, 0 before the first
}

// bucketStep is the shortest time between two looks at a bucket that is empty:
// a high rate comes in lots.
const bucketStep = wire.Time(1e6)

// Take returns how many of want may pass now. What was not taken does not gather
// for longer than a twentieth of a second: a rate is a rate, not a debt.
func (b *Bucket) Take(tick wire.Time, want int) int {
	if b.Rate <= 0 {
		return want
	}
	if b.at == 0 {
		b.tokens = 1
	} else {
		b.tokens += b.Rate * float64(max(tick-b.at, 0)) / 1e9
	}
	b.at, b.tokens = tick, min(b.tokens, max(1, b.Rate/20))
	n := min(want, int(b.tokens+1e-9))
	b.tokens -= float64(n)
	return n
}

// Back gives back what was taken and did not pass.
func (b *Bucket) Back(n int) { b.tokens += float64(n) }

// Next returns when the next may pass.
func (b *Bucket) Next() wire.Time {
	if b.Rate <= 0 || b.tokens >= 1 {
		return b.at
	}
	wait := math.Ceil((1 - b.tokens) / b.Rate * 1e9)
	return b.at + max(wire.Time(min(wait, 3600e9)), bucketStep)
}
