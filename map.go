package situ

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/situ-dev/situ/internal/turn"
)

// A Map is a field of an object's state that records its changes element by
// element: a turn that changes one of a thousand elements writes one. Use it
// instead of a Go map where there are more than a few elements. An element
// that was changed in place is not noticed: Set it. The zero Map is empty.
type Map[K Key, V any] struct{ m *mapState[K, V] }

type mapState[K Key, V any] struct {
	cells   map[K]cell[V]
	sorted  []K // keys in order, nil if to be made
	changed map[K]struct{}
	undo    []undoCell[K, V]
	size    int
	frozen  bool
}

type cell[V any] struct {
	v    V
	size int // bytes of the element's row, 0 until it is collected
}

type undoCell[K Key, V any] struct {
	k   K
	old cell[V]
	had bool
}

func (m *Map[K, V]) state() *mapState[K, V] {
	if m.m == nil {
		m.m = &mapState[K, V]{cells: map[K]cell[V]{}, changed: map[K]struct{}{}}
	}
	return m.m
}

// Get returns the element at k, and whether there is one.
func (m *Map[K, V]) Get(k K) (V, bool) {
	if m.m == nil {
		var zero V
		return zero, false
	}
	c, ok := m.m.cells[k]
	return c.v, ok
}

// Has reports whether there is an element at k.
func (m *Map[K, V]) Has(k K) bool { _, ok := m.Get(k); return ok }

// Len returns the number of elements.
func (m *Map[K, V]) Len() int {
	if m.m == nil {
		return 0
	}
	return len(m.m.cells)
}

// Set makes v the element at k.
func (m *Map[K, V]) Set(k K, v V) {
	s := m.state()
	old, had := s.note(k)
	if !had {
		s.sorted = nil
	}
	s.cells[k] = cell[V]{v, old.size}
}

// Delete removes the element at k, if there is one.
func (m *Map[K, V]) Delete(k K) {
	if !m.Has(k) {
		return
	}
	s := m.state()
	old, _ := s.note(k)
	s.size -= old.size
	delete(s.cells, k)
	s.sorted = nil
}

// Clear removes all elements.
func (m *Map[K, V]) Clear() {
	for k := range m.All() {
		m.Delete(k)
	}
}

// All returns the elements in the order of their keys. It sees the map as it
// was when the loop began.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if m.m == nil {
			return
		}
		for _, k := range m.m.keys() {
			if c, ok := m.m.cells[k]; ok && !yield(k, c.v) {
				return
			}
		}
	}
}

func (s *mapState[K, V]) keys() []K {
	if s.sorted == nil {
		s.sorted = slices.Sorted(maps.Keys(s.cells))
	}
	return s.sorted
}

// note remembers the element at k from before a change.
func (s *mapState[K, V]) note(k K) (old cell[V], had bool) {
	noWrite(s.frozen)
	old, had = s.cells[k]
	s.undo = append(s.undo, undoCell[K, V]{k, old, had})
	s.changed[k] = struct{}{}
	return old, had
}

// MarshalCBOR implements the encoding of state: the elements are apart.
func (m Map[K, V]) MarshalCBOR() ([]byte, error) { return keyKind[K]().marshal() }

// UnmarshalCBOR implements the decoding of state.
func (m *Map[K, V]) UnmarshalCBOR([]byte) error { return nil }

func (m *Map[K, V]) load(key, value []byte) error {
	k, err := decodeKey[K](key)
	if err != nil {
		return err
	}
	var v V
	if err := decMode.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("at %v: %w", k, err)
	}
	s := m.state()
	size := len(key) + len(value)
	s.cells[k] = cell[V]{v, size}
	s.size += size
	return nil
}

func (m *Map[K, V]) begin(readOnly bool) {
	s := m.state()
	clear(s.undo)
	s.undo, s.frozen = s.undo[:0], readOnly
}

func (m *Map[K, V]) rollback() {
	s := m.state()
	for _, u := range slices.Backward(s.undo) {
		cur, has := s.cells[u.k]
		if has && !u.had {
			delete(s.cells, u.k)
		}
		if u.had {
			s.cells[u.k] = u.old
			if !has {
				s.size += u.old.size
			}
		}
		_ = cur
	}
	s.undo, s.sorted = s.undo[:0], nil
}

func (m *Map[K, V]) collect(field string, all bool, c *turn.Change) error {
	s := m.state()
	if all {
		for k := range s.cells {
			s.changed[k] = struct{}{}
		}
	}
	for k := range s.changed {
		cl, ok := s.cells[k]
		if !ok {
			if !all {
				c.Entries = append(c.Entries, turn.Entry{Field: field, Key: encodeKey(k)})
			}
			continue
		}
		v, err := encode(cl.v)
		if err != nil {
			return err
		}
		e := turn.Entry{Field: field, Key: encodeKey(k), Value: v}
		size := len(e.Key) + len(v)
		s.size += size - cl.size
		s.cells[k] = cell[V]{cl.v, size}
		c.Entries = append(c.Entries, e)
	}
	clear(s.changed)
	return nil
}

func (m *Map[K, V]) bytes() int { return m.state().size }

func (m *Map[K, V]) element() (containerKind, reflect.Type) {
	return keyKind[K](), reflect.TypeFor[V]()
}
