package node_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

func TestResidentObjectsAreBounded(t *testing.T) {
	cfg := node.Config{Store: store.Options{Shards: 1}, Shard: shard.Config{MaxResident: 100, IdleAfter: time.Minute}}
	bubble(t, cfg, components(), func(r *rig) {
		for i := range 2000 {
			do(r, push.To(fmt.Sprint("o", i), i))
		}
		if st := r.stats(); st.Resident > 102 || st.Evicted < 1800 {
			t.Errorf("%d resident, %d evicted", st.Resident, st.Evicted)
		}
		for i := 0; i < 2000; i += 37 {
			if n := do(r, push.To(fmt.Sprint("o", i), i)); n != 2 {
				t.Errorf("object %d came back with %d", i, n)
			}
		}
		pass(2 * time.Minute)
		if st := r.stats(); st.Resident != 0 {
			t.Errorf("%d resident after a rest", st.Resident)
		}
	})
	cfg.Shard = shard.Config{MaxResidentBytes: 100_000}
	bubble(t, cfg, components(), func(r *rig) {
		for i := range 100 {
			do(r, fill.To(fmt.Sprint("o", i), 10_000))
		}
		if st := r.stats(); st.Resident > 12 {
			t.Errorf("%d resident with 10 kB each, over a bound of 100 kB", st.Resident)
		}
	})
}

func TestStateLimit(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		do(r, push.To("a", 1))
		_, err := situ.Do(context.Background(), r, fill.To("a", 17<<20))
		if kindOf(err) != "too-large" {
			t.Fatalf("err = %v", err)
		}
		if n := do(r, push.To("a", 2)); n != 2 {
			t.Errorf("the object has %d entries: the turn was not dropped alone", n)
		}
	})
}

func TestDoor(t *testing.T) {
	bubble(t, node.Config{Limits: node.Limits{Payload: 100}}, components(), func(r *rig) {
		for _, c := range []struct {
			r    *wire.Request
			want fault.Kind
		}{
			{&wire.Request{To: wire.Address{Type: "thing", Key: "a", Method: "pusch"}}, fault.NotFound},
			{&wire.Request{To: wire.Address{Type: "thin", Key: "a", Method: "push"}}, fault.NotFound},
			{&wire.Request{To: wire.Address{Method: "thrice"}}, fault.NotFound},
			{&wire.Request{To: wire.Address{Type: "thing", Key: "a", Method: "asked"}}, fault.NotFound},
			{&wire.Request{To: wire.Address{Type: "thing", Key: "", Method: "push"}}, fault.Invalid},
			{&wire.Request{To: wire.Address{Type: "thing", Key: "a\x00b", Method: "push"}}, fault.Invalid},
			{&wire.Request{To: wire.Address{Method: "twice"}, Body: wire.Payload{Format: wire.JSON, Data: make([]byte, 101)}}, fault.TooLarge},
		} {
			if _, err := r.node.Invoke(context.Background(), c.r); !fault.Is(err, c.want) {
				t.Errorf("%v: %v, want %v", c.r.To, err, c.want)
			}
		}
		if st := r.stats(); st.Turns != 0 || st.Commits != 0 {
			t.Errorf("a refused call did something: %+v", st)
		}
	})
}

func TestMailboxLimit(t *testing.T) {
	bubble(t, node.Config{Shard: shard.Config{MaxMailbox: 5}}, components(), func(r *rig) {
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() { do(r, nap.To("a", time.Second)) })
		}
		synctest.Wait()
		_, err := situ.Do(context.Background(), r, push.To("a", 1))
		if kindOf(err) != "busy" {
			t.Errorf("err = %v", err)
		}
		do(r, push.To("b", 1))
		group.Wait()
		do(r, push.To("a", 1))
	})
}

// TestPushBack floods one shard from others: nothing is lost, and what is in
// memory stays bounded.
func TestPushBack(t *testing.T) {
	cfg := node.Config{Store: store.Options{Shards: 3}, Shard: shard.Config{MaxQueued: 50, ChannelWindow: 5000, MaxOutbox: 40_000}}
	bubble(t, cfg, components(), func(r *rig) {
		var group sync.WaitGroup
		group.Go(func() { _, _ = situ.Do(context.Background(), r, nap.To("sink", time.Minute)) }) // ends with the crash
		synctest.Wait()
		sent, refused := 0, 0
		for i := range 40 {
			key := fmt.Sprint("s", i)
			_, err := situ.Do(context.Background(), r, spray.To(key, sprayIn{To: "sink", From: i * 100, N: 100}))
			switch {
			case err == nil:
				sent += 100
			case kindOf(err) == "busy":
				refused++
			default:
				t.Fatal(err)
			}
		}
		if refused == 0 || sent == 0 {
			t.Errorf("sent %d, refused %d", sent, refused)
		}
		if st := r.stats(); st.Outbox == 0 || st.Outbox > sent {
			t.Errorf("%d messages are in outboxes, of %d that were sent", st.Outbox, sent)
		}
		r.crash()
		pass(5 * time.Minute)
		group.Wait()
		if got := do(r, logged.To("sink", situ.None{})); len(got) != sent {
			t.Errorf("%d arrived of %d", len(got), sent)
		}
	})
}

