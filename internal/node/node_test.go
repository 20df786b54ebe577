package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// The components of these tests: a thing with a log, and a relay.
var (
	thingType = situ.NewType("thing")
	push      = situ.NewMethod[int, int](thingType, "push")
	logged    = situ.NewMethod[situ.None, []int](thingType, "log", situ.ReadOnly)
	nap       = situ.NewMethod[time.Duration, int](thingType, "nap", situ.Timeout(time.Hour))
	boom      = situ.NewMethod[string, int](thingType, "boom")
	spray     = situ.NewMethod[sprayIn, int](thingType, "spray")
	fill      = situ.NewMethod[int, int](thingType, "fill")
	relaxed   = situ.NewMethod[int, int](thingType, "relaxed", situ.Relaxed)
	later     = situ.NewMethod[laterIn, situ.None](thingType, "later")
	ask       = situ.NewMethod[string, int](thingType, "ask")
	asked     = situ.NewMethod[situ.Reply[int, string], int](thingType, "asked")
	twice     = situ.NewFunc[int, int]("twice")
	fanout    = situ.NewFunc[sprayIn, int]("fanout")
	flaky     = situ.NewFunc[int, int]("flaky", situ.Retries(situ.RetryPolicy(4, time.Second, time.Minute)))
	viaFlaky  = situ.NewMethod[int, int](thingType, "via-flaky")
)

type sprayIn struct {
	To   string `json:"to"`
	From int    `json:"from"`
	N    int    `json:"n"`
	Fail bool   `json:"fail"`
}

type laterIn struct {
	N     int           `json:"n"`
	Every time.Duration `json:"every"`
}

type thing struct {
	Log  []int  `json:"log"`
	Junk []byte `json:"junk"`
}

var attempts atomic.Int64

func components() []situ.Component {
	return []situ.Component{
		situ.Object(thingType,
			situ.On(push, func(o *thing, _ *situ.Turn, n int) (int, error) { o.Log = append(o.Log, n); return len(o.Log), nil }),
			situ.On(logged, func(o *thing, _ *situ.Turn, _ situ.None) ([]int, error) { return o.Log, nil }),
			situ.On(nap, func(o *thing, _ *situ.Turn, d time.Duration) (int, error) {
				time.Sleep(d)
				o.Log = append(o.Log, -1)
				return len(o.Log), nil
			}),
			situ.On(boom, func(o *thing, t *situ.Turn, text string) (int, error) {
				attempts.Add(1)
				o.Log = append(o.Log, -99)
				situ.Send(t, push.To("never", 1))
				panic(text)
			}),
			situ.On(spray, sprayThing),
			situ.On(fill, func(o *thing, _ *situ.Turn, n int) (int, error) { o.Junk = make([]byte, n); return n, nil }),
			situ.On(relaxed, func(o *thing, _ *situ.Turn, n int) (int, error) { o.Log = append(o.Log, n); return n, nil }),
			situ.On(later, func(o *thing, t *situ.Turn, in laterIn) (situ.None, error) {
				for i := range in.N {
					situ.Send(t, push.To(t.Key(), i).After(time.Duration(i+1)*in.Every))
				}
				return situ.None{}, nil
			}),
			situ.On(ask, func(o *thing, t *situ.Turn, key string) (int, error) {
				return situ.Then(t, twice.With(len(o.Log)+21), asked, key)
			}),
			situ.On(viaFlaky, func(_ *thing, t *situ.Turn, n int) (int, error) { return situ.Tail(t, flaky.With(n)) }),
			situ.On(asked, func(o *thing, t *situ.Turn, r situ.Reply[int, string]) (int, error) {
				o.Log = append(o.Log, r.Value)
				return situ.Tail(t, push.To(r.Carry, r.Value))
			})),
		situ.Function(flaky, func(t *situ.Turn, n int) (int, error) {
			attempts.Add(1)
			if t.Attempt() < n {
				panic("not yet")
			}
			return t.Attempt(), nil
		}),
		situ.Function(twice, func(_ *situ.Turn, n int) (int, error) { return 2 * n, nil }),
		situ.Function(fanout, func(t *situ.Turn, in sprayIn) (int, error) {
			for i := range in.N {
				situ.Send(t, push.To(fmt.Sprint(in.To, i), i))
			}
			return in.N, nil
		}),
	}
}

