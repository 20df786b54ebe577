// Package resident is what a shard has in memory of programs and their objects:
// which objects there are, what waits for each program, and what its host has.
// It is data, with what keeps it consistent; package core owns one and decides.
package resident

import (
	"slices"

	"github.com/situ-dev/situ/internal/shard/delta"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Object is one object that is resident or has work. Others are rows only.
type Object struct {
	*Work // nil while it rests: most residents do
	Kind  *Kind
	Key   string
	Slot  turn.Slot // with its program's host; 0: that does not have it
	Size  uint32    // bytes of its state
	used  wire.Time
	next  *Object // in the list of idle residents, least recently used first
	prev  *Object
}

// Work is what there is to know of an object that does not rest.
type Work struct {
	Box      turn.Mailbox
	Pend     *delta.Change // changed since the last seal
	Sealed   *delta.Change // changed in the commit under way
	Busy     int32         // index in the list of objects with mail, -1 if its mailbox is empty
	Detached int32         // tasks that run on beside their frame
	Ready    bool          // it is among the ready ones of its program
	Touched  bool          // by the report being applied
	Ran      bool          // in that: it was not all skipped
	Moves    bool          // to another program, when nothing of it runs
	Since    wire.Time     // tick at which it became ready
	Paused   wire.Time     // the end of the pause it waits for
	Pace     turn.Pace     // of its mailbox
}

// ID returns the name of the object.
func (o *Object) ID() wire.ObjectID { return wire.ObjectID{Type: o.Kind.Name, Key: o.Key} }

// Resting returns whether o, which may be nil, has no work.
func (o *Object) Resting() bool { return o == nil || o.Work == nil }

// Table finds objects by type and key. A map for each type is smaller than one
// of both, and looking a key up in it is faster. Its zero value is empty.
type Table struct {
	types  map[string]*family
	last   *family          // asked for last
	routes map[string]Route // by type; it is not changed, but replaced
}

// family is the objects of a type.
type family struct {
	name  string
	keys  map[string]*Object
	route Route
	kinds []*Kind // one for each program that has some
}

// Kind is the objects of a type that one program has.
type Kind struct {
	Name    string
	Program *Program // nil: none has them
	keys    map[string]*Object
}

// kind returns that of a program.
func (f *family) kind(p *Program) *Kind {
	for _, k := range f.kinds {
		if k.Program == p {
			return k
		}
	}
	k := &Kind{Name: f.name, Program: p, keys: f.keys}
	f.kinds = append(f.kinds, k)
	return k
}

// Assign says which programs have which type from now on. The map must not change
// any more. Move is called for each object that another program has then.
func (t *Table) Assign(routes map[string]Route, move func(*Object, *Kind)) {
	t.routes = routes
	for _, f := range t.types {
		r := routes[f.name]
		if f.route.Same(r) {
			continue
		}
		f.route = r
		f.kinds = slices.DeleteFunc(f.kinds, func(k *Kind) bool { return !slices.Contains(r.programs, k.Program) })
		for key, o := range f.keys {
			if p := r.object(f.name, key); p != o.Kind.Program {
				move(o, f.kind(p))
			}
		}
	}
}

// Home returns what an object is to be of, by the routes of now.
func (t *Table) Home(o *Object) *Kind {
	f := t.types[o.Kind.Name]
	if p := f.route.object(f.name, o.Key); p != o.Kind.Program {
		return f.kind(p)
	}
	return o.Kind
}

// Routes returns which programs have which type. It is not to be changed.
func (t *Table) Routes() map[string]Route { return t.routes }

// of returns the objects of a type, nil if there never were any: asking for
// what is not there, as anybody may, leaves nothing behind.
func (t *Table) of(typ string) *family {
	if t.last != nil && t.last.name == typ {
		return t.last
	}
	f := t.types[typ]
	if f != nil {
		t.last = f
	}
	return f
}

// Find returns the object that id names, nil if it is not known.
func (t *Table) Find(id wire.ObjectID) *Object {
	if f := t.of(id.Type); f != nil {
		return f.keys[id.Key]
	}
	return nil
}

// Add makes an object known.
func (t *Table) Add(id wire.ObjectID) *Object {
	f := t.of(id.Type)
	if f == nil {
		if t.types == nil {
			t.types = map[string]*family{}
		}
		f = &family{name: id.Type, keys: map[string]*Object{}, route: t.routes[id.Type]}
		t.types[id.Type] = f
	}
	o := &Object{Kind: f.kind(f.route.object(id.Type, id.Key)), Key: id.Key}
	f.keys[id.Key] = o
	return o
}

// Remove forgets an object.
func (t *Table) Remove(o *Object) { delete(o.Kind.keys, o.Key) }

// Idle is the resident objects without work, in the order in which they came to
// rest. New makes one.
type Idle struct {
	ring  Object
	Len   int
	Bytes int // of their states
}

// NewIdle returns a list with nothing in it.
func NewIdle() *Idle {
	l := &Idle{}
	l.ring.next, l.ring.prev = &l.ring, &l.ring
	return l
}

// Put adds an object that came to rest at time now, unless it is there.
func (l *Idle) Put(o *Object, now wire.Time) {
	if o.next == nil {
		o.used = now
		o.prev, o.next = l.ring.prev, &l.ring
		o.prev.next, o.next.prev = o, o
		l.Len++
		l.Bytes += int(o.Size)
	}
}

// Take takes an object out, if it is there.
func (l *Idle) Take(o *Object) {
	if o.next != nil {
		o.prev.next, o.next.prev = o.next, o.prev
		o.next, o.prev = nil, nil
		l.Len--
		l.Bytes -= int(o.Size)
	}
}

// First returns the object that rests for longest, and since when; nil if none
// does.
func (l *Idle) First() (o *Object, since wire.Time) {
	if o = l.ring.next; o == &l.ring {
		return nil, 0
	}
	return o, o.used
}
