package turn

import (
	"math/rand/v2"
	"testing"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/wire"
)

// A bucket that is asked when it says lets through what its rate is, however
// uneven the looks; and none through that was saved up while nobody asked.
func TestBucket(t *testing.T) {
	rnd := rand.New(rand.NewPCG(seed.New(t), 3))
	for _, rate := range []float64{0.5, 3, 100, 25_000} {
		b, tick, passed := Bucket{Rate: rate}, wire.Time(1e18), 0
		end := tick + 20e9
		for tick < end {
			passed += b.Take(tick, 1+rnd.IntN(5000))
			if next := b.Next(); next > tick {
				tick = next
			} else {
				tick += wire.Time(rnd.IntN(2e6))
			}
		}
		if want := rate * 20; float64(passed) < want*0.95-1 || float64(passed) > want+2 {
			t.Errorf("%v a second: %d passed in 20 seconds", rate, passed)
		}
		if n := b.Take(tick+3600e9, 1e9); float64(n) > max(1, rate/20) {
			t.Errorf("%v a second: %d passed after an hour in which nobody asked", rate, n)
		}
	}
	var any Bucket
	if any.Take(5, 7) != 7 || any.Next() > 5 {
		t.Error("a bucket without a rate holds something back")
	}
}