func sprayThing(o *thing, t *situ.Turn, in sprayIn) (int, error) {
	for i := range in.N {
		situ.Send(t, push.To(in.To, in.From+i))
	}
	o.Log = append(o.Log, in.From)
	if in.Fail {
		return 0, fmt.Errorf("no")
	}
	return in.N, nil
}

func count(from, n int) (s []int) {
	for i := range n {
		s = append(s, from+i)
	}
	return s
}

func TestFailedTurnChangesNothing(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		do(r, push.To("a", 1))
		if _, err := situ.Do(context.Background(), r, spray.To("a", sprayIn{To: "b", N: 3, Fail: true})); kindOf(err) != "failed" || err.Error() != "no" {
			t.Errorf("err = %v", err)
		}
		synctest.Wait()
		if got := do(r, logged.To("a", situ.None{})); !slices.Equal(got, []int{1}) {
			t.Errorf("state of a failed turn was kept: %v", got)
		}
		if got := do(r, logged.To("b", situ.None{})); got != nil {
			t.Errorf("messages of a failed turn arrived: %v", got)
		}
	})
}

// TestOrder sends numbers between objects of many shards, dies now and then,
// and checks that each receiver saw them all once and in order.
func TestOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	bubble(t, node.Config{Store: store.Options{Shards: 5}, Shard: shard.Config{ChannelWindow: 2000, FrameTasks: 16}}, components(), func(r *rig) {
		const senders, rounds, n = 6, 12, 40
		for round := range rounds {
			var group sync.WaitGroup
			for s := range senders {
				call := spray.To(fmt.Sprint("s", s), sprayIn{To: fmt.Sprint("r", s), From: round * n, N: n}).Idempotent(fmt.Sprint(round, "/", s))
				group.Go(func() {
					_, _ = situ.Do(context.Background(), r, call) // unknown after a crash: made again below
				})
			}
			if rng.IntN(2) == 0 {
				r.crash()
			}
			group.Wait()
			for s := range senders {
				call := spray.To(fmt.Sprint("s", s), sprayIn{To: fmt.Sprint("r", s), From: round * n, N: n}).Idempotent(fmt.Sprint(round, "/", s))
				_, err := situ.Do(context.Background(), r, call)
				for ; kindOf(err) == fault.Conflict.String(); _, err = situ.Do(context.Background(), r, call) {
					pass(time.Second) // it is durable, and was not run again yet
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
		pass(time.Minute)
		for s := range senders {
			if got := do(r, logged.To(fmt.Sprint("r", s), situ.None{})); !slices.Equal(got, count(0, rounds*n)) {
				t.Errorf("receiver %d: %d messages: %v", s, len(got), got)
			}
		}
		if st := r.stats(); st.Queued != 0 {
			t.Errorf("left: %+v", st)
		}
	})
}

// TestNetEffect checks law 2: many turns on one object between two commits are
// one write.
func TestNetEffect(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		do(r, push.To("a", 0))
		before := r.node.Store().Stats()
		do(r, spray.To("a", sprayIn{To: "a", N: 200}))
		synctest.Wait()
		st := r.node.Store().Stats()
		turns, bytes := r.stats().Turns, st.BytesWritten-before.BytesWritten
		if turns != 202 {
			t.Errorf("%d turns", turns)
		}
		// One state of 202 small numbers, and no messages.
		if bytes > 1500 {
			t.Errorf("%d turns wrote %d bytes in %d commits", turns, bytes, st.Commits-before.Commits)
		}
	})
}

func TestSlowHandlerDelaysOnlyItsObject(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		do(r, push.To("slow", 7))
		ctx, stop := context.WithCancel(context.Background())
		var group sync.WaitGroup
		group.Go(func() {
			for ctx.Err() == nil {
				_, _ = situ.Do(context.Background(), r, nap.To("slow", time.Second))
			}
		})
		worst := time.Duration(0)
		for i := range 2000 {
			began := time.Now()
			do(r, push.To(fmt.Sprint("o", i%50), i))
			worst = max(worst, time.Since(began))
			time.Sleep(3 * time.Millisecond)
		}
		// The first time, the runner's patience; later no delay at all.
		if worst > 10*time.Millisecond {
			t.Errorf("a call waited %v for another object's handler", worst)
		}
		// Reading the slow object meanwhile answers what is committed.
		began := time.Now()
		if got := do(r, logged.To("slow", situ.None{})); len(got) < 5 || time.Since(began) > 10*time.Millisecond {
			t.Errorf("read %v in %v", got, time.Since(began))
		}
		stop()
		group.Wait()
	})
}

