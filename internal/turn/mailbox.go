package turn

import (
	"iter"

	"github.com/situ-dev/situ/internal/invariants"
	"github.com/situ-dev/situ/internal/wire"
)

// Mailbox is the order of one object's work: first come, first run, one at a
// time. Everything that an object waits for (a run, a pause before a retry)
// is a state of its mailbox. The zero Mailbox is empty and ready.
//
// It is a list through the envelopes themselves: a message costs it no memory
// of its own, and an object without work next to none.
//
// Invariant: an envelope is either queued or running, never both, and a result
// never lets a later envelope pass an earlier one.
type Mailbox struct {
	first, last *wire.Envelope // running ones, then queued ones, by Next
	size        int32
	running     int32          // handed out, at the front
	solo        int32          // how many are still to be handed out one at a time
	queued      *wire.Envelope // the first that is not running
	until       wire.Time      // no run before: the pause of a retry
}

// Put adds an envelope at the end. It is in no other mailbox.
func (m *Mailbox) Put(env *wire.Envelope) {
	env.Next = nil
	if m.last == nil {
		m.first = env
	} else {
		m.last.Next = env
	}
	m.last = env
	if m.queued == nil {
		m.queued = env
	}
	m.size++
}

// Len returns the number of envelopes queued or running.
func (m *Mailbox) Len() int { return int(m.size) }

// First returns the first envelope that is running or queued, nil if there is
// none.
func (m *Mailbox) First() *wire.Envelope { return m.first }

// Queue returns the first envelope that is not running, nil if there is none.
// The others follow by Next.
func (m *Mailbox) Queue() *wire.Envelope { return m.queued }

// All returns the envelopes that are running or queued, in order.
func (m *Mailbox) All() iter.Seq[*wire.Envelope] {
	return func(yield func(*wire.Envelope) bool) {
		for env := m.first; env != nil; {
			next := env.Next
			if !yield(env) {
				return
			}
			env = next
		}
	}
}

// Running reports whether something is being run.
func (m *Mailbox) Running() bool { return m.running > 0 }

// Until returns the time before which nothing may run, 0 for none.
func (m *Mailbox) Until() wire.Time { return m.until }

// Ready reports whether Take would return something at time now.
func (m *Mailbox) Ready(now wire.Time) bool {
	return m.queued != nil && m.running == 0 && now >= m.until
}

// Take hands out up to n envelopes to be run in order, or none while others
// are running or a pause lasts: it returns how many, from what was the Queue
// on. Solo reports that the one handed out must be the only one of its object
// in the frame.
func (m *Mailbox) Take(now wire.Time, n int) (taken int, solo bool) {
	if !m.Ready(now) {
		return 0, false
	}
	solo = m.solo > 0
	if solo {
		n = 1
	}
	m.until = 0
	for ; taken < n && m.queued != nil; taken++ {
		m.queued = m.queued.Next
	}
	m.running = int32(taken)
	return taken, solo
}

// Finish notes that the oldest running envelope is done with and removes it.
func (m *Mailbox) Finish() {
	if invariants.Enabled {
		invariants.Check(m.running > 0, "turn: a result for nothing that runs")
	}
	env := m.first
	m.first, env.Next = env.Next, nil
	if m.first == nil {
		m.last = nil
	}
	m.size--
	m.running--
	m.solo = max(m.solo-1, 0)
}

// Return puts what still runs back at the front, in its old order, not to be
// run before until.
func (m *Mailbox) Return(until wire.Time) {
	m.queued, m.running, m.until = m.first, 0, until
}

// ReturnSolo puts what still runs back, each to be run alone in its frame. If
// nothing runs, what was put back before stays to be run alone.
func (m *Mailbox) ReturnSolo() {
	if m.running > 0 {
		m.solo = max(m.solo, m.running)
		m.Return(0)
	}
}
