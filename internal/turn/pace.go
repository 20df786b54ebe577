package turn

import "github.com/situ-dev/situ/internal/wire"

// Pace is how fast a queue has moved lately, for as long as it is not empty.
// The zero value knows nothing.
type Pace struct {
	since wire.Time // when it was looked at last, in ticks
	done  int32     // what left since then
	each  wire.Time // what one takes; 0 is not known
}

// Begin is called when the queue was empty and is not any more: the time until
// now was nobody's. What one takes is remembered.
func (p *Pace) Begin(tick wire.Time) { p.since, p.done = tick, 0 }

// Left notes that one has left.
func (p *Pace) Left() { p.done++ }

// Each returns what one takes, 0 if that is not known.
func (p *Pace) Each() wire.Time { return p.each }

// Look measures what left since the last look. Of what was known three quarters
// stay, so that a few looks forget it.
func (p *Pace) Look(tick wire.Time) {
	if p.done == 0 {
		return // it goes on waiting for the first
	}
	each := max((tick-p.since)/wire.Time(p.done), 1)
	if p.each != 0 {
		each = (3*p.each + each) / 4
	}
	p.since, p.done, p.each = tick, 0, each
}

// Wait returns how long the last of n waits, as far as that is known: at this
// pace, and no less than the first has waited since another left.
func (p *Pace) Wait(n int, tick wire.Time) wire.Time {
	return max(wire.Time(n)*p.each, tick-p.since)
}
