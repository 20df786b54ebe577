package core

import "github.com/situ-dev/situ/internal/wire"

// table finds objects by type and key. A map for each type is smaller than one
// of both, and looking a key up in it is faster.
type table struct {
	types map[string]*kind
	last  *kind               // asked for last
	progs map[string]*Program // by type; it is not changed, but replaced
}

// kind is the objects of a type.
type kind struct {
	name string
	prog *Program // nil: none has the type
	keys map[string]*object
}

// of returns the objects of a type, nil if there never were any: asking for
// what is not there, as anybody may, leaves nothing behind.
func (t *table) of(typ string) *kind {
	if t.last != nil && t.last.name == typ {
		return t.last
	}
	k := t.types[typ]
	if k != nil {
		t.last = k
	}
	return k
}

// get returns the object that id names, nil if it is not known.
func (t *table) get(id wire.ObjectID) *object {
	if k := t.of(id.Type); k != nil {
		return k.keys[id.Key]
	}
	return nil
}

// add makes an object known.
func (t *table) add(id wire.ObjectID) *object {
	k := t.of(id.Type)
	if k == nil {
		k = &kind{name: id.Type, prog: t.progs[id.Type], keys: map[string]*object{}}
		t.types[id.Type] = k
	}
	o := &object{kind: k, key: id.Key}
	k.keys[id.Key] = o
	return o
}

func (t *table) remove(o *object) { delete(o.kind.keys, o.key) }
