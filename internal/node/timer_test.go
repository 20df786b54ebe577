package node_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
)

// TestFailedTimerFiresOnce crashes while a delayed call waits to be run again:
// it is mail by then, and a timer no more.
func TestFailedTimerFiresOnce(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		if _, err := situ.Start(context.Background(), r, flaky.With(2).After(time.Minute)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute + time.Second/2) // the first run has failed
		attempts.Store(0)
		r.crash()
		pass(time.Hour)
		if n := attempts.Load(); n != 2 {
			t.Errorf("%d runs after the crash, want one that fails and one that counts", n)
		}
		if st := r.stats(); st.Timers+st.Queued+st.Dead != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestNoTimerIsEarly holds a shard up after it has read the clock, and makes a
// call meanwhile: its turn, and the delay that begins with it, come after that.
func TestNoTimerIsEarly(t *testing.T) {
	var held atomic.Bool
	var r *rig
	late := func() time.Time {
		now := time.Now()
		if held.CompareAndSwap(true, false) {
			time.Sleep(30 * time.Second)
			go func() { _, _ = situ.Do(context.Background(), r, later.To("a", laterIn{N: 1, Every: time.Minute})) }()
			time.Sleep(time.Nanosecond) // it is posted
		}
		return now
	}
	cfg := node.Config{Store: store.Options{Shards: 1}, Shard: shard.Config{Now: late}}
	bubble(t, cfg, components(), func(it *rig) {
		r = it
		do(r, logged.To("a", situ.None{}))
		pass(time.Second) // the shard waits for work
		held.Store(true)
		do(r, logged.To("a", situ.None{}))
		if held.Load() {
			t.Fatal("the shard did not ask for the time")
		}
		pass(time.Minute - time.Second)
		if got := do(r, logged.To("a", situ.None{})); len(got) != 0 {
			t.Error("the timer of a minute rang a second early, or more")
		}
		pass(2 * time.Second)
		if got := do(r, logged.To("a", situ.None{})); len(got) != 1 {
			t.Errorf("the timer did not ring: %v", got)
		}
	})
}