func TestDiskFull(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{MinFree: 1 << 20}}, components(), func(r *rig) {
		do(r, push.To("a", 1))
		r.fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1000, TotalBytes: 1 << 30})
		pass(time.Second)
		if _, err := situ.Do(context.Background(), r, push.To("a", 1)); kindOf(err) != "disk-full" {
			t.Errorf("write: %v", err)
		}
		if got := do(r, logged.To("a", situ.None{})); len(got) != 1 {
			t.Errorf("read: %v", got)
		}
		if _, err := situ.Do(context.Background(), r, logged.To("a", situ.None{}).Idempotent("k")); kindOf(err) != "disk-full" {
			t.Errorf("a read that is recorded: %v", err)
		}
		if err := r.node.RetryDead(context.Background(), "0-1"); fault.KindOf(err) != fault.Full {
			t.Errorf("a dead letter that is to be run again: %v", err)
		}
		r.fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 29, TotalBytes: 1 << 30})
		pass(time.Second)
		do(r, push.To("a", 1))
	})
}

// TestRelaxed holds commits up: a relaxed method answers all the same, a
// durable one does not.
func TestRelaxed(t *testing.T) {
	gate := make(chan struct{})
	held := false
	cfg := node.Config{Store: store.Options{Shards: 1}, Shard: shard.Config{BeforeCommit: func(wire.Seq) error {
		if held {
			return errCrash
		}
		return nil
	}}}
	close(gate)
	bubble(t, cfg, components(), func(r *rig) {
		do(r, push.To("a", 1))
		held = true
		if n := do(r, relaxed.To("a", 5)); n != 5 {
			t.Errorf("answer %d", n)
		}
		synctest.Wait()
		held = false
		r.crash()
		if got := do(r, logged.To("a", situ.None{})); len(got) != 1 {
			t.Errorf("the commit was refused, and yet: %v", got)
		}
	})
}

func TestReloadRunsUnreportedTurnsAgain(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() { do(r, nap.To(fmt.Sprint("o", i), time.Minute)) })
		}
		pass(time.Second)
		r.setHosts() // the naps of the old host are given up
		began := time.Now()
		group.Wait()
		if d := time.Since(began); d < time.Minute {
			t.Errorf("done after %v", d)
		}
		for i := range 20 {
			if got := do(r, logged.To(fmt.Sprint("o", i), situ.None{})); len(got) != 1 {
				t.Errorf("o%d: %v", i, got)
			}
		}
	})
}

// TestReloadsAreNotFailures takes the host away again and again while a turn
// runs: that is nobody's fault, and no message is given up for it.
func TestReloadsAreNotFailures(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		done := make(chan error, 1)
		go func() {
			_, err := situ.Do(context.Background(), r, nap.To("a", time.Minute))
			done <- err
		}()
		for range 12 {
			pass(time.Second)
			r.setHosts()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if st := r.stats(); st.Dead != 0 {
			t.Errorf("%d dead letters", st.Dead)
		}
	})
}

func TestDrain(t *testing.T) {
	bubble(t, node.Config{Drain: 5 * time.Second}, components(), func(r *rig) {
		var group sync.WaitGroup
		var short, long error
		group.Go(func() { _, short = situ.Do(context.Background(), r, nap.To("a", 2*time.Second)) })
		group.Go(func() { _, long = situ.Do(context.Background(), r, nap.To("b", time.Hour)) })
		pass(time.Second)
		began := time.Now()
		r.close()
		group.Wait()
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("draining took %v", d)
		}
		if short != nil || kindOf(long) != "unavailable" {
			t.Errorf("short: %v; long: %v", short, long)
		}
		if _, err := situ.Do(context.Background(), r, push.To("a", 1)); kindOf(err) != "unavailable" {
			t.Errorf("after the end: %v", err)
		}
		pass(time.Hour) // for the handler that was given up
		r.open()
		if got := do(r, logged.To("a", situ.None{})); len(got) != 1 {
			t.Errorf("a: %v", got)
		}
	})
}

