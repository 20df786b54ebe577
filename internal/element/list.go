package element

import (
	"fmt"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
)

// List is the elements of a list by their indexes, and the range of those. A
// nil List can be read, and is empty.
type List[T any] struct {
	m                  Map[uint64, T]
	from, to           uint64
	savedFrom, savedTo uint64
}

// NewList returns an empty list.
func NewList[T any]() *List[T] { return &List[T]{m: *NewMap[uint64, T]()} }

// Len returns the number of elements.
func (l *List[T]) Len() int {
	if l == nil {
		return 0
	}
	return int(l.to - l.from)
}

// At returns element i, from 0. It panics if there is none, like a slice.
func (l *List[T]) At(i int) T {
	at := l.index(i)
	v, _ := l.m.Get(at)
	return v
}

// Set makes v element i. It panics if there is none.
func (l *List[T]) Set(i int, v T) {
	at := l.index(i)
	l.m.Set(at, v)
}

func (l *List[T]) index(i int) uint64 {
	if i < 0 || i >= l.Len() {
		panic(fmt.Sprintf("situ: index %d of a list of %d", i, l.Len()))
	}
	return l.from + uint64(i)
}

// Append adds v at the end.
func (l *List[T]) Append(v T) {
	l.m.Set(l.to, v)
	l.to++
}

// Shift removes the first element and returns it, and false if there is none.
func (l *List[T]) Shift() (v T, ok bool) {
	if l.Len() == 0 {
		return v, false
	}
	v, _ = l.m.Get(l.from)
	l.m.Delete(l.from)
	l.from++
	return v, true
}

// Truncate removes the elements from n on.
func (l *List[T]) Truncate(n int) {
	for l.Len() > max(n, 0) {
		l.m.Delete(l.to - 1)
		l.to--
	}
}

// Adopt makes the elements of l those of from.
func (l *List[T]) Adopt(from *List[T]) {
	l.Truncate(from.Len())
	for i := range from.Len() {
		if v := from.At(i); i < l.Len() {
			l.Set(i, v)
		} else {
			l.Append(v)
		}
	}
}

// Load implements Tracked.
func (l *List[T]) Load(key, value []byte) error {
	i, err := DecodeKey[uint64](key)
	if err != nil {
		return err
	}
	if l.from == l.to {
		l.from, l.to = i, i
	}
	l.from, l.to = min(l.from, i), max(l.to, i+1)
	return l.m.Load(key, value)
}

// Whole returns an error if an element is missing among those loaded.
func (l *List[T]) Whole() error {
	if n := uint64(len(l.m.cells)); l.to-l.from != n {
		return fmt.Errorf("there are %d elements of a list from %d to %d", n, l.from, l.to)
	}
	return nil
}

// Begin implements Tracked.
func (l *List[T]) Begin(readOnly bool) {
	l.savedFrom, l.savedTo = l.from, l.to
	l.m.Begin(readOnly)
}

// Rollback implements Tracked.
func (l *List[T]) Rollback(traits codec.Traits) bool {
	l.from, l.to = l.savedFrom, l.savedTo
	return l.m.Rollback(traits)
}

// Collect implements Tracked.
func (l *List[T]) Collect(field string, traits codec.Traits, c *turn.Change) error {
	return l.m.Collect(field, traits, c)
}

// Bytes implements Tracked.
func (l *List[T]) Bytes() int { return l.m.Bytes() }

// Reset implements Tracked.
func (l *List[T]) Reset() { *l = *NewList[T]() }
