// Package flow is the journal of a workflow: what its code asked for and what
// came of it, and how far the code has come in it when it is run again. It is
// pure: it runs nothing, stores nothing and never asks for the time.
package flow

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/wire"
)

// Kind says what a line of a journal tells. The texts are on disk.
type Kind string

// The kinds of lines. The first two are what the code asked for, in its order:
// commands. The others are what came from outside, in the order of arrival:
// events.
const (
	Asked     Kind = "asked"  // a call or a timer was begun
	Noted     Kind = "noted"  // a step or a choice was made: it has its result
	Done      Kind = "done"   // the result of command N came
	Signaled  Kind = "signal" // a signal Name came
	Updated   Kind = "update" // an update Name came
	Cancelled Kind = "cancel" // the workflow is to end
)

// Command reports whether a line of this kind is a command.
func (k Kind) Command() bool { return k == Asked || k == Noted }

// Entry is one line of a journal.
type Entry struct {
	Kind Kind          `json:"kind"`
	ID   int           `json:"id,omitempty"`   // of an Asked: what its answer brings back; never used again
	N    int           `json:"n,omitempty"`    // the command that a Done is of, from 0
	Name string        `json:"name,omitempty"` // of a command what was asked, such as "call card/1.charge"
	At   int64         `json:"at"`             // Unix nanoseconds
	Body []byte        `json:"body,omitempty"` // CBOR
	Fail *wire.Failure `json:"fail,omitempty"`
}

// Size returns about how many bytes e has on disk.
func (e *Entry) Size() int { return len(e.Body) + len(e.Name) + 32 }

// Time returns when it was written, in UTC.
func (e *Entry) Time() time.Time { return time.Unix(0, e.At).UTC() }

// Journal is what is known of a workflow's past, and how far its code has come.
// The zero Journal is empty.
//
// Commands are matched with the code one by one. Events are delivered one by one,
// each when the code can go no further without; so the code meets them in the
// same places in every run.
type Journal struct {
	commands []Entry
	events   []Entry
	next     int // command that the code will ask for
	told     int // events that were delivered

	ids     map[int]int        // commands by their ID
	results map[int]Entry      // delivered, by command
	signals map[string][]Entry // delivered and not taken
}

// Add adds a line at the end.
func (j *Journal) Add(e Entry) {
	if !e.Kind.Command() {
		j.events = append(j.events, e)
		return
	}
	if e.Kind == Asked {
		if j.ids == nil {
			j.ids = map[int]int{}
		}
		j.ids[e.ID] = len(j.commands)
	}
	j.commands = append(j.commands, e)
}

// Len returns the number of lines.
func (j *Journal) Len() int { return len(j.commands) + len(j.events) }

// Events returns the number of events.
func (j *Journal) Events() int { return len(j.events) }

// Told returns how many events were delivered.
func (j *Journal) Told() int { return j.told }

// Seen returns how many lines the code has seen. In every run of the same
// journal it is the same at the same place of the code.
func (j *Journal) Seen() int { return j.next + j.told }

// Replaying reports whether the code has not come to the end of its commands.
func (j *Journal) Replaying() bool { return j.next < len(j.commands) }

// Command returns the number of the Asked with that ID, and whether there is one.
func (j *Journal) Command(id int) (n int, ok bool) { n, ok = j.ids[id]; return n, ok }

// Ask notes that the code asks for name. It returns the number of the command, and its line
// if an earlier run has asked. The error, a *Mismatch, says that the code is not what it was.
func (j *Journal) Ask(name string) (e Entry, n int, old bool, err error) {
	n = j.next
	if j.Replaying() {
		e, old = j.commands[n], true
		if e.Name != name {
			return e, n, true, &Mismatch{n, e.Name, name}
		}
	}
	j.next++
	return e, n, old, nil
}

// Peek returns what an earlier run asked for next, "" if it asked for nothing
// more.
func (j *Journal) Peek() string {
	if j.Replaying() {
		return j.commands[j.next].Name
	}
	return ""
}

// Deliver makes the next event visible to the code, and returns it. A second result of a
// command changes nothing.
func (j *Journal) Deliver() (e Entry, ok bool) {
	if j.told == len(j.events) {
		return e, false
	}
	e = j.events[j.told]
	j.told++
	switch e.Kind {
	case Done:
		if _, twice := j.results[e.N]; !twice {
			if j.results == nil {
				j.results = map[int]Entry{}
			}
			j.results[e.N] = e
		}
	case Signaled:
		if j.signals == nil {
			j.signals = map[string][]Entry{}
		}
		j.signals[e.Name] = append(j.signals[e.Name], e)
	}
	return e, true
}

// Result returns the result of command n, if it was delivered.
func (j *Journal) Result(n int) (Entry, bool) { e, ok := j.results[n]; return e, ok }

// Signal takes the first signal of that name that was delivered and not taken.
func (j *Journal) Signal(name string) (e Entry, ok bool) {
	all := j.signals[name]
	if len(all) == 0 {
		return e, false
	}
	j.signals[name] = all[1:]
	return all[0], true
}

// Waits reports whether a signal of that name was delivered and not taken.
func (j *Journal) Waits(name string) bool { return len(j.signals[name]) > 0 }

// Untaken returns the signals that the code has not taken, in the order in
// which they came.
func (j *Journal) Untaken() (all []Entry) {
	left := map[string]int{}
	for name, es := range j.signals {
		left[name] = len(es)
	}
	for i := len(j.events) - 1; i >= 0; i-- {
		e := j.events[i]
		switch {
		case e.Kind != Signaled:
		case i >= j.told:
			all = append(all, e)
		case left[e.Name] > 0:
			left[e.Name]--
			all = append(all, e)
		}
	}
	slices.Reverse(all)
	return all
}

// Left returns a *Mismatch if the code, which is at what, has not asked for all
// that the journal has.
func (j *Journal) Left(what string) error {
	if !j.Replaying() {
		return nil
	}
	return &Mismatch{j.next, j.commands[j.next].Name, what}
}

// Open returns the commands without a result, each with its number.
func (j *Journal) Open() (names []string) {
	have := map[int]bool{}
	for _, e := range j.events {
		if e.Kind == Done {
			have[e.N] = true
		}
	}
	for n, e := range j.commands {
		if e.Kind == Asked && !have[n] {
			names = append(names, strconv.Itoa(n)+" "+e.Name)
		}
	}
	return names
}

// Mismatch says that the code asks for something else than it did when the
// journal was written.
type Mismatch struct {
	N            int
	Before, Code string // what was asked for then, and now
}

// Error says what to do.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("the code is not the one that wrote the journal: command %d was %q, the code has %q instead. "+
		"Bring the code back, guard the change with flow.Version, or reset the workflow to command %d", m.N, m.Before, m.Code, m.N)
}
