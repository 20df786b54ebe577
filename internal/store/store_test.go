package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/database"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/wire"
)

// farValue is the size of the smallest far value.
const farValue = body.FarSize

// open opens a store and closes it with the test.
func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	if o.Fatal == nil {
		o.Fatal = func(err error) { t.Error("fatal:", err) }
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put commits one row and returns its sequence.
func put(t testing.TB, sh *Shard, tab Table, key, value string) wire.Seq {
	t.Helper()
	b := sh.NewBatch(0)
	defer b.Close()
	b.Set(tab, []byte(key), []byte(value))
	seq, err := sh.Commit(b)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// idle returns when no tables are being made.
func idle(s *Store) {
	s.roomMu.Lock()
	defer s.roomMu.Unlock()
	for s.flushing.Load() {
		s.room.Wait()
	}
}

// checkUsages holds what is known of far values against the rows themselves.
func checkUsages(t testing.TB, s *Store) {
	t.Helper()
	// As long as this is set nobody else makes tables, or moves values.
	for !s.flushing.CompareAndSwap(false, true) {
		idle(s)
	}
	defer func() {
		s.flushing.Store(false)
		s.wake()
	}()
	there, err := database.Recount(s.db)
	if err != nil {
		t.Fatal(err)
	}
	known := s.live.Clone()
	maps.DeleteFunc(known.Files, func(_ uint64, u *far.Usage) bool { return u.Live == 0 })
	for n, u := range known.Files {
		if there.Of(n).Live != u.Live {
			t.Errorf("%s: %d bytes are counted, and rows have %d", s.files.Path(n), u.Live, there.Of(n).Live)
		}
	}
	for n, u := range there.Files {
		if known.Files[n] == nil && u.Live > 0 {
			t.Errorf("%s: nothing is counted, and rows have %d bytes", s.files.Path(n), u.Live)
		}
	}
	maps.DeleteFunc(known.Rows, func(_ Table, n uint64) bool { return n == 0 })
	if !maps.Equal(known.Rows, there.Rows) {
		t.Errorf("far values by table: %v are counted, and there are %v", known.Rows, there.Rows)
	}
}

func rows(t testing.TB, sh *Shard, reverse bool, tab Table, from, to []byte) (got []string) {
	t.Helper()
	scan := sh.Scan
	if reverse {
		scan = sh.ScanReverse
	}
	err := scan(tab, from, to, func(k, v []byte) (bool, error) {
		got = append(got, string(k)+"="+string(v))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRows(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 3})
	a, b := s.Shard(0), s.Shard(1)
	for _, k := range []string{"", "a", "b", "c", "\xff\xff"} {
		put(t, a, Objects, k, "v"+k)
	}
	put(t, b, Objects, "a", "other shard")
	put(t, a, Entries, "a", "other table")
	if v, ok, err := a.Get(Objects, []byte("b")); string(v) != "vb" || !ok || err != nil {
		t.Errorf("Get(b) = %q %v %v", v, ok, err)
	}
	if v, ok, err := a.Get(Objects, []byte("nope")); v != nil || ok || err != nil {
		t.Errorf("Get(nope) = %q %v %v", v, ok, err)
	}
	for _, c := range []struct {
		from, to []byte
		want     []string
	}{
		{nil, nil, []string{"=v", "a=va", "b=vb", "c=vc", "\xff\xff=v\xff\xff"}},
		{[]byte("b"), nil, []string{"b=vb", "c=vc", "\xff\xff=v\xff\xff"}},
		{[]byte("a"), []byte("c"), []string{"a=va", "b=vb"}},
		{[]byte("x"), []byte("y"), nil},
		{[]byte("c"), []byte("a"), nil},
		{nil, []byte{}, nil},
	} {
		if got := rows(t, a, false, Objects, c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("Scan(%q, %q) = %q, want %q", c.from, c.to, got, c.want)
		}
		slices.Reverse(c.want)
		if got := rows(t, a, true, Objects, c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("ScanReverse(%q, %q) = %q, want %q", c.from, c.to, got, c.want)
		}
	}
	if a.Last() != 6 || b.Last() != 1 || s.Shard(2).Last() != 0 {
		t.Errorf("last = %d %d %d", a.Last(), b.Last(), s.Shard(2).Last())
	}
}

func TestScanStops(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 1})
	sh := s.Shard(0)
	put(t, sh, Mail, "a", "1")
	put(t, sh, Mail, "b", "2")
	n, stop := 0, errors.New("stop")
	err := sh.Scan(Mail, nil, nil, func(_, _ []byte) (bool, error) { n++; return true, stop })
	if n != 1 || !errors.Is(err, stop) {
		t.Errorf("after an error: %d rows, %v", n, err)
	}
	err = sh.Scan(Mail, nil, nil, func(_, _ []byte) (bool, error) { n++; return false, nil })
	if n != 2 || err != nil {
		t.Errorf("after false: %d rows, %v", n, err)
	}
}

func TestWalkIsASnapshot(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 1})
	sh := s.Shard(0)
	for _, k := range []string{"a", "b", "c", "d"} {
		put(t, sh, Objects, k, k)
	}
	it, err := sh.walk(Objects, []byte("b"), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = it.close() }()
	put(t, sh, Objects, "bb", "later")
	var got []byte
	for it.next() {
		got = append(got, it.key()...)
	}
	if string(got) != "bcd" || it.err != nil {
		t.Errorf("walked %q, %v", got, it.err)
	}
	if it.close() != nil || it.next() {
		t.Error("a walk goes on after its end")
	}
}

