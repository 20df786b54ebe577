package core

import "github.com/situ-dev/situ/internal/wire"

// table finds objects by type and key. A map for each type is smaller than one
// of both, and looking a key up in it is faster.
type table struct {
	types map[string]*kind
	last  *kind // asked for last
}

// kind is the objects of a type.
type kind struct {
	name string
	keys map[string]*object
}

func (t *table) of(typ string) *kind {
	if t.last == nil || t.last.name != typ {
		k := t.types[typ]
		if k == nil {
			k = &kind{name: typ, keys: map[string]*object{}}
			t.types[typ] = k
		}
		t.last = k
	}
	return t.last
}

// get returns the object that id names, nil if it is not known.
func (t *table) get(id wire.ObjectID) *object { return t.of(id.Type).keys[id.Key] }

// add makes an object known.
func (t *table) add(id wire.ObjectID) *object {
	k := t.of(id.Type)
	o := &object{typ: &k.name, key: id.Key}
	k.keys[id.Key] = o
	return o
}

func (t *table) remove(o *object) { delete(t.of(*o.typ).keys, o.key) }
