package wire

import (
	"slices"
	"strings"
)

// Waiters is who waits for the answer of a call, oldest first, by the addresses of
// methods.
type Waiters []string

// What a path holds at most. It forgets the oldest first: a cycle that is longer is
// not found.
const (
	maxWaiters   = 16
	maxPathBytes = 2048
)

// And returns w with one more, who waits for the last.
func (w Waiters) And(to Address) Waiters {
	w = append(slices.Clone(w), to.String())
	size := 0
	for i, s := range slices.Backward(w) {
		if size += len(s); size > maxPathBytes || len(w)-i > maxWaiters {
			return w[i+1:]
		}
	}
	return w
}

// Waiting returns who waits for the answer of env: its path, and those whose
// continuations its callback names.
func (env *Envelope) Waiting() Waiters {
	w := env.Path()
	var stack []Address
	for cb := env.Back; cb != nil; cb = cb.Parent {
		if cb.Kind == ToMethod && !cb.To.Function() {
			stack = append(stack, cb.To)
		}
	}
	for _, to := range slices.Backward(stack) {
		if len(w) == 0 || !of(w[len(w)-1], to.Object()) { // one that waits in several turns is there once
			w = w.And(to)
		}
	}
	return w
}

// of reports whether a waiter is a method of an object.
func of(waiter string, o ObjectID) bool {
	method, ok := strings.CutPrefix(waiter, o.String()+".")
	return ok && !strings.Contains(method, "/")
}

// Cycle returns the waiters from the one on that is the object which is to wait now,
// nil if there is none.
func (w Waiters) Cycle(o ObjectID) Waiters {
	for i, s := range w {
		if of(s, o) {
			return w[i:]
		}
	}
	return nil
}

// Words says who waits for whom, and at last for to.
func (w Waiters) Words(to Address) string {
	return strings.Join(append(slices.Clone(w), to.String()), " waits for ")
}
