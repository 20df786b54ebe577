package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// begin makes an asynchronous call and returns the name of its record.
func begin[O any](r *rig, c situ.Call[O], in any) wire.InvocationID {
	r.t.Helper()
	id, err := tryBegin(r, c, in)
	if err != nil {
		r.t.Fatalf("%v: %v", c, err)
	}
	return id
}

func tryBegin[O any](r *rig, c situ.Call[O], in any) (wire.InvocationID, error) {
	body, err := codec.Encode(in)
	if err != nil {
		return "", err
	}
	to := address(c.String())
	resp, err := r.Invoke(context.Background(), &wire.Request{To: to, Async: true, Want: wire.CBOR, Body: wire.Payload{Format: wire.CBOR, Data: body}})
	if err != nil {
		return "", err
	}
	return resp.ID, nil
}

// address is the reverse of Address.String.
func address(s string) wire.Address {
	typ, rest, ok := strings.Cut(s, "/")
	if !ok {
		return wire.Address{Method: s}
	}
	key, method, _ := strings.Cut(rest, ".")
	return wire.Address{Type: typ, Key: key, Method: method}
}

func (r *rig) record(id wire.InvocationID) *wire.Invocation {
	r.t.Helper()
	inv, err := r.node.Invocation(context.Background(), id, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return inv
}

// pauses says what is paused, and how much is parked.
func (r *rig) pauses() string {
	r.t.Helper()
	list, err := r.node.Pauses(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	var s []string
	for _, p := range list {
		how := ""
		if p.Draining {
			how = " draining"
		}
		s = append(s, fmt.Sprintf("%v %d%s", p.Scope, p.Parked, how))
	}
	return strings.Join(s, ", ")
}

func (r *rig) pause(s wire.Scope) {
	r.t.Helper()
	if err := r.node.Pause(context.Background(), s, "a test"); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) resume(s wire.Scope, rate float64) {
	r.t.Helper()
	if err := r.node.Resume(context.Background(), s, rate); err != nil {
		r.t.Fatal(err)
	}
}

// TestPause pauses a type: what arrives is parked, across a crash, and goes on in
// its order at the rate that was asked for.
func TestPause(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		all := wire.Scope{Type: "thing"}
		r.pause(all)
		for n := range 50 {
			begin(r, push.To("a", n), n)
			begin(r, push.To("b", n), n)
		}
		r.crash()
		_, err := situ.Do(context.Background(), r, push.To("a", 99))
		if kindOf(err) != "unavailable" || !strings.Contains(err.Error(), "the type thing is paused (a test)") {
			t.Errorf("who waits is told %v", err)
		}
		if got := r.pauses(); got != "type:thing 100" {
			t.Errorf("paused: %s", got)
		}
		if n := r.stats().Queued; n != 0 {
			t.Errorf("%d messages are in memory", n)
		}
		r.resume(all, 10)
		pass(5 * time.Second)
		st := r.stats().Turns
		if st < 49 || st > 53 {
			t.Errorf("%d turns in 5 seconds at 10 a second", st)
		}
		r.crash() // it goes on
		begin(r, push.To("a", 50), 50)
		if got := r.pauses(); !strings.HasSuffix(got, " draining") {
			t.Errorf("paused: %s", got)
		}
		pass(6 * time.Second)
		if got := r.pauses(); got != "" {
			t.Errorf("still paused: %s", got)
		}
		for key, most := range map[string]int{"a": 51, "b": 50} {
			got := do(r, logged.To(key, situ.None{}))
			if len(got) != most {
				t.Errorf("%s has %v", key, got)
			}
			for i, n := range got {
				if n != i {
					t.Fatalf("%s is out of order: %v", key, got)
				}
			}
		}
	})
}

// TestPauseWhatIsQueued pauses an object whose mail waits behind a slow turn, and
// one whose message waits to be run again: both are parked, in order.
func TestPauseWhatIsQueued(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		a := wire.Scope{Type: "thing", Key: "a"}
		begin(r, nap.To("a", time.Minute), time.Minute)
		for n := range 5 {
			begin(r, push.To("a", n), n)
		}
		waits := make(chan error, 1)
		go func() { _, err := situ.Do(context.Background(), r, push.To("a", 9)); waits <- err }()
		pass(time.Second)
		r.pause(a)
		pass(2 * time.Minute)
		if err := <-waits; kindOf(err) != "unavailable" {
			t.Errorf("who waited is told %v", err)
		}
		if got := do(r, push.To("b", 1)); got != 1 {
			t.Errorf("another object answers %d", got)
		}
		if got := r.pauses(); got != "object:thing/a 5" {
			t.Errorf("paused: %s", got)
		}
		r.resume(a, 0)
		pass(time.Second)
		if got := fmt.Sprint(do(r, logged.To("a", situ.None{}))); got != "[-1 0 1 2 3 4]" {
			t.Errorf("a has %s", got)
		}
	})
}

