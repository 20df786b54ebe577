package core_test

import (
	"fmt"
	"testing"

	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// TestHerd has very many timers come due at once, as after a long stop. They wait
// as what they are and not as mail: a call that comes then is run with the next
// frames, and the queue stays short. In between the shard does not ask to be woken for
// what it does not take.
func TestHerd(t *testing.T) {
	const timers, tasks = 20_000, 64
	s := newShard(t, conf.Config{FrameTasks: tasks})
	now := wire.Time(1e18)
	s.c.TakeTime(now)
	for i := range timers {
		s.c.TakeRequest(&wire.Request{To: wire.Address{Type: "x", Key: fmt.Sprint(i), Method: "m"}, Due: now + 1000, Async: true},
			&core.Waiter{Done: func(*wire.Response, error) {}})
	}
	now += 1000
	for range 100 { // others wake the shard, and no frame comes back
		s.c.TakeTime(now)
	}
	if n := s.c.Count().Queued; n < tasks || n > 3*tasks {
		t.Fatalf("%d messages are queued", n)
	}
	if next := s.c.NextTime(); next <= now {
		t.Error("it asks to be woken at once, and takes nothing then")
	}
	s.c.TakeRequest(&wire.Request{To: wire.Address{Type: "x", Key: "caller", Method: "m"}}, &core.Waiter{Done: func(*wire.Response, error) {}})
	before, ran := 0, false
	for !ran && before < timers {
		f := s.c.NextFrame(s.p)
		rep := &turn.Report{Frame: f.Seq}
		for i, task := range f.Tasks {
			ran = ran || task.Env.To.Key == "caller"
			rep.Results = append(rep.Results, turn.Result{Index: i, Outcome: turn.Done})
		}
		s.c.Apply(rep)
		before += len(f.Tasks)
		s.c.TakeTime(now)
	}
	if !ran || before > 4*tasks {
		t.Errorf("the call waited for %d others", before)
	}
}
