package resident

import (
	"github.com/situ-dev/situ/internal/deploy"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard/figure"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Program is what a shard has of one program: what waits for its host, and what
// that has. Programs share the batch and the bounds of the shard, and nothing
// else: each has a frame under way of its own, and the end of a host concerns
// its program only.
type Program struct {
	Name     string
	Manifest *host.Manifest // what it can run, nil as long as nobody said
	Index    *host.Index    // of that
	Weight   float64        // of a version, what it has of its deployment; 1 of all others
	Hosted   bool           // and now there is who does

	Slots []*Object // what the host has; the first is nobody
	free  []turn.Slot
	Drops []turn.Slot // what it is to forget

	Ready   []*Object        // in the order in which they became so
	Funcs   []*wire.Envelope // functions called by message, waiting
	Running map[*wire.Envelope]struct{}
	Readers []*wire.Envelope // read-only calls that go around a busy object

	AsideObjects Line[*Object] // that are ready, with another priority than the normal one
	AsideFuncs   Line[*wire.Envelope]

	Suspects int       // messages marked wire.Suspect
	TrialAt  wire.Time // when to ask for a trial again, 0 is never

	Frame  uint64    // number of its last frame
	Flying bool      // that has not been reported
	Began  wire.Time // tick at which that was made
	Since  wire.Time // tick at which the first effects of its turns came into the batch
	Landed *Flight   // of an earlier frame, to be used again

	Figures *figure.Figures // of its calls; nil: nobody wants them

	Slow bool // the door was told that its objects have no time

	group string // the deployment that it is a version of, "" for none
	id    uint64 // Hash of its name
}

// Flight is a frame that the host of a program has, or of which tasks run on
// detached.
type Flight struct {
	Program *Program
	Frame   turn.Frame
	Tasks   []Task
	Open    int       // tasks that run on
	Trial   bool      // one suspect, alone
	Unsent  bool      // nobody got it
	Clock   wire.Time // how long its tasks have run, of which the results are applied
}

// Task is one of a flight.
type Task struct {
	Object *Object        // nil for a function or a copy
	Env    *wire.Envelope // nil when it was reported
	Copy   bool
}

// New returns a program of which nothing is known but its name.
func New(name string) *Program {
	p := &Program{Name: name, Slots: make([]*Object, 1), Running: map[*wire.Envelope]struct{}{}, Weight: 1, group: group(name), id: deploy.Hash(name)}
	if p.group != "" {
		p.Weight = 0 // until it is given some
	}
	return p
}

// Idle reports whether the host waits for a frame.
func (p *Program) Idle() bool { return p.Hosted && !p.Flying }

// Runnable reports whether there is something that the host could run, of
// functions at most so many.
func (p *Program) Runnable(functions int) bool {
	return len(p.Ready)+len(p.Readers)+p.AsideObjects.Len() > 0 || len(p.Funcs)+p.AsideFuncs.Len() > 0 && len(p.Running) < functions
}

// Resident returns how many objects the host has.
func (p *Program) Resident() int { return len(p.Slots) - 1 - len(p.free) }

// Assign gives an object a slot.
func (p *Program) Assign(o *Object) {
	if n := len(p.free); n > 0 {
		o.Slot, p.free = p.free[n-1], p.free[:n-1]
	} else {
		o.Slot = turn.Slot(len(p.Slots))
		p.Slots = append(p.Slots, nil)
	}
	p.Slots[o.Slot] = o
}

// Release takes an object's slot back.
func (p *Program) Release(o *Object) {
	if o.Slot != 0 {
		p.Slots[o.Slot] = nil
		p.free = append(p.free, o.Slot)
		o.Slot = 0
	}
}

// Drop has the host forget an object.
func (p *Program) Drop(o *Object) {
	p.Drops = append(p.Drops, o.Slot)
	p.Release(o)
}

// Vacate forgets all slots: the host is gone.
func (p *Program) Vacate() {
	p.Flying, p.Hosted, p.Drops = false, false, nil
	for _, o := range p.Slots[1:] {
		if o != nil {
			o.Slot = 0
		}
	}
	clear(p.Slots)
	p.Slots, p.free = p.Slots[:1], p.free[:0]
}
