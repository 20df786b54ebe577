package dead_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/shard/dead"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

type set map[wire.Seq]bool

// world drives the dead letters of one shard beside the set of what there
// should be.
type world struct {
	t                     *testing.T
	sh                    *store.Shard
	letters               *dead.Letters
	seq                   wire.Seq
	live, sealed, durable set
	flying                *store.Batch
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, sh: st.Shard(3), durable: set{}}
	w.start()
	return w
}

// start begins anew from the rows.
func (w *world) start() {
	w.t.Helper()
	w.letters, w.live = dead.New(w.sh), maps.Clone(w.durable)
	last, err := w.letters.Open()
	if err != nil {
		w.t.Fatal(err)
	}
	for seq := range w.live {
		if seq > last {
			w.t.Fatalf("after a start the highest number is %d, but there is %d", last, seq)
		}
	}
}

func (w *world) bury() {
	w.seq++
	env := &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "x", Key: "k", Method: "m"}, Seq: w.seq, Body: wire.Payload{Format: wire.CBOR, Data: fmt.Append(nil, w.seq)}}
	w.letters.Bury(env, &wire.Failure{Kind: "crashed", Message: "it fell"}, 5, false)
	w.live[w.seq] = true
}

// take takes one out, which must be there just if the model and the disk have
// it.
func (w *world) take(seq wire.Seq) {
	w.t.Helper()
	d, err := w.letters.Take(dead.ID(3, seq))
	if !w.live[seq] || !w.durable[seq] {
		if d != nil || !fault.Is(err, fault.NotFound) {
			w.t.Fatalf("letter %d is not to be had: %+v, %v", seq, d, err)
		}
		return
	}
	if err != nil || string(d.Envelope.Body.Data) != fmt.Sprint(seq) || d.Reason.Message != "it fell" || d.At != 5 {
		w.t.Fatalf("letter %d: %+v, %v", seq, d, err)
	}
	delete(w.live, seq)
}

func (w *world) seal() {
	if w.flying == nil {
		w.flying, w.sealed = w.sh.NewBatch(0), maps.Clone(w.live)
		w.letters.Seal(w.flying)
	}
}

func (w *world) commit() {
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
	w.letters.Committed()
}

// crash loses what is not on disk, and perhaps the commit under way.
func (w *world) crash(lose bool) {
	if lose && w.flying != nil {
		w.flying.Close()
		w.flying = nil
	}
	w.commit()
	w.start()
}

// TestLetters buries, takes, commits and crashes at random: what is not taken
// is there, and is had once.
func TestLetters(t *testing.T) {
	for _, seed := range seed.Several(t, 8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			for range 600 {
				switch n := rnd.IntN(100); {
				case n < 30:
					w.bury()
				case n < 60:
					w.take(wire.Seq(1 + rnd.IntN(int(w.seq)+2)))
				case n < 78:
					w.seal()
				case n < 97:
					w.commit()
				default:
					w.crash(rnd.IntN(2) == 0)
				}
				if w.letters.Len() != len(w.live) {
					t.Fatalf("it counts %d, want %d", w.letters.Len(), len(w.live))
				}
			}
			w.commit()
			w.seal()
			w.commit()
			if w.letters.Dirty() {
				t.Error("a reason to commit is left")
			}
			w.start()
			if w.letters.Len() != len(w.durable) {
				t.Errorf("after a start it counts %d, want %d", w.letters.Len(), len(w.durable))
			}
		})
	}
}

// TestNoSuchLetter asks under names that are none.
func TestNoSuchLetter(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"", "3", "3-", "3-x", "3-1", "3--1", "-", "3-99999999999999999999"} {
		if d, err := w.letters.Take(id); d != nil || !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %+v, %v", id, d, err)
		}
	}
}

type broken struct{ err error }

func (b broken) Get(store.Table, []byte) ([]byte, bool, error) { return nil, false, b.err }
func (b broken) Scan(store.Table, []byte, []byte, func(key, value []byte) (bool, error)) error {
	return b.err
}

func (b broken) ScanReverse(store.Table, []byte, []byte, func(key, value []byte) (bool, error)) error {
	return b.err
}

// TestUnreadable checks that a letter that cannot be read is not one that is
// not there.
func TestUnreadable(t *testing.T) {
	want := errors.New("the disk is gone")
	l := dead.New(broken{want})
	_, take := l.Take("3-1")
	_, open := l.Open()
	if !errors.Is(take, want) || !errors.Is(open, want) {
		t.Errorf("take: %v; open: %v", take, open)
	}
}