// TestPauseFunction pauses a function that runs beside the shards.
func TestPauseFunction(t *testing.T) {
	bubbleBeside(t, node.Config{}, 4, components(), func(r *rig) {
		f := wire.Scope{Function: "twice"}
		if got := do(r, twice.With(2)); got != 4 {
			t.Fatal(got)
		}
		r.pause(f)
		if _, err := situ.Do(context.Background(), r, twice.With(2)); kindOf(err) != "unavailable" {
			t.Errorf("who waits is told %v", err)
		}
		id := begin(r, twice.With(3), 3)
		pass(time.Minute)
		if r.record(id).Finished != 0 {
			t.Error("it ran")
		}
		r.resume(f, 0)
		pass(5 * time.Second)
		if r.record(id).Finished == 0 {
			t.Error("it does not run")
		}
		if got := do(r, twice.With(2)); got != 4 {
			t.Error(got)
		}
	})
}

// TestPauseNobody refuses what cannot be paused.
func TestPauseNobody(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		for _, c := range []struct {
			s    wire.Scope
			kind fault.Kind
		}{{wire.Scope{Type: "thong"}, fault.NotFound}, {wire.Scope{Function: "nobody"}, fault.NotFound}, {wire.Scope{}, fault.Invalid},
			{wire.Scope{Function: "twice", Type: "thing"}, fault.Invalid}} {
			if err := r.node.Pause(context.Background(), c.s, ""); !fault.Is(err, c.kind) {
				t.Errorf("%v: %v", c.s, err)
			}
		}
		if err := r.node.Resume(context.Background(), wire.Scope{Type: "thing"}, 0); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		r.pause(wire.Scope{Type: "thing"})
		for _, rate := range []float64{-1, 1e-9, 1e9} {
			if err := r.node.Resume(context.Background(), wire.Scope{Type: "thing"}, rate); !fault.Is(err, fault.Invalid) {
				t.Errorf("rate %v: %v", rate, err)
			}
		}
	})
}

// TestPauseFull refuses calls when as much is parked as may be. Messages between
// objects are parked all the same: nobody could be told.
func TestPauseFull(t *testing.T) {
	bubble(t, node.Config{Shard: shard.Config{MaxParked: 10}, Store: store.Options{Shards: 1}}, components(), func(r *rig) {
		a := wire.Scope{Type: "thing", Key: "a"}
		r.pause(a)
		refused := 0
		for n := range 20 {
			if _, err := tryBegin(r, push.To("a", n), n); fault.Is(err, fault.Busy) {
				refused++
			}
			pass(time.Millisecond)
		}
		if refused != 10 {
			t.Errorf("%d calls were refused", refused)
		}
		do(r, spray.To("b", sprayIn{To: "a", From: 100, N: 30}))
		pass(time.Second)
		if got := r.pauses(); got != "object:thing/a 40" {
			t.Errorf("paused: %s", got)
		}
	})
}

// TestPauseRandom pauses and resumes a type and its objects at random, with
// crashes, while objects send to each other. Nothing is lost, and each object has
// taken what was sent to it in its order.
func TestPauseRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(seed.New(t), 1))
	bubble(t, node.Config{Shard: shard.Config{FrameTasks: 16}}, components(), func(r *rig) {
		keys := []string{"a", "b", "c"}
		scopes := []wire.Scope{{Type: "thing"}, {Type: "thing", Key: "a"}, {Type: "thing", Key: "b"}}
		sent := map[string]int{}
		for range 150 {
			switch s := scopes[rnd.IntN(len(scopes))]; rnd.IntN(9) {
			case 0:
				r.pause(s)
			case 1, 2:
				rate := []float64{0, 1, 20, 500}[rnd.IntN(4)]
				if err := r.node.Resume(context.Background(), s, rate); err != nil && !fault.Is(err, fault.NotFound) {
					t.Fatal(err)
				}
			case 3:
				if rnd.IntN(3) == 0 {
					r.crash()
				}
			case 4:
				pass(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			default:
				key := keys[rnd.IntN(len(keys))]
				for range rnd.IntN(20) {
					begin(r, push.To(key, 0), sent[key])
					sent[key]++
				}
			}
		}
		for range 3 {
			for _, s := range scopes {
				_ = r.node.Resume(context.Background(), s, 0) // some are not paused
			}
			pass(time.Second)
		}
		if got := r.pauses(); got != "" {
			t.Fatalf("still paused: %s", got)
		}
		for _, key := range keys {
			got := do(r, logged.To(key, situ.None{}))
			if len(got) != sent[key] {
				t.Errorf("%s took %d of %d", key, len(got), sent[key])
			}
			for i, n := range got {
				if n != i {
					t.Fatalf("%s is out of order: %v", key, got)
				}
			}
		}
	})
}
