package situ

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
)

// A Map is a field of an object's state that records its changes element by
// element: a turn that changes one of a thousand elements writes one. Use it
// instead of a Go map where there are more than a few elements. An element
// that was changed in place is not noticed: Set it. Assigning another Map to
// the field gives it those elements. The zero Map is empty.
type Map[K Key, V any] struct{ m *mapState[K, V] }

type mapState[K Key, V any] struct {
	cells   map[K]cell[V]
	sorted  []K // keys in order, nil if to be made
	changed []K // since the last collect: each that is dirty or removed, some twice
	undo    []undoCell[K, V]
	mark    int // of changed, when the turn began
	size    int
	frozen  bool
	read    bool // elements were handed out in this turn
}

type cell[V any] struct {
	v     V
	size  int32 // bytes of the element's row, 0 until it is collected
	dirty bool  // differs from the row
}

type undoCell[K Key, V any] struct {
	k   K
	old cell[V]
	had bool
}

func (m *Map[K, V]) state() *mapState[K, V] {
	if m.m == nil {
		m.m = newMapState[K, V]()
	}
	return m.m
}

func newMapState[K Key, V any]() *mapState[K, V] {
	return &mapState[K, V]{cells: map[K]cell[V]{}}
}

// Get returns the element at k, and whether there is one.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if m.m == nil {
		return v, false
	}
	return m.m.get(k)
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
func (m *Map[K, V]) Set(k K, v V) { m.state().set(k, v) }

// Delete removes the element at k, if there is one.
func (m *Map[K, V]) Delete(k K) { m.state().del(k) }

// Clear removes all elements.
func (m *Map[K, V]) Clear() {
	for k := range m.All() {
		m.Delete(k)
	}
}

// All returns the elements in the order of their keys. It sees the keys that
// were there when the loop began and have not been deleted since.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if m.m == nil {
			return
		}
		for _, k := range m.m.keys() {
			if v, ok := m.m.get(k); ok && !yield(k, v) {
				return
			}
		}
	}
}

// MarshalCBOR implements the encoding of state: the elements are apart.
func (m Map[K, V]) MarshalCBOR() ([]byte, error) { return keyKind[K]().marshal() }

// UnmarshalCBOR implements the decoding of state.
func (m *Map[K, V]) UnmarshalCBOR([]byte) error { return nil }

func (m *Map[K, V]) kept() tracked { return m.state() }

func (m *Map[K, V]) point(k tracked) { m.m = k.(*mapState[K, V]) }

func (m *Map[K, V]) adopt(k tracked) {
	into, from := k.(*mapState[K, V]), m.state()
	for k := range into.cells {
		if _, ok := from.cells[k]; !ok {
			into.del(k)
		}
	}
	for k, c := range from.cells {
		into.set(k, c.v)
	}
	m.m = into
}

func (m *Map[K, V]) element() (containerKind, reflect.Type) {
	return keyKind[K](), reflect.TypeFor[V]()
}

func (s *mapState[K, V]) get(k K) (V, bool) {
	c, ok := s.cells[k]
	s.read = true
	return c.v, ok
}

func (s *mapState[K, V]) set(k K, v V) {
	old, had := s.note(k)
	if !had {
		s.sorted = nil
	}
	s.cells[k] = cell[V]{v, old.size, true}
}

func (s *mapState[K, V]) del(k K) {
	if _, ok := s.cells[k]; !ok {
		return
	}
	old, _ := s.note(k)
	s.size -= int(old.size)
	delete(s.cells, k)
	s.sorted = nil
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
	if !old.dirty {
		s.changed = append(s.changed, k)
	}
	return old, had
}

func (s *mapState[K, V]) load(key, value []byte) error {
	k, err := decodeKey[K](key)
	if err != nil {
		return err
	}
	var v V
	if err := codec.Decode(value, &v); err != nil {
		return fmt.Errorf("at %v: %w", k, err)
	}
	size := len(key) + len(value)
	s.cells[k] = cell[V]{v, int32(size), false}
	s.size += size
	return nil
}

func (s *mapState[K, V]) begin(readOnly bool) {
	clear(s.undo)
	s.undo, s.mark, s.frozen, s.read = s.undo[:0], len(s.changed), readOnly, false
}

func (s *mapState[K, V]) rollback() bool {
	if len(s.undo) > 0 {
		s.sorted = nil
	}
	whole := s.frozen || !s.read || traitsOf(reflect.TypeFor[V]()).Flat
	for _, u := range slices.Backward(s.undo) {
		if c, has := s.cells[u.k]; has {
			s.size -= int(c.size)
			delete(s.cells, u.k)
		}
		if u.had {
			s.size += int(u.old.size)
			s.cells[u.k] = u.old
		}
	}
	s.changed = s.changed[:s.mark]
	clear(s.undo)
	s.undo = s.undo[:0]
	return whole
}

func (s *mapState[K, V]) collect(field string, c *turn.Change) error {
	if len(s.changed) == 0 {
		return nil
	}
	traits := traitsOf(reflect.TypeFor[V]())
	c.Entries = slices.Grow(c.Entries, len(s.changed))
	for _, k := range s.changed {
		cl, ok := s.cells[k]
		if ok && !cl.dirty {
			continue // was twice in the list
		}
		e := turn.Entry{Field: field, Key: encodeKey(k)}
		if ok {
			var err error
			if e.Value, err = codec.Store(&cl.v, traits); err != nil {
				return err
			}
			size := len(e.Key) + len(e.Value)
			s.size += size - int(cl.size)
			s.cells[k] = cell[V]{cl.v, int32(size), false}
		}
		c.Entries = append(c.Entries, e)
	}
	clear(s.changed)
	s.changed = s.changed[:0]
	return nil
}

func (s *mapState[K, V]) bytes() int { return s.size }

func (s *mapState[K, V]) reset() { *s = *newMapState[K, V]() }
