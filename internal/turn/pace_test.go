package turn

import (
	"testing"

	"github.com/situ-dev/situ/internal/wire"
)

// The last of a queue waits as long as the queue takes at its pace, which is
// that of lately, and at least as long as the first waits already.
func TestPace(t *testing.T) {
	const ms = wire.Time(1e6)
	var p Pace
	leave := func(n int, at wire.Time) {
		for range n {
			p.Left(at)
		}
		p.Look(at)
	}
	p.Begin(1000 * ms)
	if w := p.Wait(50, 1030*ms); w != 30*ms {
		t.Errorf("nothing has left: %d", w)
	}
	leave(1, 1050*ms) // such as the first commit
	if w := p.Wait(5000, 1050*ms); w != 0 {
		t.Errorf("one has left, and 5000 wait %d: that is no pace", w)
	}
	leave(30, 1060*ms)
	if w := p.Wait(5000, 1060*ms); w != 0 {
		t.Errorf("a pace of 60 ms: %d", w)
	}
	leave(169, 1200*ms)
	if w := p.Wait(50, 1200*ms); w != 50*ms {
		t.Errorf("200 in 200 ms, and 50 wait %d", w)
	}
	leave(0, 1800*ms)
	if w := p.Wait(1, 1800*ms); w != 600*ms {
		t.Errorf("nothing left for 600 ms: %d", w)
	}
	p.Begin(9000 * ms) // it was empty
	if w := p.Wait(100, 9000*ms); w != 0 {
		t.Errorf("it was empty, and 100 wait %d", w)
	}
	at := 9000 * ms
	leave(100, at+100*ms)
	for range 30 {
		at += 1600 * ms
		leave(40, at)
	}
	if w := p.Wait(10, at); w < 360*ms || w > 400*ms {
		t.Errorf("one takes 40 ms now, and 10 wait %d", w)
	}
}
