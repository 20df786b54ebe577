package record

import (
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// A call that is not answered for long is a row, and takes no memory: there may
// be more of them than memory holds. One for which somebody waits is kept, and
// one that is in a commit under way, because its row cannot be read.
func TestPendingTakesNoMemory(t *testing.T) {
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	sh := st.Shard(0)
	r := New(100, sh)
	var flying *store.Batch
	seal := func() { flying = sh.NewBatch(0); r.Seal(flying) }
	commit := func() {
		if _, err := sh.Commit(flying); err != nil {
			t.Fatal(err)
		}
		flying.Close()
		r.Committed()
	}
	want := func(n int, when string) {
		t.Helper()
		if len(r.open) != n {
			t.Errorf("%s, %d records are in memory, want %d", when, len(r.open), n)
		}
	}
	id := func(i int) wire.InvocationID { return wire.InvocationID("0000-" + strconv.Itoa(i)) }
	w := &Waiter{Done: func(*wire.Response, error) {}}
	for i := range 100 {
		r.Begin(&wire.Invocation{ID: id(i), Created: 1}, nil)
	}
	r.Begin(&wire.Invocation{ID: id(100), Created: 1}, w)
	want(101, "before they are rows")
	seal()
	want(101, "before the commit is done")
	commit()
	want(1, "after it")

	// One that is awaited is in memory again, until nobody waits.
	if waits, err := r.Await(id(7), w); !waits || err != nil {
		t.Fatal(waits, err)
	}
	want(2, "when another is awaited")
	r.Begin(&wire.Invocation{ID: id(200), Created: 2}, w)
	seal()
	w.Leave()
	if err := r.Expire(r.NextLook() + 1); err != nil {
		t.Fatal(err)
	}
	want(1, "when the caller has left, but for that of the commit under way")
	commit()
	want(0, "after the commit")

	// All can be finished.
	for i := range 100 {
		if _, _, err := r.Finish(id(i), 5, wire.Payload{Format: wire.JSON, Data: []byte("1")}, nil); err != nil {
			t.Fatal(err)
		}
	}
	seal()
	commit()
	want(0, "when they are answered")
	if rec, durable, err := r.Find(id(99), 6); err != nil || !durable || rec == nil || rec.Finished != 5 {
		t.Errorf("the record is %+v, durable %v, %v", rec, durable, err)
	}
}
