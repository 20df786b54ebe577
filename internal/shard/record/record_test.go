package record_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard/record"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

const keep = 100

// kept is what a record should say.
type kept struct {
	digest            string // which of the calls with that name it is of
	answer            string
	finished, expires wire.Time
}

type model map[wire.InvocationID]kept

// world drives the records of one shard beside a model of them.
type world struct {
	t       *testing.T
	sh      *store.Shard
	rec     *record.Records
	now     wire.Time
	calls   int
	live    model                                  // as it is
	sealed  model                                  // as it will be with the commit under way
	durable model                                  // as it is on disk
	waiters map[wire.InvocationID][]*record.Waiter // who waits
	flying  *store.Batch
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, sh: st.Shard(0), now: 1, live: model{}, durable: model{}}
	w.start()
	return w
}

// start begins anew from the rows.
func (w *world) start() {
	w.rec = record.New(keep*time.Nanosecond, w.sh)
	w.live, w.waiters = maps.Clone(w.durable), map[wire.InvocationID][]*record.Waiter{}
}

// find compares a record with the model. One that is told to be durable is so.
func (w *world) find(id wire.InvocationID) (there bool) {
	w.t.Helper()
	rec, durable, err := w.rec.Find(id, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	want, ok := w.live[id]
	ok = ok && (want.expires == 0 || want.expires > w.now)
	if ok != (rec != nil) {
		w.t.Fatalf("at %d the record of %s is %+v, want %+v", w.now, id, rec, want)
	}
	if rec == nil {
		return false
	}
	got := kept{string(rec.Digest), string(rec.Body.Data), rec.Finished, rec.Expires}
	if got != want {
		w.t.Fatalf("at %d the record of %s says %+v, want %+v", w.now, id, got, want)
	}
	if durable && got != w.durable[id] {
		w.t.Fatalf("at %d the record of %s is told to be durable as %+v, but that is %+v", w.now, id, got, w.durable[id])
	}
	return true
}

// call takes a call, unless there is a record of it.
func (w *world) call(id wire.InvocationID, waits bool) {
	w.t.Helper()
	if w.find(id) {
		return
	}
	w.calls++
	var waiter *record.Waiter
	w.waiters[id] = nil
	if waits {
		waiter = &record.Waiter{}
		w.waiters[id] = []*record.Waiter{waiter}
	}
	digest := fmt.Sprint("call ", w.calls)
	w.rec.Begin(&wire.Invocation{ID: id, Digest: []byte(digest)}, waiter)
	w.live[id] = kept{digest: digest}
}

func (w *world) await(id wire.InvocationID) {
	w.t.Helper()
	waiter := &record.Waiter{}
	waits, err := w.rec.Await(id, waiter)
	if err != nil {
		w.t.Fatal(err)
	}
	if k, ok := w.live[id]; waits != (ok && k.finished == 0) {
		w.t.Fatalf("somebody waits for %s: %v, but it is %+v", id, waits, k)
	}
	if waits {
		w.waiters[id] = append(w.waiters[id], waiter)
	}
}

// finish answers an invocation, perhaps one that is answered or unknown.
func (w *world) finish(id wire.InvocationID) {
	w.t.Helper()
	answer := fmt.Sprint("answer at ", w.now)
	got, rec, err := w.rec.Finish(id, w.now, wire.Payload{Format: wire.CBOR, Data: []byte(answer)}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	k, ok := w.live[id]
	if !ok || k.finished != 0 {
		if len(got) > 0 || rec != nil {
			w.t.Fatalf("a second answer of %s is heard", id)
		}
		return
	}
	if !slices.Equal(got, w.waiters[id]) {
		w.t.Fatalf("%d hear the answer of %s, want %d", len(got), id, len(w.waiters[id]))
	}
	w.waiters[id] = nil
	k.answer, k.finished, k.expires = answer, w.now, w.now+keep
	w.live[id] = k
}

func (w *world) seal() {
	if w.flying != nil {
		return
	}
	w.flying = w.sh.NewBatch(0)
	w.rec.Seal(w.flying)
	w.sealed = maps.Clone(w.live)
}

// commit ends the commit under way. After a crash nobody is told of it.
func (w *world) commit(crash bool) {
	w.t.Helper()
	if w.flying == nil {
		return
	}
	if w.flying.Count() > 0 {
		if _, err := w.sh.Commit(w.flying); err != nil {
			w.t.Fatal(err)
		}
	}
	w.flying.Close()
	w.flying, w.durable = nil, w.sealed
	if !crash {
		w.rec.Committed()
	}
}

// crash loses what is not on disk, and perhaps the commit under way.
func (w *world) crash(lose bool) {
	if lose && w.flying != nil {
		w.flying.Close()
		w.flying = nil
	}
	w.commit(true)
	w.start()
}

func (w *world) count(table store.Table) (n int) {
	w.t.Helper()
	if err := w.sh.Scan(table, nil, nil, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestRecords takes, answers, awaits, commits, crashes and lets time pass at
// random: a record says what its call and its answer said, for as long as it is
// kept, and who waits hears it once. In the end nothing is left.
func TestRecords(t *testing.T) {
	for _, seed := range seed.Several(t, 8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			id := func() wire.InvocationID { return wire.InvocationID(fmt.Sprint("0000-", rnd.IntN(5))) }
			expire := func() {
				w.now = max(w.now, w.rec.NextLook())
				if err := w.rec.Expire(w.now); err != nil {
					t.Fatal(err)
				}
			}
			for range 1500 {
				switch n := rnd.IntN(100); {
				case n < 25:
					w.call(id(), rnd.IntN(2) == 0)
				case n < 40:
					w.finish(id())
				case n < 50:
					w.await(id())
				case n < 60:
					w.find(id())
				case n < 70:
					w.now += wire.Time(rnd.IntN(keep))
				case n < 75: // not alone: what it finds goes with a later commit
					expire()
					w.call(id(), true)
				case n < 85:
					w.seal()
				case n < 98:
					w.commit(false)
				default:
					w.crash(rnd.IntN(2) == 0)
				}
			}
			for i := range 5 {
				w.finish(wire.InvocationID(fmt.Sprint("0000-", i)))
			}
			for range 2 {
				w.commit(false)
				w.seal()
			}
			w.commit(false)
			w.now += keep
			expire()
			w.seal()
			w.commit(false)
			if n, m := w.count(store.Invocations), w.count(store.Expiry); n+m > 0 || w.rec.Dirty() {
				t.Errorf("%d records and %d rows of expiry are left, dirty %v", n, m, w.rec.Dirty())
			}
		})
	}
}

// TestWaiters checks who of the callers without a record is forgotten, and who
// is told at the end.
func TestWaiters(t *testing.T) {
	w := newWorld(t)
	stays, goes := &record.Waiter{}, &record.Waiter{}
	w.rec.Expect("0000-a", stays)
	w.rec.Expect("0000-b", goes)
	w.call("0000-c", true)
	recorded := w.waiters["0000-c"][0]
	goes.Leave()
	if err := w.rec.Expire(w.now); err != nil || w.rec.Waiting() != 1 {
		t.Errorf("%d wait, %v", w.rec.Waiting(), err)
	}
	told := func() (all []*record.Waiter) {
		w.rec.Waiters(func(waiter *record.Waiter) { all = append(all, waiter) })
		return all
	}
	if all := told(); len(all) != 2 || !slices.Contains(all, stays) || !slices.Contains(all, recorded) {
		t.Errorf("%d wait, want 2", len(all))
	}
	w.finish("0000-c")
	if all := told(); len(all) != 1 || all[0] != stays {
		t.Errorf("%d wait after one has its answer", len(all))
	}
	if got := w.rec.Expected("0000-b"); got != nil {
		t.Error("who left is still expected")
	}
	if w.rec.Expected("0000-a") != stays || w.rec.Expected("0000-a") != nil {
		t.Error("the answer goes once to who waits for it")
	}
}

// TestManyExpire checks that a great many records go in parts, soon after
// each other.
func TestManyExpire(t *testing.T) {
	w := newWorld(t)
	for i := range 2500 {
		id := wire.InvocationID(fmt.Sprint("0000-", i))
		w.call(id, false)
		w.finish(id)
	}
	w.seal()
	w.commit(false)
	w.now += keep
	for looks := 0; w.count(store.Expiry) > 0; looks++ {
		if looks == 3 {
			t.Fatalf("after %d looks %d rows are left", looks, w.count(store.Expiry))
		}
		if err := w.rec.Expire(w.now); err != nil {
			t.Fatal(err)
		}
		w.seal()
		w.commit(false)
		if looks < 2 && w.rec.NextLook() > w.now+wire.Time(time.Second) {
			t.Errorf("the next look is %v later", time.Duration(w.rec.NextLook()-w.now))
		}
		w.now = w.rec.NextLook()
	}
	if n := w.count(store.Invocations); n > 0 {
		t.Errorf("%d records are left", n)
	}
}

// broken has no rows to read.
type broken struct{ err error }

func (b broken) Get(store.Table, []byte) ([]byte, bool, error) { return nil, false, b.err }
func (b broken) Scan(store.Table, []byte, []byte, func(key, value []byte) (bool, error)) error {
	return b.err
}

// TestUnreadable checks that rows that cannot be read are told, not taken for
// rows that are not there.
func TestUnreadable(t *testing.T) {
	want := errors.New("the disk is gone")
	r := record.New(keep, broken{want})
	_, _, find := r.Find("0000-a", 1)
	_, await := r.Await("0000-a", &record.Waiter{})
	_, _, finish := r.Finish("0000-a", 1, wire.Payload{}, nil)
	for what, err := range map[string]error{"find": find, "await": await, "finish": finish, "expire": r.Expire(1)} {
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
