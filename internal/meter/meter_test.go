package meter

import (
	"math"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
)

func sample() Counts {
	return Counts{Turns: 1, Errors: 2, Retries: 3, Dead: 4, Active: 5, Calls: 6, Wall: 700, Sync: 8, Own: 9}
}

// TestGolden holds the format on disk.
func TestGolden(t *testing.T) {
	c := sample()
	b := golden.Hex(t, "counts.hex", Append(nil, &c))
	if got, err := Decode(b); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Decode(nil); err != nil || !got.Zero() {
		t.Errorf("nothing: %+v, %v", got, err)
	}
	if _, err := Decode(b[:1]); err == nil {
		t.Error("half a number is counts")
	}
}

func TestAdd(t *testing.T) {
	a, b := sample(), sample()
	a.Add(&b)
	if a != (Counts{2, 4, 6, 8, 10, 12, 1400, 16, 18}) || a.Waited() != 1382 {
		t.Errorf("%+v", a)
	}
}

// An hour of an instance with 1 GB, at the default price.
func TestPrice(t *testing.T) {
	p := Price{MemoryMB: 1024, GBSecond: DefaultPrice.GBSecond}
	if got := p.Of(3600e9); math.Abs(got-0.06000012) > 1e-9 {
		t.Errorf("%g", got)
	}
	if got := DefaultPrice.Of(8e9); math.Abs(got-DefaultPrice.GBSecond) > 1e-12 {
		t.Errorf("8 s with 128 MB: %g", got)
	}
}
