package worker

import (
	"fmt"
	"strings"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// checker knows what a report may say. A worker is user code: whatever it
// sends must not be able to harm more than its own objects.
type checker struct {
	shards   int
	maxState int
}

// report returns what is wrong with a complete report on fl.
func (c *checker) report(fl *flight, rep *turn.Report) error {
	if !rep.Late && len(rep.Results) != fl.sent {
		return fmt.Errorf("%d results for %d tasks", len(rep.Results), fl.sent)
	}
	var slot turn.Slot
	var ph phase
	before := -1
	for i := range rep.Results {
		res := &rep.Results[i]
		if !rep.Late && res.Index != i || res.Index <= before || res.Index >= fl.sent {
			return fmt.Errorf("result %d is for task %d", i, res.Index)
		}
		before = res.Index
		if rep.Late && (fl.state == nil || !fl.state[res.Index]) {
			return fmt.Errorf("a late result for task %d, which is not detached", res.Index)
		}
		task := &fl.frame.Tasks[res.Index]
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
func (c *checker) lateSet(fl *flight, rep *turn.Report) error {
	if len(rep.Results) == 0 {
		return fmt.Errorf("a late report without results")
	}
	slot := fl.frame.Tasks[rep.Results[0].Index].Slot
	want := 1
	if slot != 0 {
		want = 0
		for i := range fl.state {
			if fl.state[i] && fl.frame.Tasks[i].Slot == slot {
				want++
			}
		}
	}
	for i := range rep.Results {
		if fl.frame.Tasks[rep.Results[i].Index].Slot != slot {
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
func (c *checker) changes(fl *flight, rep *turn.Report) error {
	if len(rep.Changes) == 0 {
		return nil
	}
	may := make(map[turn.Slot]bool, len(rep.Results))
	for i := range rep.Results {
		if task := &fl.frame.Tasks[rep.Results[i].Index]; task.Slot != 0 && !task.Copy && rep.Results[i].Outcome == turn.Done {
			may[task.Slot] = true
		}
	}
	for i := range rep.Changes {
		ch := &rep.Changes[i]
		if !may[ch.Slot] {
			return fmt.Errorf("a change of slot %d, which no turn of the report may change", ch.Slot)
		}
		may[ch.Slot] = false
		if ch.Size > c.maxState {
			return fmt.Errorf("a state of %d bytes; at most %d are allowed", ch.Size, c.maxState)
		}
		for j := range ch.Entries {
			if f := ch.Entries[j].Field; strings.IndexByte(f, 0) >= 0 {
				return fmt.Errorf("an entry of a field with the name %q", f)
			}
		}
	}
	return nil
}

func (c *checker) result(res *turn.Result) error {
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
func (c *checker) envelope(env *wire.Envelope) error {
	if env.Seq != 0 || env.Attempt != 0 {
		return fmt.Errorf("it sends a message with a number or attempts, which only a shard gives")
	}
	if err := format(env.Body.Format); err != nil {
		return err
	}
	if env.Kind == wire.Reply && env.To == (wire.Address{}) {
		if env.Back == nil || env.Back.Kind != wire.ToInvocation {
			return fmt.Errorf("it answers nobody")
		}
	} else if err := address(env.To); err != nil {
		return err
	}
	for cb := env.Back; cb != nil; cb = cb.Parent {
		if err := format(cb.Format); err != nil {
			return err
		}
		switch cb.Kind {
		case wire.ToInvocation:
			if int(cb.Shard) >= c.shards {
				return fmt.Errorf("it sends a callback to %v of %d", cb.Shard, c.shards)
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