func TestPanicRetriedThenDead(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		attempts.Store(0)
		began := time.Now()
		_, err := situ.Do(context.Background(), r, boom.To("a", "ouch").Retry(situ.RetryPolicy(3, time.Second, time.Minute)))
		if kindOf(err) != "crashed" || !strings.Contains(err.Error(), "panic: ouch") {
			t.Errorf("err = %v", err)
		}
		if attempts.Load() != 3 || time.Since(began) != 3*time.Second {
			t.Errorf("%d attempts in %v", attempts.Load(), time.Since(began))
		}
		if got := do(r, logged.To("a", situ.None{})); got != nil {
			t.Errorf("state %v", got)
		}
		r.crash()
		letters, _, err := r.node.Dead(context.Background(), "thing", "", 10)
		if err != nil || len(letters) != 1 || letters[0].Envelope.To.String() != "thing/a.boom" || !strings.Contains(letters[0].Reason.Detail, "node_test.go") {
			t.Fatalf("dead letters %+v, %v", letters, err)
		}
		if err := r.node.RetryDead(context.Background(), letters[0].ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		again, _, _ := r.node.Dead(context.Background(), "", "", 10)
		if len(again) != 1 || attempts.Load() != 6 {
			t.Fatalf("after a retry: %d dead letters, %d attempts", len(again), attempts.Load())
		}
		if err := r.node.DropDead(context.Background(), again[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := r.node.DropDead(context.Background(), again[0].ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("dropped twice: %v", err)
		}
		if got := do(r, logged.To("never", situ.None{})); got != nil {
			t.Errorf("a failed turn sent something: %v", got)
		}
	})
}

// TestMailWaitsBehindRetry checks that a message is not overtaken while it
// waits to be run again.
func TestMailWaitsBehindRetry(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		var group sync.WaitGroup
		group.Go(func() {
			_, _ = situ.Do(context.Background(), r, boom.To("a", "x").Retry(situ.RetryPolicy(2, time.Minute, time.Minute)))
		})
		synctest.Wait()
		began := time.Now()
		if n := do(r, push.To("a", 5)); n != 1 || time.Since(began) != time.Minute {
			t.Errorf("answered %d after %v", n, time.Since(began))
		}
		group.Wait()
	})
}

func TestIdempotencyKeys(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		call := push.To("a", 1).Idempotent("k")
		if n := do(r, call); n != 1 {
			t.Errorf("answer %d", n)
		}
		for range 3 {
			if n := do(r, call); n != 1 {
				t.Errorf("again %d", n)
			}
			r.crash()
		}
		if _, err := situ.Do(context.Background(), r, push.To("a", 2).Idempotent("k")); kindOf(err) != "key-reused" {
			t.Errorf("another payload: %v", err)
		}
		slow := nap.To("b", time.Minute).Idempotent("n")
		var group sync.WaitGroup
		group.Go(func() { do(r, slow) })
		pass(time.Second)
		if _, err := situ.Do(context.Background(), r, slow); kindOf(err) != "in-progress" {
			t.Errorf("while it runs: %v", err)
		}
		group.Wait()
		if n := do(r, slow); n != 1 {
			t.Errorf("answer %d", n)
		}
		pass(23 * time.Hour)
		if n := do(r, call); n != 1 {
			t.Errorf("after 23 h: %d", n)
		}
		pass(2 * time.Hour)
		if n := do(r, call); n != 2 {
			t.Errorf("after its time the key is free: %d", n)
		}
		pass(5 * time.Minute) // the old record is swept away, the new one is not
		if n := do(r, call); n != 2 {
			t.Errorf("the new record was swept with the old: %d", n)
		}
	})
}

