package situ

import (
	"iter"
	"reflect"

	"github.com/situ-dev/situ/internal/element"
)

// A Map is a field of an object's state that records its changes element by
// element: a turn that changes one of a thousand elements writes one. Use it
// instead of a Go map where there are more than a few elements. An element
// that was changed in place is not noticed: Set it. Assigning another Map to
// the field gives it those elements. The zero Map is empty.
type Map[K Key, V any] struct{ m *element.Map[K, V] }

func (m *Map[K, V]) state() *element.Map[K, V] {
	if m.m == nil {
		m.m = element.NewMap[K, V]()
	}
	return m.m
}

// Get returns the element at k, and whether there is one.
func (m *Map[K, V]) Get(k K) (v V, ok bool) { return m.m.Get(k) }

// Has reports whether there is an element at k.
func (m *Map[K, V]) Has(k K) bool { _, ok := m.Get(k); return ok }

// Len returns the number of elements.
func (m *Map[K, V]) Len() int { return m.m.Len() }

// Set makes v the element at k.
func (m *Map[K, V]) Set(k K, v V) { m.state().Set(k, v) }

// Delete removes the element at k, if there is one.
func (m *Map[K, V]) Delete(k K) { m.state().Delete(k) }

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
		for _, k := range m.m.Keys() {
			if v, ok := m.m.Get(k); ok && !yield(k, v) {
				return
			}
		}
	}
}

// MarshalCBOR implements the encoding of state: the elements are apart.
func (m Map[K, V]) MarshalCBOR() ([]byte, error) { return element.KindOf[K]().Mark(), nil }

// UnmarshalCBOR implements the decoding of state.
func (m *Map[K, V]) UnmarshalCBOR([]byte) error { return nil }

func (m *Map[K, V]) kept() element.Tracked { return m.state() }

func (m *Map[K, V]) point(k element.Tracked) { m.m = k.(*element.Map[K, V]) }

func (m *Map[K, V]) adopt(k element.Tracked) {
	into := k.(*element.Map[K, V])
	into.Adopt(m.state())
	m.m = into
}

func (m *Map[K, V]) element() (element.Kind, reflect.Type) {
	return element.KindOf[K](), reflect.TypeFor[V]()
}
