package merge

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
)

// TestWalk has a few keys in two memtables and in tables at once, at random, and holds
// walks from any place and both ways against a model: the newest layer counts, and a
// delete is a row of its own.
func TestWalk(t *testing.T) {
	db, err := pebble.Open("d", &pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	rng := rand.New(rand.NewPCG(1, 2))
	lo, hi := layout.Bounds(3, layout.Objects, nil, nil)
	full := func(n int) []byte { return layout.Key(3, layout.Objects, fmt.Append(nil, n)) }
	for range 300 {
		model := map[string]string{}
		if err := db.DeleteRange(lo, hi, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		mems := []*memtable.Table{memtable.New(), memtable.New()}
		for layer := 2; layer >= 0; layer-- {
			for n := range 10 {
				kind, value := memtable.Set, fmt.Sprint("of layer ", layer)
				switch {
				case rng.IntN(2) == 0:
					continue
				case layer == 2:
					err = db.Set(full(n), body.AppendRow(nil, kind, []byte(value)), pebble.NoSync)
				case rng.IntN(4) == 0:
					kind, value = memtable.Delete, ""
					fallthrough
				default:
					mems[layer].Begin()
					mems[layer].Put(kind, full(n)[layout.ShardLen:], []byte(value))
					mems[layer].End()
				}
				if err != nil {
					t.Fatal(err)
				}
				model[string(full(n)[layout.ShardLen:])] = fmt.Sprint(kind, value)
			}
		}
		for _, reverse := range []bool{false, true} {
			from := full(rng.IntN(10))
			want := slices.Sorted(maps.Keys(model))
			if reverse {
				slices.Reverse(want)
			} else {
				want = slices.DeleteFunc(want, func(k string) bool { return k < string(from[layout.ShardLen:]) })
			}
			it, err := db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
			if err != nil {
				t.Fatal(err)
			}
			w := New(reverse)
			for _, m := range mems {
				w.Memtable(m, lo, hi)
			}
			w.Tables(it)
			for w.Start(from); w.Valid(); w.Step() {
				kind, v, err := w.Row()
				if err != nil || len(want) == 0 || string(w.Key()) != want[0] || fmt.Sprint(kind, string(v)) != model[want[0]] {
					t.Fatalf("reverse %v from %q: at %q (%d %s, %v), want %q of %v", reverse, from, w.Key(), kind, v, err, want, model)
				}
				want = want[1:]
			}
			if err := w.Err(); err != nil || len(want) > 0 {
				t.Errorf("reverse %v: ended before %q, %v", reverse, want, err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestBadRow: a row of a table without a kind is an error, not a value.
func TestBadRow(t *testing.T) {
	db, err := pebble.Open("d", &pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	key := layout.Key(0, layout.Objects, []byte("k"))
	if err := db.Set(key, []byte{99, 'v'}, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := New(false)
	w.Tables(it)
	defer func() { _ = w.Close() }()
	w.Start(key)
	if !w.Valid() || !bytes.Equal(w.Key(), key[layout.ShardLen:]) {
		t.Fatal("the row is not there")
	}
	if _, v, err := w.Row(); err == nil {
		t.Errorf("its value is %q", v)
	}
}
