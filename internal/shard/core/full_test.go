package core_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// TestDueTimersHaveABound has many large timers become due at once: they come
// into memory only as there is room for their bytes, and all of them in the end.
func TestDueTimersHaveABound(t *testing.T) {
	const many, size, bound = 100, 10_000, 100_000
	s := newShard(t, conf.Config{MaxQueuedBytes: bound})
	now := wire.Time(1e18)
	s.c.TakeTime(now)
	due := now + wire.Time(time.Second)
	for range many {
		s.c.TakeRequest(&wire.Request{To: wire.Address{Method: "f"}, Due: due, Body: wire.Payload{Format: wire.CBOR, Data: make([]byte, size)}}, &core.Waiter{})
	}
	b := s.sh.NewBatch(0)
	s.c.Seal(b)
	if _, err := s.sh.Commit(b); err != nil {
		t.Fatal(err)
	}
	b.Close()
	s.c.Committed()
	now = due
	for ran := 0; ran < many; {
		s.c.TakeTime(now)
		if n := s.c.Count().Queued; n == 0 || n > bound/size+1 {
			t.Fatalf("%d messages of %d bytes are in memory, at most %d bytes are allowed", n, size, bound)
		}
		f := s.c.NextFrame(s.p)
		rep := &turn.Report{Frame: f.Seq}
		for i := range f.Tasks {
			rep.Results = append(rep.Results, turn.Result{Index: i, Outcome: turn.Done})
		}
		ran += len(f.Tasks)
		s.c.Apply(rep)
	}
	if err := s.c.Err(); err != nil {
		t.Error(err)
	}
}
