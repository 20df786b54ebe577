package resident

import (
	"slices"

	"github.com/situ-dev/situ/internal/wire"
)

// What waits with another priority than the normal one stands aside, and is put
// among the others when a frame is made: as if it had come earlier, or later, than
// it did. So nothing waits for ever: what is of low priority is overtaken only by what comes within
// a bounded time after it.
const (
	highLead = wire.Time(1e9)
	lowLag   = wire.Time(10e9)
)

// Line is what waits for a host, each priority in the order in which it came.
type Line[T any] struct{ high, low []T }

// aside returns where something of a priority waits, nil for the normal one, whose
// place is elsewhere.
func (l *Line[T]) aside(p wire.Priority) *[]T {
	switch p {
	case wire.High:
		return &l.high
	case wire.Low:
		return &l.low
	}
	return nil
}

func (l *Line[T]) Len() int { return len(l.high) + len(l.low) }

// All calls f for all that stand aside.
func (l *Line[T]) All(f func(T)) {
	for _, list := range [][]T{l.high, l.low} {
		for _, v := range list {
			f(v)
		}
	}
}

// Filter drops those for which drop returns true.
func (l *Line[T]) Filter(drop func(T) bool) {
	l.high, l.low = slices.DeleteFunc(l.high, drop), slices.DeleteFunc(l.low, drop)
}

// merge puts the first of those that stand aside among the first of the others,
// until there are n in their order. Since says when one came.
func (l *Line[T]) merge(others []T, n int, since func(T) wire.Time) []T {
	if l.Len() == 0 {
		return others
	}
	var front []T
	i := 0
	for len(front) < n {
		var from *[]T
		best := wire.Time(0)
		look := func(list *[]T, shift wire.Time) {
			if len(*list) > 0 {
				if at := since((*list)[0]) + shift; from == nil || at < best {
					from, best = list, at
				}
			}
		}
		rest := others[i:]
		look(&l.high, -highLead)
		look(&rest, 0)
		look(&l.low, lowLag)
		if from == nil {
			break
		}
		front = append(front, (*from)[0])
		if from == &rest {
			i++
			continue
		}
		*from = (*from)[1:]
	}
	return append(front, others[i:]...)
}

// priority returns that of a message. What may have killed a worker is tried in
// the common order.
func priority(env *wire.Envelope) wire.Priority {
	if env == nil || env.Policy == nil || env.Note&wire.Suspect != 0 {
		return wire.Normal
	}
	return env.Policy.Priority
}

// Rank brings what stands aside to where a frame takes it from, about n of it.
func (p *Program) Rank(n int) {
	p.Ready = p.AsideObjects.merge(p.Ready, n, func(o *Object) wire.Time { return o.Since })
	p.Funcs = p.AsideFuncs.merge(p.Funcs, n, func(env *wire.Envelope) wire.Time { return max(env.Made, env.Due) })
}

// PutReady puts an object that became ready where it waits: as its first message
// says.
func (p *Program) PutReady(o *Object) {
	if to := p.AsideObjects.aside(priority(o.Box.Queue())); to != nil {
		*to = append(*to, o)
		return
	}
	p.Ready = append(p.Ready, o)
}

// PutFunction puts a call of a function where it waits.
func (p *Program) PutFunction(env *wire.Envelope) {
	if to := p.AsideFuncs.aside(priority(env)); to != nil {
		*to = append(*to, env)
		return
	}
	p.Funcs = append(p.Funcs, env)
}
