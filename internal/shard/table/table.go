// Package table finds things by the type and the key of an object. It knows
// nothing of the things.
package table

import "github.com/situ-dev/situ/internal/wire"

// Table finds things. A map for each type is smaller than one of both, and
// looking a key up in it is faster.
type Table[T any] struct {
	types map[string]*Kind[T]
	last  *Kind[T] // asked for last
}

// Kind is the things of a type.
type Kind[T any] struct {
	Name string
	keys map[string]T
}

// New returns an empty table.
func New[T any]() Table[T] { return Table[T]{types: map[string]*Kind[T]{}} }

// of returns the things of a type, nil if there never were any: asking for
// what is not there, as anybody may, leaves nothing behind.
func (t *Table[T]) of(typ string) *Kind[T] {
	if t.last != nil && t.last.Name == typ {
		return t.last
	}
	k := t.types[typ]
	if k != nil {
		t.last = k
	}
	return k
}

// Get returns what id names, the zero T if it is not known.
func (t *Table[T]) Get(id wire.ObjectID) (v T) {
	if k := t.of(id.Type); k != nil {
		return k.keys[id.Key]
	}
	return v
}

// Kind returns the things of a type, which may be none. Its name is one string
// for all of them.
func (t *Table[T]) Kind(typ string) *Kind[T] {
	k := t.of(typ)
	if k == nil {
		k = &Kind[T]{Name: typ, keys: map[string]T{}}
		t.types[typ] = k
	}
	return k
}

// Set makes the key known.
func (k *Kind[T]) Set(key string, v T) { k.keys[key] = v }

// Remove forgets what id names.
func (t *Table[T]) Remove(id wire.ObjectID) { delete(t.of(id.Type).keys, id.Key) }
