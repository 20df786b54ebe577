package situ

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/situ-dev/situ/internal/turn"
)

// A List is a field of an object's state that records its changes element by
// element, and serves as a queue too: a turn that appends to, or shifts from,
// a long list writes one element. The zero List is empty.
type List[T any] struct {
	m     Map[uint64, T]
	first *span
}

// span is the range of used indexes. It is derived from the elements.
type span struct{ from, to, savedFrom, savedTo uint64 }

func (l *List[T]) span() *span {
	if l.first == nil {
		l.first = &span{}
	}
	return l.first
}

// Len returns the number of elements.
func (l *List[T]) Len() int { return l.m.Len() }

// At returns element i, from 0. It panics if there is none, like a slice.
func (l *List[T]) At(i int) T {
	l.check(i)
	v, _ := l.m.Get(l.first.from + uint64(i))
	return v
}

// Set makes v element i. It panics if there is none.
func (l *List[T]) Set(i int, v T) {
	l.check(i)
	l.m.Set(l.first.from+uint64(i), v)
}

func (l *List[T]) check(i int) {
	if i < 0 || i >= l.Len() {
		panic(fmt.Sprintf("situ: index %d of a list of %d", i, l.Len()))
	}
}

// Append adds v at the end.
func (l *List[T]) Append(v T) {
	s := l.span()
	l.m.Set(s.to, v)
	s.to++
}

// Shift removes the first element and returns it, and false if there is none.
func (l *List[T]) Shift() (v T, ok bool) {
	if l.Len() == 0 {
		return v, false
	}
	s := l.span()
	v, _ = l.m.Get(s.from)
	l.m.Delete(s.from)
	s.from++
	return v, true
}

// Truncate removes the elements from n on.
func (l *List[T]) Truncate(n int) {
	for s := l.span(); l.Len() > max(n, 0); {
		s.to--
		l.m.Delete(s.to)
	}
}

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
func (l List[T]) MarshalCBOR() ([]byte, error) { return kindList.marshal() }

// UnmarshalCBOR implements the decoding of state.
func (l *List[T]) UnmarshalCBOR([]byte) error { return nil }

func (l *List[T]) load(key, value []byte) error {
	i, err := decodeKey[uint64](key)
	if err != nil {
		return err
	}
	s := l.span()
	if l.Len() == 0 {
		s.from, s.to = i, i
	}
	s.from, s.to = min(s.from, i), max(s.to, i+1)
	return l.m.load(key, value)
}

func (l *List[T]) begin(readOnly bool) {
	s := l.span()
	s.savedFrom, s.savedTo = s.from, s.to
	l.m.begin(readOnly)
}

func (l *List[T]) rollback() {
	s := l.span()
	s.from, s.to = s.savedFrom, s.savedTo
	l.m.rollback()
}

func (l *List[T]) collect(field string, all bool, c *turn.Change) error {
	return l.m.collect(field, all, c)
}

func (l *List[T]) bytes() int { return l.m.bytes() }

func (l *List[T]) element() (containerKind, reflect.Type) { return kindList, reflect.TypeFor[T]() }

// A Counter is a number in an object's state that is written apart from the
// rest. The zero Counter is 0.
type Counter struct{ c *counterState }

type counterState struct {
	n, saved int64
	changed  bool
	size     int
	frozen   bool
}

func (c *Counter) state() *counterState {
	if c.c == nil {
		c.c = &counterState{}
	}
	return c.c
}

// Add adds n and returns the sum. It wraps around like any int64.
func (c *Counter) Add(n int64) int64 {
	s := c.state()
	noWrite(s.frozen)
	s.n += n
	s.changed = true
	return s.n
}

// Value returns the number.
func (c *Counter) Value() int64 {
	if c.c == nil {
		return 0
	}
	return c.c.n
}

// MarshalCBOR implements the encoding of state: the number is apart.
func (c Counter) MarshalCBOR() ([]byte, error) { return kindCounter.marshal() }

// UnmarshalCBOR implements the decoding of state.
func (c *Counter) UnmarshalCBOR([]byte) error { return nil }

func (c *Counter) load(_, value []byte) error {
	s := c.state()
	s.size = len(value)
	return decMode.Unmarshal(value, &s.n)
}

func (c *Counter) begin(readOnly bool) {
	s := c.state()
	s.saved, s.frozen = s.n, readOnly
}

func (c *Counter) rollback() { c.state().n = c.state().saved }

func (c *Counter) collect(field string, all bool, ch *turn.Change) error {
	s := c.state()
	if !s.changed && !all {
		return nil
	}
	v, err := encode(s.n)
	if err != nil {
		return err
	}
	s.changed, s.size = false, len(v)
	ch.Entries = append(ch.Entries, turn.Entry{Field: field, Value: v})
	return nil
}

func (c *Counter) bytes() int { return c.state().size }

func (c *Counter) element() (containerKind, reflect.Type) {
	return kindCounter, reflect.TypeFor[int64]()
}