func TestListAndDelete(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 3}}, components(), func(r *rig) {
		for i := range 30 {
			do(r, push.To(fmt.Sprintf("k%02d", i), i))
		}
		do(r, push.To("other", 1))
		var keys []string
		for cursor := ""; ; {
			infos, next, err := r.node.List(context.Background(), "thing", "k", cursor, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, info := range infos {
				keys = append(keys, info.ID.Key)
			}
			if cursor = next; next == "" {
				break
			}
		}
		if len(keys) != 30 || keys[0] != "k00" || keys[29] != "k29" {
			t.Errorf("listed %v", keys)
		}
		id := wire.ObjectID{Type: "thing", Key: "k07"}
		if err := r.node.Delete(context.Background(), id); err != nil {
			t.Fatal(err)
		}
		if err := r.node.Delete(context.Background(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		r.crash()
		if _, _, err := r.node.Object(context.Background(), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("after delete and crash: %v", err)
		}
		if n := do(r, push.To("k07", 1)); n != 1 {
			t.Errorf("a deleted object began with %d entries", n-1)
		}
	})
}

// TestNotFoundIsDurable reads an object behind its deletion, and the commit of
// both fails: that it is gone must not be told, because it is not.
func TestNotFoundIsDurable(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		do(r, push.To("a", 1))
		a := wire.ObjectID{Type: "thing", Key: "a"}
		go func() { _, _ = situ.Do(context.Background(), r, nap.To("b", time.Millisecond)) }()
		synctest.Wait() // until it is reported, operations wait
		n, told := r.node, make(chan error, 2)
		for _, op := range []func() error{
			func() error { return n.Delete(context.Background(), a) },
			func() error { _, _, err := n.Object(context.Background(), a); return err },
		} {
			go func() { told <- op() }()
			synctest.Wait()
		}
		r.dead.Store(true)
		for range 2 {
			if err := <-told; err == nil || fault.KindOf(err) == fault.NotFound {
				t.Errorf("told %v of a deletion that was not committed", err)
			}
		}
		r.crash()
		if got := do(r, logged.To("a", situ.None{})); len(got) != 1 {
			t.Errorf("a is gone: %v", got)
		}
	})
}

func TestCommitErrorStopsTheNode(t *testing.T) {
	broken := false
	cfg := node.Config{Shard: shard.Config{BeforeCommit: func(wire.Seq) error {
		if broken {
			return errCrash
		}
		return nil
	}}}
	bubble(t, cfg, components(), func(r *rig) {
		do(r, push.To("a", 1))
		broken = true
		_, err := situ.Do(context.Background(), r, push.To("a", 2))
		if err == nil {
			t.Error("a call was answered whose commit failed")
		}
		if err := <-r.done; !errors.Is(err, errCrash) {
			t.Errorf("run ended with %v", err)
		}
		r.done <- nil
	})
}

// TestCallersWhoLeave checks that nothing is kept for those who do not wait
// any more, when what they waited for never comes.
func TestCallersWhoLeave(t *testing.T) {
	typ := situ.NewType("holder")
	hold := situ.NewMethod[situ.None, int](typ, "hold")
	type state struct{ P situ.Promise[int] }
	held := []situ.Component{situ.Object(typ, situ.On(hold, func(s *state, t *situ.Turn, _ situ.None) (int, error) { return situ.Hold(t, &s.P) }))}
	bubble(t, node.Config{}, held, func(r *rig) {
		for i := range 200 {
			ctx, stop := context.WithTimeout(context.Background(), time.Second)
			if _, err := situ.Do(ctx, r, hold.To(fmt.Sprint(i), situ.None{})); kindOf(err) != "timeout" {
				t.Fatal(err)
			}
			stop()
		}
		pass(10 * time.Minute)
		if st := r.stats(); st.Waiting != 0 {
			t.Errorf("%d callers are waited for", st.Waiting)
		}
	})
}

