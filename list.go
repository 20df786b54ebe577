package situ

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
)

// A List is a field of an object's state that records its changes element by
// element, and serves as a queue too: a turn that appends to, or shifts from,
// a long list writes one element. An element that was changed in place is not
// noticed: Set it. The zero List is empty.
type List[T any] struct{ l *listState[T] }

// listState is the elements by their indexes, and the range of those.
type listState[T any] struct {
	m                  mapState[uint64, T]
	from, to           uint64
	savedFrom, savedTo uint64
}

func (l *List[T]) state() *listState[T] {
	if l.l == nil {
		l.l = &listState[T]{m: *newMapState[uint64, T]()}
	}
	return l.l
}

// Len returns the number of elements.
func (l *List[T]) Len() int {
	if l.l == nil {
		return 0
	}
	return int(l.l.to - l.l.from)
}

// At returns element i, from 0. It panics if there is none, like a slice.
func (l *List[T]) At(i int) T {
	v, _ := l.l.m.get(l.index(i))
	return v
}

// Set makes v element i. It panics if there is none.
func (l *List[T]) Set(i int, v T) {
	at := l.index(i)
	l.l.m.set(at, v)
}

func (l *List[T]) index(i int) uint64 {
	if i < 0 || i >= l.Len() {
		panic(fmt.Sprintf("situ: index %d of a list of %d", i, l.Len()))
	}
	return l.l.from + uint64(i)
}

// Append adds v at the end.
func (l *List[T]) Append(v T) {
	s := l.state()
	s.m.set(s.to, v)
	s.to++
}

// Shift removes the first element and returns it, and false if there is none.
func (l *List[T]) Shift() (v T, ok bool) {
	if l.Len() == 0 {
		return v, false
	}
	s := l.l
	v, _ = s.m.get(s.from)
	s.m.del(s.from)
	s.from++
	return v, true
}

// Truncate removes the elements from n on.
func (l *List[T]) Truncate(n int) {
	for l.Len() > max(n, 0) {
		l.l.m.del(l.l.to - 1)
		l.l.to--
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

func (l *List[T]) kept() tracked { return l.state() }

func (l *List[T]) point(k tracked) { l.l = k.(*listState[T]) }

func (l *List[T]) adopt(k tracked) {
	into, from := List[T]{k.(*listState[T])}, *l
	into.Truncate(from.Len())
	for i, v := range from.All() {
		if i < into.Len() {
			into.Set(i, v)
		} else {
			into.Append(v)
		}
	}
	*l = into
}

func (l *List[T]) element() (containerKind, reflect.Type) { return kindList, reflect.TypeFor[T]() }

func (s *listState[T]) load(key, value []byte) error {
	i, err := decodeKey[uint64](key)
	if err != nil {
		return err
	}
	if s.from == s.to {
		s.from, s.to = i, i
	}
	s.from, s.to = min(s.from, i), max(s.to, i+1)
	return s.m.load(key, value)
}

// whole returns an error if an element is missing among those loaded.
func (s *listState[T]) whole() error {
	if n := uint64(len(s.m.cells)); s.to-s.from != n {
		return fmt.Errorf("there are %d elements of a list from %d to %d", n, s.from, s.to)
	}
	return nil
}

func (s *listState[T]) begin(readOnly bool) {
	s.savedFrom, s.savedTo = s.from, s.to
	s.m.begin(readOnly)
}

func (s *listState[T]) rollback() bool {
	s.from, s.to = s.savedFrom, s.savedTo
	return s.m.rollback()
}

func (s *listState[T]) collect(field string, c *turn.Change) error { return s.m.collect(field, c) }

func (s *listState[T]) bytes() int { return s.m.bytes() }

func (s *listState[T]) reset() { *s = listState[T]{m: *newMapState[uint64, T]()} }

// A Counter is a number in an object's state that is written apart from the
// rest. The zero Counter is 0.
type Counter struct{ c *counterState }

type counterState struct {
	n, saved                      int64
	changed, savedChanged, frozen bool
	size                          int
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

func (c *Counter) kept() tracked { return c.state() }

func (c *Counter) point(k tracked) { c.c = k.(*counterState) }

func (c *Counter) adopt(k tracked) {
	n := c.Value()
	c.c = k.(*counterState)
	c.Add(n - c.c.n)
}

func (c *Counter) element() (containerKind, reflect.Type) {
	return kindCounter, reflect.TypeFor[int64]()
}

func (s *counterState) load(_, value []byte) error {
	s.size = len(value)
	return codec.Decode(value, &s.n)
}

func (s *counterState) begin(readOnly bool) {
	s.saved, s.savedChanged, s.frozen = s.n, s.changed, readOnly
}

func (s *counterState) rollback() bool {
	s.n, s.changed = s.saved, s.savedChanged
	return true
}

func (s *counterState) collect(field string, c *turn.Change) error {
	if !s.changed {
		return nil
	}
	v, err := codec.Encode(s.n)
	if err != nil {
		return err
	}
	s.changed, s.size = false, len(v)
	c.Entries = append(c.Entries, turn.Entry{Field: field, Value: v})
	return nil
}

func (s *counterState) bytes() int { return s.size }

func (s *counterState) reset() { *s = counterState{} }
