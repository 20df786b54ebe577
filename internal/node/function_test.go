package node_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
)

// How functions behave does not depend on whether they run in a shard's frames
// or beside the shards. These tests run both ways.

var (
	tallyType = situ.NewType("tally")
	tallyAdd  = situ.NewMethod[int, int](tallyType, "add")
	tallyGet  = situ.NewMethod[situ.None, int](tallyType, "get", situ.ReadOnly)
	plainFn   = situ.NewFunc[int, int]("plain")
	sendsFn   = situ.NewFunc[int, int]("sends")
	tailFn    = situ.NewFunc[int, int]("tail")
	thenFn    = situ.NewFunc[int, int]("then")
	goesOnFn  = situ.NewFunc[situ.Reply[int, int], int]("goesOn")
	refusesFn = situ.NewFunc[int, int]("refuses")
	panicsFn  = situ.NewFunc[int, int]("panics", situ.Retries(situ.RetryPolicy(3, time.Second, time.Minute)))
	flakyFn   = situ.NewFunc[int, string]("flaky", situ.Retries(situ.RetryPolicy(3, time.Second, time.Minute)))
	hangsFn   = situ.NewFunc[int, int]("hangs", situ.Timeout(5*time.Second), situ.Retries(situ.RetryPolicy(1, 0, 0)))
	slowFn    = situ.NewFunc[int, int]("slow")
)

type tally struct{ N int }

// functions are the components; hang is what "hangs" waits for.
func functions(hang func() chan struct{}, runs *atomic.Int64) []situ.Component {
	return []situ.Component{
		situ.Object(tallyType,
			situ.On(tallyAdd, func(c *tally, _ *situ.Turn, n int) (int, error) { c.N += n; return c.N, nil }),
			situ.On(tallyGet, func(c *tally, _ *situ.Turn, _ situ.None) (int, error) { return c.N, nil })),
		situ.Function(plainFn, func(_ *situ.Turn, n int) (int, error) { return 2 * n, nil }),
		situ.Function(sendsFn, func(t *situ.Turn, n int) (int, error) {
			for i := range n {
				situ.Send(t, tallyAdd.To(fmt.Sprint(i), 1))
			}
			return n, nil
		}),
		situ.Function(tailFn, func(t *situ.Turn, n int) (int, error) { return situ.Tail(t, tallyAdd.To("tail", n)) }),
		situ.Function(thenFn, func(t *situ.Turn, n int) (int, error) {
			return situ.Then(t, tallyAdd.To("then", n), goesOnFn, 100)
		}),
		situ.Function(goesOnFn, func(_ *situ.Turn, r situ.Reply[int, int]) (int, error) { return r.Value + r.Carry, r.Err() }),
		situ.Function(refusesFn, func(t *situ.Turn, _ int) (int, error) {
			situ.Send(t, tallyAdd.To("refused", 1))
			return 0, situ.Errorf("no", "it is refused")
		}),
		situ.Function(panicsFn, func(t *situ.Turn, _ int) (int, error) {
			runs.Add(1)
			situ.Send(t, tallyAdd.To("panicked", 1))
			panic("as the test wants it")
		}),
		situ.Function(flakyFn, func(t *situ.Turn, _ int) (string, error) {
			if t.Attempt() < 2 {
				runs.Store(int64(t.Rand().Uint64() >> 1))
				panic("not yet")
			}
			return fmt.Sprint(t.Attempt(), runs.Load() == int64(t.Rand().Uint64()>>1)), nil
		}),
		situ.Function(hangsFn, func(*situ.Turn, int) (int, error) { <-hang(); return 1, nil }),
		situ.Function(slowFn, func(t *situ.Turn, n int) (int, error) {
			time.Sleep(time.Duration(n) * time.Second)
			situ.Send(t, tallyAdd.To("slow", 1))
			return n, nil
		}),
	}
}