// A long queue that does not move fast enough refuses callers who wait for the
// answer, at once, until it is short again; a short one waits for its handler.
// Who only wants to be heard is taken. What was taken is not lost, and other
// objects do not notice.
func TestLongWait(t *testing.T) {
	cfg := node.Config{Shard: shard.Config{MaxWait: 500 * time.Millisecond, LongQueue: 10, MaxMailbox: 20}}
	bubble(t, cfg, components(), func(r *rig) {
		var group sync.WaitGroup
		call := func(key string, n int) {
			for range n {
				group.Go(func() { do(r, nap.To(key, time.Second)) })
			}
			synctest.Wait()
		}
		try := func(async bool) (refused bool) {
			began := time.Now()
			req := &wire.Request{To: wire.Address{Type: "thing", Key: "hot", Method: "push"}, Body: wire.Payload{Format: wire.JSON, Data: []byte("1")}, Async: async}
			full := r.node.Full(req)
			_, err := r.node.Invoke(context.Background(), req)
			if err != nil && (!fault.Is(err, fault.Busy) || time.Since(began) != 0) || full != nil && err == nil {
				t.Errorf("%v after %v; the door was told %v", err, time.Since(began), full)
			}
			return err != nil
		}
		call("slow", 5)
		call("hot", 11)
		pass(400 * time.Millisecond)
		call("hot", 1) // the first has waited too short a time
		pass(200 * time.Millisecond)
		call("slow", 1) // the queue is short
		for range 3 {   // by the shard, and then at the door
			if !try(false) {
				t.Error("the queue is long and does not move, and a call was taken")
			}
		}
		for range 8 {
			if try(true) {
				t.Error("nobody waits for the answer, and the call was refused")
			}
		}
		for range 3 {
			if !try(true) {
				t.Error("the mailbox is full, and a call was taken")
			}
		}
		if n := do(r, push.To("other", 1)); n != 1 {
			t.Errorf("another object has %d", n)
		}
		pass(3 * time.Second)
		if !try(false) || try(true) {
			t.Error("there are 17 left, of a second each")
		}
		pass(10 * time.Second)
		if try(false) {
			t.Error("the queue is short again, and a call was refused")
		}
		group.Wait()
		if got := do(r, logged.To("hot", situ.None{})); len(got) != 12+8+1+1 {
			t.Errorf("%d of 22 calls that were taken have run", len(got))
		}
	})
}

// What a long queue is depends on how fast it moves: with a handler of a
// millisecond, 500 calls are half a second, and whoever is taken waits for no
// longer than that.
func TestLongWaitFollowsThePace(t *testing.T) {
	cfg := node.Config{Store: store.Options{Shards: 1}, Shard: shard.Config{MaxWait: 500 * time.Millisecond, LongQueue: 10}}
	bubble(t, cfg, components(), func(r *rig) {
		var taken, refused atomic.Int64
		var longest atomic.Int64
		var group sync.WaitGroup
		for range 3000 { // one in a millisecond, ten times as many as can be done
			group.Go(func() {
				began := time.Now()
				if _, err := situ.Do(context.Background(), r, nap.To("hot", time.Millisecond)); err == nil {
					taken.Add(1)
					for d := int64(time.Since(began)); ; {
						if old := longest.Load(); d <= old || longest.CompareAndSwap(old, d) {
							break
						}
					}
				} else if kindOf(err) == "busy" && time.Since(began) == 0 {
					refused.Add(1)
				} else {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
			time.Sleep(100 * time.Microsecond)
		}
		group.Wait()
		if d := time.Duration(longest.Load()); d > 600*time.Millisecond || d < 400*time.Millisecond {
			t.Errorf("who was taken waited for up to %v", d)
		}
		if n := taken.Load(); n < 600 || n > 900 || n+refused.Load() != 3000 {
			t.Errorf("%d were taken, %d refused", n, refused.Load())
		}
	})
}

// Many objects that are ready are a long queue, too, even if each has but one
// message: when the first of them has waited for long, nobody else is taken.
func TestLongWaitOfAShard(t *testing.T) {
	cfg := node.Config{Store: store.Options{Shards: 1}, Shard: shard.Config{MaxWait: 50 * time.Millisecond, LongQueue: 10}}
	bubble(t, cfg, components(), func(r *rig) {
		var taken, refused atomic.Int64
		var group sync.WaitGroup
		for i := range 3000 {
			group.Go(func() {
				began := time.Now()
				_, err := situ.Do(context.Background(), r, nap.To(fmt.Sprint("o", i), time.Millisecond))
				switch d := time.Since(began); {
				case err == nil && d < 2*time.Second:
					taken.Add(1)
				case kindOf(err) == "busy" && d == 0:
					refused.Add(1)
				default:
					t.Errorf("%v after %v", err, d)
				}
			})
			time.Sleep(100 * time.Microsecond)
		}
		if _, err := situ.Do(context.Background(), r, push.To("late", 1)); kindOf(err) != "busy" {
			t.Errorf("the last: %v", err)
		}
		group.Wait()
		if n := taken.Load(); n < 900 || n > 1900 || n+refused.Load() != 3000 {
			t.Errorf("%d were taken, %d refused", n, refused.Load())
		}
		do(r, push.To("late", 1))
	})
}
