package turn

import (
	"github.com/situ-dev/situ/internal/invariants"
	"github.com/situ-dev/situ/internal/wire"
)

// Mailbox is the order of one object's work: first come, first run, one at a
// time. Everything that an object waits for (a run, a pause before a retry)
// is a state of its mailbox. The zero Mailbox is empty and ready.
//
// Invariant: an envelope is either queued or running, never both, and a result
// never lets a later envelope pass an earlier one.
type Mailbox struct {
	queue   []*wire.Envelope
	running []*wire.Envelope // handed out, in order
	until   wire.Time        // no run before: the pause of a retry
	solo    int              // how many are still to be handed out one at a time
}

// Put adds an envelope at the end.
func (m *Mailbox) Put(env *wire.Envelope) { m.queue = append(m.queue, env) }

// Len returns the number of envelopes queued or running.
func (m *Mailbox) Len() int { return len(m.queue) + len(m.running) }

// Queued returns the envelopes that are not running, in order. The slice is
// valid until the next call of a method of m.
func (m *Mailbox) Queued() []*wire.Envelope { return m.queue }

// Each calls f for every envelope that is running or queued, in order.
func (m *Mailbox) Each(f func(*wire.Envelope)) {
	for _, env := range m.running {
		f(env)
	}
	for _, env := range m.queue {
		f(env)
	}
}

// Running reports whether something is being run.
func (m *Mailbox) Running() bool { return len(m.running) > 0 }

// Until returns the time before which nothing may run, 0 for none.
func (m *Mailbox) Until() wire.Time { return m.until }

// Ready reports whether Take would return something at time now.
func (m *Mailbox) Ready(now wire.Time) bool {
	return len(m.queue) > 0 && len(m.running) == 0 && now >= m.until
}

// Take hands out up to n envelopes to be run in order, or none while others
// are running or a pause lasts. Solo reports that the one returned must be the
// only one of its object in the frame.
func (m *Mailbox) Take(now wire.Time, n int) (envs []*wire.Envelope, solo bool) {
	if !m.Ready(now) {
		return nil, false
	}
	solo = m.solo > 0
	if solo {
		n = 1
	}
	n = min(n, len(m.queue))
	m.until = 0
	m.running = m.queue[:n:n]
	m.queue = m.queue[n:]
	return m.running, solo
}

// Finish notes that the oldest running envelope is done with and removes it.
func (m *Mailbox) Finish() {
	if invariants.Enabled {
		invariants.Check(len(m.running) > 0, "turn: a result for nothing that runs")
	}
	m.running = m.running[1:]
	m.solo = max(m.solo-1, 0)
	if len(m.running) == 0 {
		m.running = nil
		if len(m.queue) == 0 {
			m.queue = nil
		}
	}
}

// Return puts what still runs back at the front, in its old order, not to be
// run before until.
func (m *Mailbox) Return(until wire.Time) {
	if len(m.running) > 0 {
		m.queue = append(m.running[:len(m.running):len(m.running)], m.queue...)
		m.running = nil
	}
	m.until = until
}

// ReturnSolo puts what still runs back, each to be run alone in its frame. If
// nothing runs, what was put back before stays to be run alone.
func (m *Mailbox) ReturnSolo() {
	if n := len(m.running); n > 0 {
		m.solo = max(m.solo, n)
		m.Return(0)
	}
}
