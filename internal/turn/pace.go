package turn

import "github.com/situ-dev/situ/internal/wire"

// Pace is how fast a queue moves, for as long as it is not empty. The zero
// value knows nothing. Times are ticks of the owner, in nanoseconds.
type Pace struct {
	since wire.Time // when the measurement under way began
	last  wire.Time // when one left last, or the queue began
	done  int32     // what left since
	each  wire.Time // what one takes; 0 is not known
}

// A measurement takes so long at least, and sees so many leave: a start, or a
// disk that stands still for a moment, is not the pace of a queue.
const (
	paceTime = wire.Time(50e6)
	paceDone = 32
)

// Begin is called when the queue was empty and is not any more. What was known
// is of another time.
func (p *Pace) Begin(tick wire.Time) { *p = Pace{since: tick, last: tick} }

// Left notes that one has left.
func (p *Pace) Left(tick wire.Time) { p.last, p.done = tick, p.done+1 }

// Look measures what left, if that is enough to tell. Of what was known three
// quarters stay, so that a few looks forget it.
func (p *Pace) Look(tick wire.Time) {
	if p.done < paceDone || tick-p.since < paceTime {
		return
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
	return max(wire.Time(n)*p.each, tick-p.last)
}