func TestFunctions(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, r *rig, runs *atomic.Int64)
	}{
		{"answer", func(t *testing.T, r *rig, _ *atomic.Int64) {
			if n := do(r, plainFn.With(21)); n != 42 {
				t.Errorf("it answered %d", n)
			}
		}},
		{"sends", func(t *testing.T, r *rig, _ *atomic.Int64) {
			do(r, sendsFn.With(5))
			r.crash() // what was answered is durable, with all that was sent
			pass(time.Second)
			for i := range 5 {
				if n := do(r, tallyGet.To(fmt.Sprint(i), situ.None{})); n != 1 {
					t.Errorf("object %d has %d", i, n)
				}
			}
		}},
		{"tail and then", func(t *testing.T, r *rig, _ *atomic.Int64) {
			if a, b := do(r, tailFn.With(3)), do(r, thenFn.With(4)); a != 3 || b != 104 {
				t.Errorf("tail %d, then %d", a, b)
			}
		}},
		{"error", func(t *testing.T, r *rig, _ *atomic.Int64) {
			_, err := situ.Do(context.Background(), r, refusesFn.With(1))
			if e, ok := errors.AsType[*situ.Error](err); !ok || e.Code != "no" {
				t.Errorf("it answered %v", err)
			}
			pass(time.Second)
			if n := do(r, tallyGet.To("refused", situ.None{})); n != 0 {
				t.Errorf("what it sent arrived: %d", n)
			}
		}},
		{"panic", func(t *testing.T, r *rig, runs *atomic.Int64) {
			began := time.Now()
			_, err := situ.Do(context.Background(), r, panicsFn.With(1))
			if kindOf(err) != fault.Crashed.String() || runs.Load() != 3 || time.Since(began) < 3*time.Second {
				t.Errorf("%v after %d runs in %v", err, runs.Load(), time.Since(began))
			}
			if n := do(r, tallyGet.To("panicked", situ.None{})); n != 0 || r.stats().Dead != 1 {
				t.Errorf("what it sent arrived: %d; %d dead letters", n, r.stats().Dead)
			}
		}},
		{"panics and then answers", func(t *testing.T, r *rig, _ *atomic.Int64) {
			if s := do(r, flakyFn.With(1)); s != "2 true" {
				t.Errorf("the third run, with the same random numbers: %s", s)
			}
		}},
		{"hangs", func(t *testing.T, r *rig, _ *atomic.Int64) {
			began := time.Now()
			_, err := situ.Do(context.Background(), r, hangsFn.With(1))
			if took := time.Since(began); kindOf(err) != fault.Timeout.String() || took < 5*time.Second || took > 7*time.Second {
				t.Errorf("%v after %v", err, took)
			}
			if n := do(r, plainFn.With(1)); n != 2 {
				t.Errorf("another one answered %d", n)
			}
		}},
		{"the caller leaves", func(t *testing.T, r *rig, _ *atomic.Int64) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := situ.Do(ctx, r, slowFn.With(3))
			if kindOf(err) != fault.Timeout.String() {
				t.Errorf("it was told %v", err)
			}
			pass(3 * time.Second)
			if n := do(r, tallyGet.To("slow", situ.None{})); n != 1 {
				t.Errorf("what it sent afterwards: %d", n)
			}
		}},
		{"shutdown", func(t *testing.T, r *rig, _ *atomic.Int64) {
			done := make(chan error, 1)
			go func() {
				_, err := situ.Do(context.Background(), r, slowFn.With(3))
				done <- err
			}()
			pass(time.Second)
			r.close()
			if err := <-done; err != nil {
				t.Errorf("what was under way was told %v", err)
			}
			r.open()
			pass(time.Second) // what is on its way arrives by itself
			if n := do(r, tallyGet.To("slow", situ.None{})); n != 1 {
				t.Errorf("what it sent: %d", n)
			}
		}},
	} {
		for _, most := range []int{0, 100} {
			t.Run(fmt.Sprintf("%s/beside=%d", c.name, most), func(t *testing.T) {
				var stuck chan struct{}
				runs := new(atomic.Int64)
				bubbleBeside(t, node.Config{}, most, functions(func() chan struct{} { return stuck }, runs), func(r *rig) {
					stuck = make(chan struct{})
					c.do(t, r, runs)
					close(stuck)
					pass(time.Second)
				})
			})
		}
	}
}

// More functions than may run at once are refused, and nothing is left behind.
func TestFunctionsBusy(t *testing.T) {
	bubbleBeside(t, node.Config{}, 3, functions(nil, nil), func(r *rig) {
		done := make(chan error, 10)
		for range 10 {
			go func() {
				_, err := situ.Do(context.Background(), r, slowFn.With(2))
				done <- err
			}()
		}
		synctest.Wait()
		if len(done) != 7 {
			t.Fatalf("%d were refused, want 7", len(done))
		}
		for range 7 {
			if err := <-done; kindOf(err) != fault.Busy.String() {
				t.Errorf("it was told %v", err)
			}
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		pass(time.Second) // what they sent is on its way
		if n := do(r, tallyGet.To("slow", situ.None{})); n != 3 {
			t.Errorf("%d ran, want 3", n)
		}
		if do(r, plainFn.With(1)) != 2 {
			t.Error("it is still full")
		}
	})
}
