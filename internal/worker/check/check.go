// Package check knows what a report of a worker may say. A worker is user
// code: whatever it sends must not be able to harm more than its own objects,
// nor the order of a mailbox. It changes nothing.
package check

import (
	"fmt"
	"strings"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Checker knows the bounds of a node.
type Checker struct {
	Shards   int
	MaxState int // bytes of an object's state
}

// Given is what a worker was given: the tasks of a frame.
type Given struct {
	Tasks    []turn.Task
	Detached []bool // which of them are, nil for none
}

// Report returns what is wrong with a complete report on what was given.
func (c *Checker) Report(fl Given, rep *turn.Report) error {
	if !rep.Late && len(rep.Results) != len(fl.Tasks) {
		return fmt.Errorf("%d results for %d tasks", len(rep.Results), len(fl.Tasks))
	}
	var slot turn.Slot
	var ph phase
	before := -1
	for i := range rep.Results {
		res := &rep.Results[i]
		if !rep.Late && res.Index != i || res.Index <= before || res.Index >= len(fl.Tasks) {
			return fmt.Errorf("result %d is for task %d", i, res.Index)
		}
		before = res.Index
		if rep.Late && (fl.Detached == nil || !fl.Detached[res.Index]) {
			return fmt.Errorf("a late result for task %d, which is not detached", res.Index)
		}
		task := &fl.Tasks[res.Index]
		if task.Slot != slot || task.Slot == 0 {
			slot, ph = task.Slot, fresh
		}
		var ok bool
		if ph, ok = ph.next(res.Outcome, rep.Late); !ok {
			return fmt.Errorf("task %d of slot %d ended with outcome %d", res.Index, slot, res.Outcome)
		}
		if err := c.result(res); err != nil {
			return fmt.Errorf("task %d: %w", res.Index, err)
		}
	}
	if rep.Late {
		if err := c.lateSet(fl, rep); err != nil {
			return err
		}
	}
	return c.changes(fl, rep)
}

// phase is where the outcomes of one object's tasks in a report are.
type phase uint8

const (
	fresh   phase = iota
	done          // they count
	redone        // they are to be run again
	apart         // they are detached
	skipped       // late: they were not carried out
	stopped       // one failed: the others were not run
)

// next returns the phase after an outcome, false if that cannot follow. It is
// what keeps a mailbox in order: nothing ends before what came before it.
func (p phase) next(o turn.Outcome, late bool) (phase, bool) {
	switch o {
	case turn.Done:
		return done, p == fresh || p == done
	case turn.Redo:
		return redone, p == fresh || p == redone
	case turn.Panicked:
		return stopped, p != apart && p != stopped
	case turn.Detached:
		return apart, !late && (p == fresh || p == apart)
	case turn.Skipped:
		if late {
			return skipped, p == fresh || p == skipped
		}
		return stopped, true
	}
	return p, false
}

// lateSet checks that a late report has all that is detached of an object, or
// one task of a function or a copy.
func (c *Checker) lateSet(fl Given, rep *turn.Report) error {
	if len(rep.Results) == 0 {
		return fmt.Errorf("a late report without results")
	}
	slot := fl.Tasks[rep.Results[0].Index].Slot
	want := 1
	if slot != 0 {
		want = 0
		for i := range fl.Detached {
			if fl.Detached[i] && fl.Tasks[i].Slot == slot {
				want++
			}
		}
	}
	for i := range rep.Results {
		if fl.Tasks[rep.Results[i].Index].Slot != slot {
			return fmt.Errorf("a late report on several objects")
		}
	}
	if len(rep.Results) != want {
		return fmt.Errorf("a late report with %d of %d results of slot %d", len(rep.Results), want, slot)
	}
	return nil
}

// changes checks that only objects of the frame change, once each, and by
// turns that count.
func (c *Checker) changes(fl Given, rep *turn.Report) error {
	if len(rep.Changes) == 0 {
		return nil
	}
	may := make(map[turn.Slot]bool, len(rep.Results))
	for i := range rep.Results {
		if task := &fl.Tasks[rep.Results[i].Index]; task.Slot != 0 && !task.Copy && rep.Results[i].Outcome == turn.Done {
			may[task.Slot] = true
		}
	}
	for i := range rep.Changes {
		ch := &rep.Changes[i]
		if !may[ch.Slot] {
			return fmt.Errorf("a change of slot %d, which no turn of the report may change", ch.Slot)
		}
		may[ch.Slot] = false
		if ch.Size > c.MaxState {
			return fmt.Errorf("a state of %d bytes; at most %d are allowed", ch.Size, c.MaxState)
		}
		for j := range ch.Entries {
			if f := ch.Entries[j].Field; strings.IndexByte(f, 0) >= 0 {
				return fmt.Errorf("an entry of a field with the name %q", f)
			}
		}
	}
	return nil
}

func (c *Checker) result(res *turn.Result) error {
	if err := format(res.Answer.Format); err != nil {
		return err
	}
	if res.Outcome == turn.Panicked && res.Fail == nil {
		return fmt.Errorf("it failed without a reason")
	}
	if res.Outcome != turn.Done && len(res.Sends) > 0 {
		return fmt.Errorf("it sends although it does not count")
	}
	for _, env := range res.Sends {
		if err := c.envelope(env); err != nil {
			return err
		}
	}
	return nil
}

// envelope checks what a turn sends.
func (c *Checker) envelope(env *wire.Envelope) error {
	if env.Seq != 0 || env.Attempt != 0 {
		return fmt.Errorf("it sends a message with a number or attempts, which only a shard gives")
	}
	if err := format(env.Body.Format); err != nil {
		return err
	}
	if env.Kind == wire.Reply && env.To == (wire.Address{}) {
		if env.Back == nil || env.Back.Kind == wire.ToMethod {
			return fmt.Errorf("it answers nobody")
		}
	} else if env.To.Type == wire.TokenType {
		if err := token(env, c.Shards); err != nil {
			return err
		}
	} else if err := address(env.To); err != nil {
		return err
	}
	for cb := env.Back; cb != nil; cb = cb.Parent {
		if err := format(cb.Format); err != nil {
			return err
		}
		switch cb.Kind {
		case wire.ToInvocation, wire.ToPromise:
			if int(cb.Shard) >= c.Shards {
				return fmt.Errorf("it sends a callback to %v of %d", cb.Shard, c.Shards)
			}
		case wire.ToMethod:
			if err := address(cb.To); err != nil {
				return err
			}
		default:
			return fmt.Errorf("it sends a callback of kind %d", cb.Kind)
		}
	}
	return nil
}

// token checks a call that waits for a callback token.
func token(env *wire.Envelope, shards int) error {
	shard, ok := wire.TokenShard(wire.InvocationID(env.To.Key))
	if !ok || int(shard) >= shards || env.Deadline() == 0 && !env.Holds() || env.Beat() < 0 {
		return fmt.Errorf("it waits for a callback token that cannot be")
	}
	return nil
}

func address(to wire.Address) error {
	if err := wire.CheckName("method", to.Method); err != nil {
		return err
	}
	if to.Function() {
		return nil
	}
	if err := wire.CheckName("type", to.Type); err != nil {
		return err
	}
	return wire.CheckKey(to.Key)
}

func format(f wire.Format) error {
	if f > wire.JSON {
		return fmt.Errorf("a value of format %d", f)
	}
	return nil
}