func TestBatch(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 2})
	sh := s.Shard(0)
	for i := range 10 {
		put(t, sh, Timers, fmt.Sprint(i), "x")
	}
	put(t, sh, Outbox, "stays", "x")
	b := sh.NewBatch(0)
	b.Set(Timers, []byte("n"), []byte("y"))
	b.Delete(Timers, []byte("0"))
	b.DeleteRange(Timers, []byte("2"), []byte("8"))
	if b.Count() != 3 || b.Len() == 0 {
		t.Errorf("count %d, len %d", b.Count(), b.Len())
	}
	if _, err := s.Shard(1).Commit(b); !fault.Is(err, fault.Internal) {
		t.Errorf("another shard's batch: %v", err)
	}
	if _, err := sh.Commit(b); err != nil {
		t.Fatal(err)
	}
	if _, err := sh.Commit(b); !fault.Is(err, fault.Internal) {
		t.Errorf("a batch twice: %v", err)
	}
	b.Close()
	b.Close()
	if got := rows(t, sh, false, Timers, nil, nil); !slices.Equal(got, []string{"1=x", "8=x", "9=x", "n=y"}) {
		t.Errorf("rows %q", got)
	}
	b = sh.NewBatch(0)
	defer b.Close()
	b.DeleteRange(Timers, nil, nil)
	if _, err := sh.Commit(b); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, sh, false, Timers, nil, nil); got != nil {
		t.Errorf("rows %q after deleting all", got)
	}
	if got := rows(t, sh, false, Outbox, nil, nil); len(got) != 1 {
		t.Errorf("the next table lost its rows: %q", got)
	}
}

// TestDeleteRangeReadsLate: a range costs nothing until the commit, which is not
// made where a shard decides. What is there by then goes, and what the batch sets
// behind it stays.
func TestDeleteRangeReadsLate(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 1})
	sh := s.Shard(0)
	put(t, sh, Entries, "a1", "x")
	b := sh.NewBatch(0)
	defer b.Close()
	b.Set(Entries, []byte("a0"), []byte("before"))
	size := b.Len()
	b.DeleteRange(Entries, []byte("a"), []byte("b"))
	if b.Len() != size {
		t.Errorf("the range takes %d bytes before the commit", b.Len()-size)
	}
	b.Set(Entries, []byte("a1"), []byte("behind"))
	b.DeleteRange(Entries, []byte("c"), []byte("d"))
	put(t, sh, Entries, "a2", "came meanwhile")
	put(t, sh, Entries, "c", "x")
	put(t, sh, Entries, "e", "x")
	if _, err := sh.Commit(b); err != nil {
		t.Fatal(err)
	}
	if got, want := rows(t, sh, false, Entries, nil, nil), []string{"a0=before", "a1=behind", "e=x"}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
}

func TestReopen(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, "a/b/d", Options{FS: fs, Shards: 4})
	id := s.ID()
	want := bytes.Repeat([]byte("x"), 100)
	for i := range 1000 {
		put(t, s.Shard(wire.ShardID(i%3)), Objects, fmt.Sprint(i), string(want))
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Shard(0).Commit(&Batch{}); !fault.Is(err, fault.Internal) {
		t.Errorf("Commit of nothing after Close: %v", err)
	}
	if _, _, err := s.Shard(0).Get(Objects, nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Get after Close: %v", err)
	}
	s = open(t, "a/b/d", Options{FS: fs})
	if s.Shards() != 4 || s.ID() != id || s.Shard(0).Last() != 334 || s.Shard(3).Last() != 0 {
		t.Errorf("reopened with %d shards, id %s, last %d", s.Shards(), s.ID(), s.Shard(0).Last())
	}
	if v, ok, err := s.Shard(0).Get(Objects, []byte("999")); !ok || err != nil || !bytes.Equal(v, want) {
		t.Errorf("Get = %q %v %v", v, ok, err)
	}
	if put(t, s.Shard(0), Objects, "n", "n") != 335 {
		t.Error("the sequence did not go on")
	}
	_ = s.Close()
	if _, err := Open("a/b/d", Options{FS: fs, Shards: 8}); !fault.Is(err, fault.Invalid) {
		t.Errorf("another number of shards: %v", err)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	_, err := Open(dir, Options{})
	if !fault.Is(err, fault.Locked) || !bytes.Contains([]byte(err.Error()), []byte(dir)) {
		t.Errorf("second Open: %v", err)
	}
	if _, err := Check(dir, nil); !fault.Is(err, fault.Locked) {
		t.Errorf("Check: %v", err)
	}
}
