package control

import (
	"strings"

	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
	ScanReverse(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Control is what people have asked of one shard, and have not taken back.
type Control struct {
	Pauses   *Pauses
	Redrives *Redrives
	Cancels  *Cancels
}

// New returns the control of a shard, to be read from committed. Most is how many
// messages may be parked before calls from outside are refused.
func New(most int, letters *dead.Letters, committed Rows) *Control {
	return &Control{newPauses(most, committed), newRedrives(letters, committed), newCancels(committed)}
}

// Open reads what was asked, and returns the highest arrival number of a parked
// message.
func (c *Control) Open() (last wire.Seq, err error) {
	if last, err = c.Pauses.open(); err != nil {
		return last, err
	}
	if err = c.Redrives.open(); err != nil {
		return last, err
	}
	return last, c.Cancels.open()
}

// Idle reports whether nothing was asked: then no message is stopped.
func (c *Control) Idle() bool { return len(c.Pauses.all) == 0 && len(c.Cancels.marks) == 0 }

// Verdict is what is to be done with a message that could be run now.
type Verdict int

// The verdicts.
const (
	Run    Verdict = iota
	Parked         // it was parked: it is a message no more
	Refuse         // it is not parked, because its caller waits: that is told so
	Drop           // it is never run; who asked is told so
)

// FlowCancel is the method by which a workflow is asked to end (see package flow).
const FlowCancel = wire.FlowCancel

// unrun reports whether a message is a call that is not to be run any more. What a
// workflow sends to itself is: it is told of the end otherwise, and cleans up.
func (c *Control) unrun(env *wire.Envelope) bool {
	return env.Kind == wire.Call && c.Cancels.Ended(env) && !strings.HasPrefix(env.To.Method, "flow-")
}

// Stops reports whether a message is not to be run now.
func (c *Control) Stops(env *wire.Envelope) bool {
	return c.unrun(env) || c.Pauses.Stops(env)
}

// Judge says what is to be done with a message, and does it if that is to park
// it. A call of a chain that was cancelled is not run. An answer is: what waited
// for it has begun and must be told, and if it is told of a failure, may clean up.
func (c *Control) Judge(env *wire.Envelope) Verdict {
	ended := c.Cancels.Ended(env)
	switch {
	case c.unrun(env):
		return Drop
	case !c.Pauses.Stops(env):
		if ended && env.Fail != nil {
			env.Amend().Free = true
		}
		return Run
	case env.Note&wire.Volatile != 0 && env.Local != nil:
		return Refuse
	}
	c.Pauses.Park(env)
	return Parked
}

// Releases are where what goes on is brought.
type Releases struct {
	Arrive func(*wire.Envelope)      // a message whose time has come, and that has a number
	Retry  func(*wire.DeadLetter)    // a dead letter, to be run again
	Timer  func(*wire.Envelope) bool // takes a timer out that is a row; false if it is not to be had
	// Promise ends a promise, of a call of a chain that was cancelled, and that holder has.
	Promise func(id, chain wire.InvocationID, holder wire.ObjectID)
}

// Pump lets go at most room messages of those that may go at tick; now is the
// hour.
func (c *Control) Pump(now, tick wire.Time, room int, to Releases) error {
	n, err := c.Pauses.pump(tick, room, to.Arrive)
	if err != nil {
		return err
	}
	if err := c.Redrives.pump(now, tick, room-n, to.Retry); err != nil {
		return err
	}
	return c.Cancels.pump(now, c.Pauses, to)
}

// Never is a tick that does not come.
const Never = wire.Time(1<<63 - 1)

// Next returns the tick at which Pump has something to do, Never if it does not.
func (c *Control) Next(now, tick wire.Time) wire.Time {
	return min(c.Pauses.next(), c.Redrives.next(), c.Cancels.next(now, tick))
}

// Dirty reports whether there is a reason to commit.
func (c *Control) Dirty() bool { return c.Pauses.dirty() || c.Redrives.dirty() || c.Cancels.dirty() }

// Seal writes what has changed into the commit.
func (c *Control) Seal(w *store.Batch) {
	c.Pauses.seal(w)
	c.Redrives.seal(w)
	c.Cancels.seal(w)
}

// Committed says that the commit sealed last is durable.
func (c *Control) Committed() {
	c.Pauses.committed()
	c.Redrives.committed()
	c.Cancels.committed()
}
