package core

import "github.com/situ-dev/situ/internal/wire"

// table finds objects by type and key. A map for each type is smaller than one
// of both, and looking a key up in it is faster.
type table struct {
	types map[string]map[string]*object
	typ   string // asked for last
	keys  map[string]*object
}

func (t *table) of(typ string) map[string]*object {
	if t.keys == nil || t.typ != typ {
		t.typ, t.keys = typ, t.types[typ]
	}
	return t.keys
}

// get returns the object that id names, nil if it is not known.
func (t *table) get(id wire.ObjectID) *object { return t.of(id.Type)[id.Key] }

func (t *table) put(o *object) {
	keys := t.of(o.id.Type)
	if keys == nil {
		keys = map[string]*object{}
		t.types[o.id.Type], t.keys = keys, keys
	}
	keys[o.id.Key] = o
}

func (t *table) remove(o *object) { delete(t.of(o.id.Type), o.id.Key) }
