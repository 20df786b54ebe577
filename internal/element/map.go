package element

import (
	"fmt"
	"maps"
	"slices"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
)

// Map is the elements of a map by their keys. A nil Map can be read, and is
// empty.
type Map[K Key, V any] struct {
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

// NewMap returns an empty map.
func NewMap[K Key, V any]() *Map[K, V] {
	return &Map[K, V]{cells: map[K]cell[V]{}}
}

// Get returns the element at k, and whether there is one.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	if m == nil {
		return v, false
	}
	c, ok := m.cells[k]
	m.read = true
	return c.v, ok
}

// Len returns the number of elements.
func (m *Map[K, V]) Len() int {
	if m == nil {
		return 0
	}
	return len(m.cells)
}

// Set makes v the element at k.
func (m *Map[K, V]) Set(k K, v V) {
	old, had := m.note(k)
	if !had {
		m.sorted = nil
	}
	m.cells[k] = cell[V]{v, old.size, true}
}

// Delete removes the element at k, if there is one.
func (m *Map[K, V]) Delete(k K) {
	if _, ok := m.cells[k]; !ok {
		return
	}
	old, _ := m.note(k)
	m.size -= int(old.size)
	delete(m.cells, k)
	m.sorted = nil
}

// Keys returns the keys in order. The slice is not to be changed; it stays as
// it is when the map changes.
func (m *Map[K, V]) Keys() []K {
	if m == nil {
		return nil
	}
	if m.sorted == nil {
		m.sorted = slices.Sorted(maps.Keys(m.cells))
	}
	return m.sorted
}

// Adopt makes the elements of m those of from, which is not nil.
func (m *Map[K, V]) Adopt(from *Map[K, V]) {
	for k := range m.cells {
		if _, ok := from.cells[k]; !ok {
			m.Delete(k)
		}
	}
	for k, c := range from.cells {
		m.Set(k, c.v)
	}
}

// note remembers the element at k from before a change.
func (m *Map[K, V]) note(k K) (old cell[V], had bool) {
	noWrite(m.frozen)
	old, had = m.cells[k]
	m.undo = append(m.undo, undoCell[K, V]{k, old, had})
	if !old.dirty {
		m.changed = append(m.changed, k)
	}
	return old, had
}

// Load implements Tracked.
func (m *Map[K, V]) Load(key, value []byte) error {
	k, err := DecodeKey[K](key)
	if err != nil {
		return err
	}
	var v V
	if err := codec.Decode(value, &v); err != nil {
		return fmt.Errorf("at %v: %w", k, err)
	}
	size := len(key) + len(value)
	m.cells[k] = cell[V]{v, int32(size), false}
	m.size += size
	return nil
}

// Begin implements Tracked.
func (m *Map[K, V]) Begin(readOnly bool) {
	clear(m.undo)
	m.undo, m.mark, m.frozen, m.read = m.undo[:0], len(m.changed), readOnly, false
}

// Rollback implements Tracked.
func (m *Map[K, V]) Rollback(traits codec.Traits) bool {
	if len(m.undo) > 0 {
		m.sorted = nil
	}
	whole := m.frozen || !m.read || traits.Flat
	for _, u := range slices.Backward(m.undo) {
		if c, has := m.cells[u.k]; has {
			m.size -= int(c.size)
			delete(m.cells, u.k)
		}
		if u.had {
			m.size += int(u.old.size)
			m.cells[u.k] = u.old
		}
	}
	m.changed = m.changed[:m.mark]
	clear(m.undo)
	m.undo = m.undo[:0]
	return whole
}

// Collect implements Tracked.
func (m *Map[K, V]) Collect(field string, traits codec.Traits, c *turn.Change) error {
	if len(m.changed) == 0 {
		return nil
	}
	c.Entries = slices.Grow(c.Entries, len(m.changed))
	for _, k := range m.changed {
		cl, ok := m.cells[k]
		if ok && !cl.dirty {
			continue // was twice in the list
		}
		e := turn.Entry{Field: field, Key: EncodeKey(k)}
		if ok {
			var err error
			if e.Value, err = codec.Store(&cl.v, traits); err != nil {
				return err
			}
			size := len(e.Key) + len(e.Value)
			m.size += size - int(cl.size)
			m.cells[k] = cell[V]{cl.v, int32(size), false}
		}
		c.Entries = append(c.Entries, e)
	}
	clear(m.changed)
	m.changed = m.changed[:0]
	return nil
}

// Bytes implements Tracked.
func (m *Map[K, V]) Bytes() int { return m.size }

// Reset implements Tracked.
func (m *Map[K, V]) Reset() { *m = *NewMap[K, V]() }
