package situ

import (
	"iter"
	"reflect"

	"github.com/situ-dev/situ/internal/element"
)

// A List is a field of an object's state that records its changes element by
// element, and serves as a queue too: a turn that appends to, or shifts from,
// a long list writes one element. An element that was changed in place is not
// noticed: Set it. The zero List is empty.
type List[T any] struct{ l *element.List[T] }

func (l *List[T]) state() *element.List[T] {
	if l.l == nil {
		l.l = element.NewList[T]()
	}
	return l.l
}

// Len returns the number of elements.
func (l *List[T]) Len() int { return l.l.Len() }

// At returns element i, from 0. It panics if there is none, like a slice.
func (l *List[T]) At(i int) T { return l.l.At(i) }

// Set makes v element i. It panics if there is none.
func (l *List[T]) Set(i int, v T) { l.l.Set(i, v) }

// Append adds v at the end.
func (l *List[T]) Append(v T) { l.state().Append(v) }

// Shift removes the first element and returns it, and false if there is none.
func (l *List[T]) Shift() (v T, ok bool) { return l.l.Shift() }

// Truncate removes the elements from n on.
func (l *List[T]) Truncate(n int) { l.l.Truncate(n) }

// All returns the elements with their indexes, in order.
func (l *List[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := 0; i < l.Len(); i++ {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

// MarshalCBOR implements the encoding of state: the elements are apart.
func (l List[T]) MarshalCBOR() ([]byte, error) { return element.ListKind.Mark(), nil }

// UnmarshalCBOR implements the decoding of state.
func (l *List[T]) UnmarshalCBOR([]byte) error { return nil }

func (l *List[T]) kept() element.Tracked { return l.state() }

func (l *List[T]) point(k element.Tracked) { l.l = k.(*element.List[T]) }

func (l *List[T]) adopt(k element.Tracked) {
	into := k.(*element.List[T])
	into.Adopt(l.l)
	l.l = into
}

func (l *List[T]) element() (element.Kind, reflect.Type) {
	return element.ListKind, reflect.TypeFor[T]()
}

// A Counter is a number in an object's state that is written apart from the
// rest. The zero Counter is 0.
type Counter struct{ c *element.Counter }

// Add adds n and returns the sum. It wraps around like any int64.
func (c *Counter) Add(n int64) int64 { return c.state().Add(n) }

// Value returns the number.
func (c *Counter) Value() int64 { return c.c.Value() }

func (c *Counter) state() *element.Counter {
	if c.c == nil {
		c.c = &element.Counter{}
	}
	return c.c
}

// MarshalCBOR implements the encoding of state: the number is apart.
func (c Counter) MarshalCBOR() ([]byte, error) { return element.CounterKind.Mark(), nil }

// UnmarshalCBOR implements the decoding of state.
func (c *Counter) UnmarshalCBOR([]byte) error { return nil }

func (c *Counter) kept() element.Tracked { return c.state() }

func (c *Counter) point(k element.Tracked) { c.c = k.(*element.Counter) }

func (c *Counter) adopt(k element.Tracked) {
	n := c.Value()
	c.c = k.(*element.Counter)
	c.Add(n - c.Value())
}

func (c *Counter) element() (element.Kind, reflect.Type) {
	return element.CounterKind, reflect.TypeFor[int64]()
}
