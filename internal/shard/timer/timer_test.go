package timer_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/shard/timer"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// key is what a timer is known by.
type key struct {
	due wire.Time
	seq wire.Seq
}

func byTime(a, b key) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq)) }

// world drives the timers of one shard beside a list of what they should be.
type world struct {
	t      *testing.T
	sh     *store.Shard
	timers *timer.Timers
	model  []key // in order
	seq    wire.Seq
	now    wire.Time
	fired  []key // not yet deleted
	open   *store.Batch
}

const window = 8

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return &world{t: t, sh: st.Shard(0), timers: timer.New(window, st.Shard(0))}
}

// input is what the timer with that number brings: every third brings much.
func input(seq wire.Seq) []byte {
	size := 10
	if seq%3 == 0 {
		size = 300 + int(seq)
	}
	return bytes.Repeat([]byte{byte(seq)}, size)
}

func (w *world) add(after wire.Time) {
	w.seq++
	env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "x", Key: "k", Method: "m"}, Due: w.now + after, Seq: w.seq,
		Body: wire.Payload{Format: wire.CBOR, Data: input(w.seq)}}
	w.timers.Add(env)
	k := key{env.Due, env.Seq}
	w.model = append(w.model, k)
	slices.SortFunc(w.model, byTime)
}

// remove takes one of the timers away.
func (w *world) remove(i int) {
	if len(w.model) == 0 {
		return
	}
	i %= len(w.model)
	w.timers.Remove(w.model[i].due, w.model[i].seq)
	w.model = slices.Delete(w.model, i, i+1)
}

// pop compares what fires by now with the model.
func (w *world) pop(most int) {
	w.t.Helper()
	for range most {
		env, ok, err := w.timers.Pop(w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		due := len(w.model) > 0 && w.model[0].due <= w.now
		if ok != due {
			w.t.Fatalf("at %d something fires: %v, want %v of %v", w.now, ok, due, w.model)
		}
		if !ok {
			return
		}
		k := key{env.Due, env.Seq}
		if k != w.model[0] {
			w.t.Fatalf("at %d %v fires, want %v", w.now, k, w.model[0])
		}
		if !bytes.Equal(env.Body.Data, input(env.Seq)) || env.To.Method != "m" {
			w.t.Fatalf("%v brings %d bytes for %v", k, len(env.Body.Data), env.To)
		}
		w.model = w.model[1:]
		if env.Note&wire.InTimers != 0 {
			w.fired = append(w.fired, k)
		}
	}
}

// seal closes a batch, with the rows of what fired deleted, as a shard does.
func (w *world) seal() {
	if w.open != nil {
		return
	}
	w.open = w.sh.NewBatch(0)
	w.timers.Seal(w.open)
	for _, k := range w.fired {
		w.open.Delete(store.Timers, rows.TimerKey(k.due, k.seq))
	}
	w.fired = nil
}

func (w *world) commit() {
	w.t.Helper()
	if w.open == nil {
		return
	}
	if w.open.Count() > 0 {
		if _, err := w.sh.Commit(w.open); err != nil {
			w.t.Fatal(err)
		}
	}
	w.open.Close()
	w.open = nil
	w.timers.Committed()
}

// restart begins anew from the rows, after everything was committed.
func (w *world) restart() {
	w.t.Helper()
	w.commit()
	w.seal()
	w.commit()
	w.timers = timer.New(window, w.sh)
	last, err := w.timers.Open()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range w.model {
		if k.seq > last {
			w.t.Fatalf("after a start the highest number is %d, but there is %v", last, k)
		}
	}
}

// TestTimers adds, removes, fires, commits and restarts at random: each timer
// that is not removed fires once, in order, when it is due, although memory
// holds only a few.
func TestTimers(t *testing.T) {
	for _, seed := range seed.Several(t, 12) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			for range 600 {
				switch n := rnd.IntN(100); {
				case n < 35:
					w.add(1 + wire.Time(rnd.IntN(60)))
				case n < 45:
					w.remove(rnd.IntN(1000))
				case n < 65:
					w.now += wire.Time(rnd.IntN(6))
					w.pop(1 + rnd.IntN(6))
				case n < 80:
					w.seal()
				case n < 97:
					w.commit()
				case n == 99:
					w.restart()
				}
			}
			w.now += 1000
			w.pop(len(w.model) + 1)
			w.restart()
			rest := 0
			if err := w.sh.Scan(store.Timers, nil, nil, func(_, _ []byte) (bool, error) { rest++; return true, nil }); err != nil || rest > 0 {
				t.Errorf("%d rows are left, %v", rest, err)
			}
		})
	}
}

// TestNeverARow checks that a timer that fires before the commit is not
// written.
func TestNeverARow(t *testing.T) {
	w := newWorld(t)
	w.add(5)
	if w.now = 5; !w.timers.Dirty() {
		t.Error("a timer is no reason to commit")
	}
	if next, ok := w.timers.Next(); !ok || next != 5 || w.timers.Len() != 1 {
		t.Errorf("next at %d, %v; %d timers", next, ok, w.timers.Len())
	}
	w.pop(1)
	if w.seal(); w.timers.Dirty() || w.open.Count() != 0 {
		t.Errorf("%d changes are written", w.open.Count())
	}
	w.commit()
}

// TestLargeOnDisk checks that timers with large inputs are not in memory once
// they are rows: a window of them would be more than there is.
func TestLargeOnDisk(t *testing.T) {
	w := newWorld(t)
	var large, small []weak.Pointer[wire.Envelope]
	for range 6 {
		w.seq++
		env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "x", Key: "k", Method: "m"}, Due: 10, Seq: w.seq,
			Body: wire.Payload{Format: wire.CBOR, Data: input(w.seq)}}
		w.timers.Add(env)
		w.model = append(w.model, key{env.Due, env.Seq})
		if w.seq%3 == 0 {
			large = append(large, weak.Make(env))
		} else {
			small = append(small, weak.Make(env))
		}
	}
	held := func(all []weak.Pointer[wire.Envelope]) (n int) {
		runtime.GC()
		for _, p := range all {
			if p.Value() != nil {
				n++
			}
		}
		return n
	}
	w.seal()
	if n := held(large); n != len(large) {
		t.Errorf("%d of %d large ones are there before the commit", n, len(large))
	}
	w.commit()
	if n := held(large); n != 0 {
		t.Errorf("%d large ones are in memory after the commit", n)
	}
	if n := held(small); n != len(small) || w.timers.Len() != 6 {
		t.Errorf("%d of %d small ones are in memory, %d in all", n, len(small), w.timers.Len())
	}
	w.now = 10
	w.pop(10)
	w.restart()
}
