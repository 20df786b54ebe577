package core_test

import (
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// TestPauseWhenTheClockIsSetBack has a turn fail just before the clock is set
// back by an hour: it is run again after its pause, not after the hour.
func TestPauseWhenTheClockIsSetBack(t *testing.T) {
	const pause = wire.Time(100 * time.Millisecond)
	for name, to := range map[string]wire.Address{"function": {Method: "f"}, "object": {Type: "x", Key: "k", Method: "m"}} {
		t.Run(name, func(t *testing.T) {
			s := newShard(t, conf.Config{})
			now := wire.Time(1e18)
			s.c.TakeTime(now)
			w := &core.Waiter{Done: func(*wire.Response, error) { t.Error("it was answered") }}
			s.c.TakeRequest(&wire.Request{To: to, Policy: &wire.Policy{Attempts: 9, Backoff: pause, MaxBackoff: pause}}, w)
			for range 3 { // each time it is set back again
				f := s.c.NextFrame(s.p)
				if f == nil {
					t.Fatal("it does not run")
				}
				s.c.Apply(&turn.Report{Frame: f.Seq, Results: []turn.Result{{Outcome: turn.Panicked, Fail: &wire.Failure{Kind: "crashed"}}}})
				now -= wire.Time(time.Hour)
				s.c.TakeTime(now)
				if next := s.c.NextTime(); next != now+pause {
					t.Errorf("it wants to be woken after %v, want %v", time.Duration(next-now), time.Duration(pause))
				}
				now += pause - 1
				s.c.TakeTime(now)
				if s.c.NextFrame(s.p) != nil {
					t.Fatal("it runs before its pause is over")
				}
				now++
				s.c.TakeTime(now)
			}
		})
	}
}

// TestTrialWhenTheClockIsSetBack has a shard ask for its turn to try a suspect
// soon, also after the clock was set back.
func TestTrialWhenTheClockIsSetBack(t *testing.T) {
	trials := &conf.Trials{}
	s := newShard(t, conf.Config{Trials: trials})
	s.c.TakeTime(1e18)
	s.c.TakeRequest(&wire.Request{To: wire.Address{Method: "f"}}, &core.Waiter{})
	s.c.NextFrame(s.p)
	s.c.LostHost(s.p, true)
	newProgram(s)
	now := wire.Time(1e18 - time.Hour)
	s.c.TakeTime(now)
	if !trials.Begin(conf.Main) || s.c.NextFrame(s.p) != nil {
		t.Fatal("it is tried while another is")
	}
	if next := s.c.NextTime(); next <= now || next > now+wire.Time(time.Second) {
		t.Errorf("it asks again after %v", time.Duration(next-now))
	}
	trials.End(conf.Main)
	if s.c.NextFrame(s.p) == nil {
		t.Error("it is not tried")
	}
}

// TestBatchWhenTheClockIsSetBack has a batch wait for turns that are ready, but
// no longer than it may.
func TestBatchWhenTheClockIsSetBack(t *testing.T) {
	s := newShard(t, conf.Config{FrameTasks: 1})
	s.c.TakeTime(1e18)
	for range 2 {
		s.c.TakeRequest(&wire.Request{To: wire.Address{Method: "f"}, Key: "", Async: true}, &core.Waiter{Done: func(*wire.Response, error) {}})
	}
	f := s.c.NextFrame(s.p)
	s.c.Apply(&turn.Report{Frame: f.Seq, Results: []turn.Result{{Outcome: turn.Done}}})
	now := wire.Time(1e18 - time.Hour)
	if s.c.TakeTime(now); s.c.SealNow(false) {
		t.Error("it does not wait for the second turn")
	}
	if s.c.TakeTime(now + wire.Time(time.Millisecond)); !s.c.SealNow(false) {
		t.Error("it waits for longer than it may")
	}
}
