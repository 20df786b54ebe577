package host

import (
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// finish gathers the net changes of the frame.
func (r *Runner) finish(p *progress) {
	changes := slices.Grow(p.rep.Changes, len(r.dirty))
	for _, slot := range r.dirty {
		obj := r.objects[slot]
		if obj == nil || obj.frame != p.frame.Seq || !obj.dirty {
			continue // undone, or gone with a detached turn
		}
		changes = append(changes, turn.Change{Slot: slot})
		if fail := r.changes(obj, &changes[len(changes)-1], func() wire.ObjectID { return p.name(slot) }); fail != nil {
			changes = changes[:len(changes)-1]
			p.rep.Changes = changes
			r.undo(p, slot, fail)
		}
	}
	p.rep.Changes, r.dirty = changes, r.dirty[:0]
}

// name returns the name of the object of slot, which has a task in the frame.
func (p *progress) name(slot turn.Slot) wire.ObjectID {
	i := slices.IndexFunc(p.frame.Tasks, func(t turn.Task) bool { return t.Slot == slot })
	return p.frame.Tasks[i].Env.To.Object()
}

// changes moves the net change of an object into c. An error says its name.
func (r *Runner) changes(obj *live, c *turn.Change, name func() wire.ObjectID) (fail *wire.Failure) {
	defer func() {
		if v := recover(); v != nil {
			fail = Panic(v)
		}
	}()
	if err := obj.inst.Changes(c); err != nil {
		return wire.FailureOf(fault.Wrap(fault.Invalid, "encode state of", name().String(), err))
	}
	if c.Size > r.cfg.MaxState {
		return wire.FailureOf(fault.New(fault.TooLarge, "commit state of", name().String(),
			"the turn would make it %d bytes; at most %d are allowed: move what grows into objects of its own", c.Size, r.cfg.MaxState))
	}
	return nil
}