func TestAsync(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		id, err := situ.Start(context.Background(), r, nap.To("a", time.Hour/2))
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		rec, err := r.node.Invocation(context.Background(), wire.InvocationID(id), time.Minute)
		if err != nil || rec.Finished != 0 {
			t.Fatalf("record %+v, %v", rec, err)
		}
		r.crash() // accepted is durable: it runs again
		began := time.Now()
		rec, err = r.node.Invocation(context.Background(), wire.InvocationID(id), 3*time.Hour)
		if err != nil || rec.Finished == 0 || rec.Fail != nil {
			t.Fatalf("record %+v, %v", rec, err)
		}
		if d := time.Since(began); d != time.Hour/2 {
			t.Errorf("finished after %v", d)
		}
		if got := do(r, logged.To("a", situ.None{})); !slices.Equal(got, []int{-1}) {
			t.Errorf("effect %v", got)
		}
		if _, err := r.node.Invocation(context.Background(), "0000-nothing", 0); !fault.Is(err, fault.NotFound) {
			t.Errorf("unknown: %v", err)
		}
		pass(25 * time.Hour)
		if _, err := r.node.Invocation(context.Background(), wire.InvocationID(id), 0); !fault.Is(err, fault.NotFound) {
			t.Errorf("after its time: %v", err)
		}
	})
}

func TestTimers(t *testing.T) {
	bubble(t, node.Config{Shard: shard.Config{TimerWindow: 16}}, components(), func(r *rig) {
		const n = 300
		do(r, later.To("a", laterIn{N: n, Every: time.Second}))
		for i := range 5 {
			pass(31 * time.Second)
			if i%2 == 0 {
				r.crash()
			}
			want := (i + 1) * 31
			if got := do(r, logged.To("a", situ.None{})); !slices.Equal(got, count(0, want)) {
				t.Fatalf("after %d s: %v", want, got)
			}
		}
		pass(time.Hour)
		if got := do(r, logged.To("a", situ.None{})); !slices.Equal(got, count(0, n)) {
			t.Errorf("%d timers fired: %v", len(got), got)
		}
	})
}

func TestThenAndTailAcrossShards(t *testing.T) {
	bubble(t, node.Config{Store: store.Options{Shards: 4}}, components(), func(r *rig) {
		for i := range 20 {
			key := fmt.Sprint("q", i)
			if n := do(r, ask.To(key, "sink"+key)); n != 1 {
				t.Errorf("answer %d", n)
			}
			if got := do(r, logged.To("sink"+key, situ.None{})); !slices.Equal(got, []int{42}) {
				t.Errorf("%v", got)
			}
		}
		if n := do(r, fanout.With(sprayIn{To: "f", N: 50})); n != 50 {
			t.Errorf("fanout %d", n)
		}
		synctest.Wait()
		r.crash()
		for i := range 50 {
			if got := do(r, logged.To(fmt.Sprint("f", i), situ.None{})); !slices.Equal(got, []int{i}) {
				t.Errorf("f%d: %v", i, got)
			}
		}
	})
}

// TestFunctionRetry checks that a function that panics is run again after a
// pause, called directly and by message, over a crash, and given up at last.
func TestFunctionRetry(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		began := time.Now()
		if n := do(r, flaky.With(2)); n != 2 || time.Since(began) != 3*time.Second {
			t.Errorf("%d attempts in %v", n, time.Since(began))
		}
		id, err := situ.Start(context.Background(), r, viaFlaky.To("a", 3))
		if err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second) // two runs have failed
		attempts.Store(0)
		r.crash()
		rec, err := r.node.Invocation(context.Background(), wire.InvocationID(id), time.Hour)
		if err != nil || rec.Finished == 0 || rec.Fail != nil {
			t.Fatalf("record %+v, %v", rec, err)
		}
		if n := attempts.Load(); n != 2 {
			t.Errorf("%d runs after the crash: attempts are not durable", n)
		}
		if _, err := situ.Do(context.Background(), r, viaFlaky.To("a", 9)); kindOf(err) != "crashed" {
			t.Errorf("err = %v", err)
		}
		if st := r.stats(); st.Dead != 1 || st.Queued != 0 {
			t.Errorf("%+v", st)
		}
	})
}
