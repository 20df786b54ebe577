package counter

import (
	"testing"
	"time"
)

// What Rounds returns takes about the time that was asked for. How exactly is
// not tested: others use the machine, too.
func TestRounds(t *testing.T) {
	if n, err := Rounds(0); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	n, err := Rounds(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	least := time.Hour
	for range 20 {
		begin := time.Now()
		if err := toil(n); err != nil {
			t.Fatal(err)
		}
		least = min(least, time.Since(begin))
	}
	if least < 300*time.Microsecond || least > 3*time.Millisecond {
		t.Errorf("%d rounds took %v at least, not a millisecond", n, least)
	}
}
