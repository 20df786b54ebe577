package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// queue is a shard that takes calls and says which run.
type queue struct {
	*shard
	now      wire.Time
	function bool
	calls    int
}

// ask makes calls of a priority, each to an object of its own, or to the function.
func (q *queue) ask(n int, p wire.Priority) {
	for range n {
		q.calls++
		to := wire.Address{Type: "x", Key: fmt.Sprint(q.calls), Method: "m"}
		if q.function {
			to = wire.Address{Method: "f"}
		}
		q.c.TakeRequest(&wire.Request{To: to, Async: true, Policy: &wire.Policy{Priority: p}}, &core.Waiter{Done: func(*wire.Response, error) {}})
	}
}

// frame has a frame run, and counts what was in it by priority.
func (q *queue) frame() (ran [3]int) {
	f := q.c.NextFrame(q.p)
	if f == nil {
		return ran
	}
	rep := &turn.Report{Frame: f.Seq}
	for i, t := range f.Tasks {
		ran[t.Env.Policy.Priority]++
		rep.Results = append(rep.Results, turn.Result{Index: i, Outcome: turn.Done})
	}
	q.c.Apply(rep)
	return ran
}

func (q *queue) pass(d time.Duration) {
	q.now += wire.Time(d)
	q.c.TakeTime(q.now)
}

// What is high is run first and what is low last, where more could be run than there
// is time for; and what is low is run in the end, although more comes all the time
// than can be run.
func TestPriority(t *testing.T) {
	for _, function := range []bool{false, true} {
		t.Run(fmt.Sprintf("function=%t", function), func(t *testing.T) {
			q := &queue{shard: newShard(t, conf.Config{FrameTasks: 10, MaxQueued: 1 << 20, LongQueue: 1 << 20}), now: 1e18, function: function}
			q.pass(time.Second)
			q.ask(3, wire.Low)
			q.ask(12, wire.Normal)
			q.ask(4, wire.High)
			for _, want := range [][3]int{{6, 4, 0}, {6, 0, 3}, {}} {
				if ran := q.frame(); ran != want {
					t.Errorf("ran %v of normal, high and low, want %v", ran, want)
				}
			}

			q.ask(1, wire.Low)
			low, frames := 0, 0
			for ; low == 0 && frames < 1000; frames++ {
				q.ask(12, wire.Normal) // more than a frame takes
				low = q.frame()[wire.Low]
				q.pass(100 * time.Millisecond)
			}
			if took := time.Duration(frames) * 100 * time.Millisecond; took < 10*time.Second || took > 14*time.Second {
				t.Errorf("what is low ran after %v under a load that never ends", took)
			}

			// What is high does not keep the others from running either.
			q.ask(1, wire.Normal)
			backlog := q.calls
			for frames = 0; frames < 1000; frames++ {
				q.ask(12, wire.High)
				if ran := q.frame(); ran[wire.Normal] > 0 && frames > 5 {
					break
				}
				q.pass(100 * time.Millisecond)
			}
			if frames == 1000 {
				t.Errorf("nothing but high ran, of %d", backlog)
			}
		})
	}
}

// The messages of an object stay in their order, whatever their priority.
func TestPriorityKeepsOrder(t *testing.T) {
	q := &queue{shard: newShard(t, conf.Config{}), now: 1e18}
	for i, p := range []wire.Priority{wire.Low, wire.High, wire.Normal} {
		q.c.TakeRequest(&wire.Request{To: wire.Address{Type: "x", Key: "k", Method: "m"}, Async: true, Policy: &wire.Policy{Priority: p, Attempts: uint32(i + 1)}},
			&core.Waiter{Done: func(*wire.Response, error) {}})
	}
	f := q.c.NextFrame(q.p)
	if f == nil || len(f.Tasks) != 3 {
		t.Fatalf("frame %+v", f)
	}
	for i, task := range f.Tasks {
		if task.Env.Policy.Attempts != uint32(i+1) {
			t.Errorf("message %d is run as number %d", task.Env.Policy.Attempts, i+1)
		}
	}
}
