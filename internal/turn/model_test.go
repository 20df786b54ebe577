package turn

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/wire"
)

// TestMailboxModel drives a mailbox as a shard does, with random results, and
// compares it with one slice: the first run of it runs, the rest is queued.
func TestMailboxModel(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.New(t), 0))
	for range 200 {
		var m Mailbox
		var order []wire.Seq // all that is not done with
		var next, done wire.Seq
		running, alone := 0, 0
		now, until := wire.Time(1), wire.Time(0)
		for step := range 300 {
			switch r.IntN(8) {
			case 0, 1:
				for range r.IntN(4) {
					next++
					order = append(order, next)
					m.Put(&wire.Envelope{Seq: next})
				}
			case 2:
				now += wire.Time(r.IntN(20))
			case 3, 4:
				n := 1 + r.IntN(6)
				took, solo := m.Take(now, n)
				if running > 0 || now < until || len(order) == 0 {
					if took > 0 {
						t.Fatalf("step %d: took %d while %d run, now %d, until %d", step, took, running, now, until)
					}
					break
				}
				if solo != (alone > 0) || solo && took != 1 {
					t.Fatalf("step %d: solo %v for %d envelopes, %d are to be alone", step, solo, took, alone)
				}
				running = took
				until = 0
			case 5:
				for range r.IntN(running + 1) {
					m.Finish()
					done++
					if order[0] != done {
						t.Fatalf("step %d: finished %d, want %d", step, order[0], done)
					}
					order = order[1:]
					running--
					alone = max(alone-1, 0)
				}
			case 6:
				if running > 0 {
					until = now + wire.Time(r.IntN(30))
					m.Return(until)
					running = 0
				}
			case 7:
				if running > 0 {
					m.ReturnSolo()
					alone = max(alone, running)
					running, until = 0, 0
				}
				m.ReturnSolo()
			}
			check(t, &m, order, running)
		}
	}
}

// check compares m with the model: everything once, in order, the running ones
// first.
func check(t *testing.T, m *Mailbox, order []wire.Seq, running int) {
	t.Helper()
	var got, queued []wire.Seq
	for env := range m.All() {
		got = append(got, env.Seq)
	}
	for env := m.Queue(); env != nil; env = env.Next {
		queued = append(queued, env.Seq)
	}
	if !slices.Equal(got, order) || !slices.Equal(queued, order[running:]) || m.Running() != (running > 0) || m.Len() != len(order) {
		t.Fatalf("the mailbox has %v, queued %v; want %v, of which %d run", got, queued, order, running)
	}
}
