// Package turn holds what a shard and the host of user code say to each
// other: tasks to run, their results, and the changes of state they made; and
// the pure rules of one object's mailbox: which task may run next, and what
// follows from its result. It does no I/O, reads no clock and starts nothing.
package turn

import "github.com/situ-dev/situ/internal/wire"

// Slot is the number under which a shard and its host know a resident object.
// 0 is no object: the task is a function's.
type Slot uint32

// State is an object's committed state, as a host needs it to make the object
// live. A nil Root with no entries is an object that does not exist yet.
type State struct {
	Root    []byte // CBOR map of the fields, nil if never written
	Entries []Entry
}

// Entry is one element of a tracked container: a row of its own.
type Entry struct {
	Field string // the container's durable name
	Key   []byte // the element's key, in its ordered encoding
	Value []byte // CBOR; nil means removed (in a Change)
}

// Size returns the bytes of state that the entry stands for.
func (e Entry) Size() int { return len(e.Field) + len(e.Key) + len(e.Value) }

// Task is one turn to run.
type Task struct {
	Slot Slot
	Env  *wire.Envelope
	Load *State // set when the host does not have the object of Slot
	Copy bool   // run read-only on Load, beside the object: Slot is 0
	Seed uint64 // of the turn's random source
	Solo bool   // the only turn of its object in the frame
}

// Frame is a batch of tasks for a host. Tasks of one slot run in order.
type Frame struct {
	Seq   uint64 // of the frame, to match its report
	Shard wire.ShardID
	Now   wire.Time
	Drop  []Slot // objects to forget before anything else
	Tasks []Task
}

// Outcome says how a task ended. Append only: it is in worker frames.
type Outcome uint8

// The outcomes.
const (
	Done     Outcome = 1 // effects count; the answer, if any, is a value or a final error
	Panicked Outcome = 2 // no effects; Fail tells; to be retried by policy
	Detached Outcome = 3 // still running: its result comes later, in a report of its own
	Skipped  Outcome = 4 // not run: an earlier task of the object did not end; put it back
	Redo     Outcome = 5 // run, but to be run again alone: the state grew too large somewhere
)

// Result is what became of one task.
type Result struct {
	Index    int // of the task in its frame
	Outcome  Outcome
	Sends    []*wire.Envelope
	Moved    bool          // the callback has a new owner: there is no answer
	Answer   wire.Payload  // encoded as the callback asked
	Fail     *wire.Failure // an answer that is an error, or why it panicked
	Took     wire.Time     // how long the handler ran
	Unloaded bool          // the host had to forget the object
}

// Taker takes the result of a function that runs beside the shards.
type Taker interface{ Take(*Result) }

// Change is the net change of one object's state by the tasks of a frame.
type Change struct {
	Slot    Slot
	Clear   bool    // everything there was is removed first
	Root    []byte  // the new root, nil if unchanged (or gone, with Clear)
	Entries []Entry // changed and removed elements
	Size    int     // bytes of the whole state now
}

// Report answers a frame, or brings the late result of one of its tasks.
type Report struct {
	Frame   uint64
	Late    bool
	Results []Result
	Changes []Change
}
