package turn

import "testing"

// The last of a queue waits as long as the queue takes at its pace, which is
// that of lately, and at least as long as the first waits already.
func TestPace(t *testing.T) {
	var p Pace
	p.Begin(1000)
	if w := p.Wait(50, 1030); w != 30 {
		t.Errorf("nothing has left: %d", w)
	}
	p.done = 10
	p.Look(1100)
	if w := p.Wait(50, 1100); w != 500 {
		t.Errorf("10 in 100, and 50 wait %d", w)
	}
	p.Look(1300) // nothing left: it is not looked at
	if w := p.Wait(1, 1700); w != 600 {
		t.Errorf("nothing left for 600: %d", w)
	}
	p.Begin(9000) // it was empty: that time does not count
	for range 20 {
		p.done = 2
		p.Look(p.since + 80)
	}
	if w := p.Wait(10, p.since); w < 360 || w > 400 {
		t.Errorf("one takes 40 now, and 10 wait %d", w)
	}
}
