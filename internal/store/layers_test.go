package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// model is what the rows of one table of a shard must be.
type model map[string]string

func (m model) rows(from, to string) (out []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= from && (to == "" || k < to) {
			out = append(out, k+"="+m[k])
		}
	}
	return out
}

// walker is an open walk, and what it must show.
type walker struct {
	it   *walk
	want []string
}

// layered is a store that is used at random, beside its model.
type layered struct {
	t     *testing.T
	log   *slog.Logger
	rng   *rand.Rand
	fs    vfs.FS
	s     *Store
	model []model // of each shard
	walks []walker
	far   int
}

var layeredTables = []Table{Objects, Mail}

func (l *layered) open() {
	l.s = open(l.t, "d", Options{FS: l.fs, Logger: l.log, Shards: 2, MemTable: 16 << 10, Cache: 1 << 20})
}

// key returns a key of the model, which has the table in front.
func (l *layered) key() (Table, string) {
	return layeredTables[l.rng.IntN(2)], fmt.Sprintf("k%03d", l.rng.IntN(200))
}

func (l *layered) value() string {
	switch n := l.rng.IntN(20); {
	case n == 0:
		l.far++
		return strings.Repeat(fmt.Sprintf("%07d,", l.rng.IntN(1e7)), farValue/8+l.rng.IntN(500))
	case n == 1:
		return ""
	}
	return strings.Repeat(fmt.Sprint(l.rng.IntN(1000)), 1+l.rng.IntN(60))
}

func (l *layered) commit() {
	i := l.rng.IntN(len(l.model))
	sh, m := l.s.Shard(wire.ShardID(i)), l.model[i]
	b := sh.NewBatch(0)
	defer b.Close()
	if l.rng.IntN(25) == 0 { // of committed rows, so it comes first
		t, from := l.key()
		_, to := l.key()
		b.DeleteRange(t, []byte(from), []byte(to))
		maps.DeleteFunc(m, func(k, _ string) bool { return Table(k[0]) == t && k[1:] >= from && k[1:] < to })
	}
	for range 1 + l.rng.IntN(5) {
		t, k := l.key()
		if l.rng.IntN(4) == 0 {
			b.Delete(t, []byte(k))
			delete(m, string(t)+k)
			continue
		}
		v := l.value()
		cut := l.rng.IntN(len(v) + 1)
		b.Set(t, []byte(k), []byte(v[:cut]), []byte(v[cut:]))
		m[string(t)+k] = v
	}
	if _, err := sh.Commit(b); err != nil {
		l.t.Fatal(err)
	}
}

// of returns the model of one table.
func (l *layered) of(shard int, t Table) model {
	out := model{}
	for k, v := range l.model[shard] {
		if Table(k[0]) == t {
			out[k[1:]] = v
		}
	}
	return out
}

func (l *layered) look() {
	i := l.rng.IntN(len(l.model))
	sh := l.s.Shard(wire.ShardID(i))
	t, k := l.key()
	want, there := l.model[i][string(t)+k]
	v, ok, err := sh.Get(t, []byte(k))
	if err != nil || ok != there || string(v) != want || (v == nil) == ok {
		l.t.Fatalf("Get(%s %s) = %.50q %v %v, want %.50q %v", t, k, v, ok, err, want, there)
	}
	switch l.rng.IntN(6) {
	case 0:
		_, from := l.key()
		_, to := l.key()
		reverse := l.rng.IntN(2) == 0
		want := l.of(i, t).rows(from, to)
		if reverse {
			slices.Reverse(want)
		}
		if got := rows(l.t, sh, reverse, t, []byte(from), []byte(to)); !slices.Equal(got, want) {
			l.t.Fatalf("Scan(%s, %s, %s, reverse %v) has %d rows, want %d", t, from, to, reverse, len(got), len(want))
		}
	case 1:
		_, from := l.key()
		it, err := sh.walk(t, []byte(from), nil, false)
		if err != nil {
			l.t.Fatal(err)
		}
		l.walks = append(l.walks, walker{it, l.of(i, t).rows(from, "")})
	}
	if len(l.walks) > 4 {
		l.walk(l.rng.IntN(len(l.walks)))
	}
}

// walk walks what was made some time ago, and closes it.
func (l *layered) walk(n int) {
	w := l.walks[n]
	l.walks = slices.Delete(l.walks, n, n+1)
	for _, want := range w.want {
		if !w.it.next() || string(w.it.key())+"="+string(w.it.value) != want {
			l.t.Fatalf("an old walk is at %q, %v, want %.60q", w.it.key(), w.it.err, want)
		}
	}
	if w.it.next() {
		l.t.Fatalf("an old walk shows %q", w.it.key())
	}
	if err := w.it.close(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *layered) reopen() {
	for len(l.walks) > 0 {
		l.walk(0)
	}
	if err := l.s.Close(); err != nil {
		l.t.Fatal(err)
	}
	if r, err := Check("d", l.fs); err != nil || len(r.Problems) > 0 {
		l.t.Fatalf("Check: %+v, %v", r.Problems, err)
	}
	l.open()
	l.all()
}

// all holds all rows against the model.
func (l *layered) all() {
	for i := range l.model {
		for _, t := range layeredTables {
			want := l.of(i, t).rows("", "")
			if got := rows(l.t, l.s.Shard(wire.ShardID(i)), false, t, nil, nil); !slices.Equal(got, want) {
				l.t.Fatalf("shard %d %s: %d rows, want %d", i, t, len(got), len(want))
			}
		}
	}
	checkUsages(l.t, l.s)
}

// TestLayers has rows in the memtable, in the one that is being written and in
// tables at once, with far values among them that are flushed, overwritten,
// deleted and moved, and holds every kind of read against a model: also walks that
// are much older, and what a start finds.
func TestLayers(t *testing.T) {
	seed := seed.New(t)
	var far int
	var moved uint64
	for lane := range 3 {
		l := &layered{t: t, log: strictLog(t), rng: rand.New(rand.NewPCG(seed, uint64(lane))), fs: vfs.NewMem(), model: []model{{}, {}}}
		l.open()
		for n := range 1200 {
			if n%400 == 399 {
				moved += l.s.moved.Load()
				l.reopen()
			}
			l.commit()
			l.look()
		}
		l.all()
		moved += l.s.moved.Load()
		far += l.far
		l.reopen()
	}
	if t.Logf("%d far values, %d bytes moved", far, moved); far == 0 || moved == 0 {
		t.Error("no far value, or no move: the test does not see what it is for")
	}
}

// TestReadersBesideFlushes reads and walks in goroutines of their own, while
// rows become tables and values move: what is there once stays, and a walk is of one
// moment, in which all rows have the same number.
func TestReadersBesideFlushes(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 1, MemTable: 16 << 10, Cache: 1 << 20})
	sh := s.Shard(0)
	const keys = 9
	write := func(n int) {
		b := sh.NewBatch(0)
		defer b.Close()
		for k := range keys {
			size := 1
			if k%3 == 0 && n%4 == 0 {
				size = farValue / 8
			}
			b.Set(Objects, []byte{byte(k)}, bytes.Repeat(fmt.Appendf(nil, "%08d", n), size))
		}
		if _, err := sh.Commit(b); err != nil {
			t.Error(err)
		}
	}
	write(0)
	var stop atomic.Bool
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			last := ""
			for !stop.Load() {
				v, ok, err := sh.Get(Objects, []byte{3})
				if err != nil || !ok || len(v) < 8 || string(v[:8]) < last {
					t.Errorf("Get: %.8q after %q, %v, %v", v, last, ok, err)
					return
				}
				last = string(v[:8])
			}
		})
		group.Go(func() {
			for !stop.Load() {
				n, first := 0, ""
				err := sh.Scan(Objects, nil, nil, func(_, v []byte) (bool, error) {
					if n++; n == 1 {
						first = string(v[:8])
					}
					if string(v[:8]) != first {
						return false, fmt.Errorf("a row of %s beside one of %s", v[:8], first)
					}
					return true, nil
				})
				if err != nil || n != keys {
					t.Errorf("%d rows, %v", n, err)
					return
				}
			}
		})
	}
	for n := range 600 {
		write(n)
	}
	stop.Store(true)
	group.Wait()
	checkUsages(t, s)
}

// strictLog returns a logger whose errors fail the test.
func strictLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelError}))
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Errorf("logged: %s", p)
	return len(p), nil
}

// TestWalkBesideAFlush has memtables become tables, twice, while a walk has
// looked at the one and not yet at the other: it is of one moment.
func TestWalkBesideAFlush(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Logger: strictLog(t), Shards: 1})
	sh := s.Shard(0)
	write := func(n string, keys ...string) {
		b := sh.NewBatch(0)
		defer b.Close()
		for _, k := range keys {
			b.Set(Objects, []byte(k), []byte(n))
		}
		if _, err := sh.Commit(b); err != nil {
			t.Fatal(err)
		}
	}
	write("1", "x", "y")
	s.startFlush()
	idle(s)
	write("2", "x")
	n := 0
	s.between = func() {
		if n++; n > 1 {
			return
		}
		write("3", "x", "y", "z")
		for range 2 {
			s.startFlush()
			idle(s)
		}
	}
	got := rows(t, sh, false, Objects, nil, nil)
	if !slices.Equal(got, []string{"x=2", "y=1"}) && !slices.Equal(got, []string{"x=3", "y=3", "z=3"}) {
		t.Errorf("the walk shows %v", got)
	}
}

// TestMoved overwrites a far value in the file that it is in: only what is live
// is moved, and it is the right one.
func TestMoved(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, "d", Options{FS: fs, Logger: strictLog(t), Shards: 1, MemTable: 64 << 10})
	sh := s.Shard(0)
	value := func(c string) string { return strings.Repeat(c, 10_000) }
	for _, c := range []string{"a", "b", "c", "d"} {
		put(t, sh, Objects, "k", value(c))
	}
	for range moveAfter + 2 {
		s.startFlush()
		idle(s)
		put(t, sh, Objects, "other", "near")
	}
	if n := s.moved.Load(); n != 10_000 {
		t.Errorf("%d bytes were moved", n)
	}
	if names, err := wal.List(fs, "d/values"); err != nil || len(names) != 1 {
		t.Errorf("files of values: %v, %v", names, err)
	}
	for range 2 {
		if v, ok, err := sh.Get(Objects, []byte("k")); err != nil || !ok || string(v) != value("d") {
			t.Errorf("the value is %.5q, %v, %v", v, ok, err)
		}
		checkUsages(t, s)
		_ = s.Close()
		s = open(t, "d", Options{FS: fs})
		sh = s.Shard(0)
	}
}

// TestManyFiles has more files with values than are kept open.
func TestManyFiles(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 1, MemTable: 16 << 10})
	const files = far.MaxOpen + 20
	for i := range files {
		put(t, s.Shard(0), Objects, fmt.Sprint(i), strings.Repeat(fmt.Sprintf("%08d", i), 9000))
		idle(s)
	}
	if n := len(s.live.Numbers()); n < files {
		t.Fatalf("only %d files", n)
	}
	for range 2 {
		for i := range files {
			v, ok, err := s.Shard(0).Get(Objects, []byte(fmt.Sprint(i)))
			if err != nil || !ok || string(v[:8]) != fmt.Sprintf("%08d", i) {
				t.Fatalf("value %d: %.8q %v %v", i, v, ok, err)
			}
		}
	}
}

// TestFilesGo: what is overwritten or deleted gives its file back, but not as
// long as a walk may need it.
func TestFilesGo(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, "d", Options{FS: fs, Shards: 1, MemTable: 16 << 10})
	sh := s.Shard(0)
	flush := func() { s.startFlush(); idle(s) }
	put(t, sh, Objects, "far", strings.Repeat("x", 20_000))
	flush()
	path := s.files.Path(s.live.Numbers()[0])
	it, err := sh.walk(Objects, nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	put(t, sh, Objects, "far", "near")
	flush()
	flush()
	if _, err := fs.Stat(path); err != nil {
		t.Fatalf("a walk needs it: %v", err)
	}
	if !it.next() || len(it.value) != 20_000 {
		t.Errorf("the walk shows %d bytes, %v", len(it.value), it.err)
	}
	if err := it.close(); err != nil {
		t.Error(err)
	}
	flush()
	if _, err := fs.Stat(path); !file.NotExist(err) {
		t.Errorf("nobody needs it, and it is there: %v", err)
	}
	if nums, err := wal.List(fs, "d/log"); err != nil || len(nums) > 2 {
		t.Errorf("segments %v, %v", nums, err)
	}
}

// TestWrittenOver: a segment that is not needed is written over by the next one. What it
// has from before is of nobody: not after a death of the process, which leaves it behind
// the last record, and not after a flip in that record, which is found.
func TestWrittenOver(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := Options{Shards: 1, MemTable: 16 << 10, FS: fs}
	s := open(t, "d", o)
	sh := s.Shard(0)
	for i := range 40 {
		put(t, sh, Objects, fmt.Sprint("key", i%3), strings.Repeat(fmt.Sprint(i%10), 20_000))
		if i%4 == 3 {
			s.startFlush()
			idle(s)
		}
	}
	if n := s.reused.Load(); n < 5 {
		t.Errorf("%d segments were written over", n)
	}
	put(t, sh, Objects, "last", "a")
	put(t, sh, Objects, "last", "b")
	nums, err := wal.List(fs, "d/log")
	if err != nil {
		t.Fatal(err)
	}
	last := fs.PathJoin("d/log", wal.Name(nums[len(nums)-1]))
	if info, err := fs.Stat(last); err != nil || info.Size() < 20_000 {
		t.Fatalf("the last segment is none that was written over: %v, %v", info, err)
	}
	o.FS = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	damaged := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	again := open(t, "d", o)
	if got, want := again.Shard(0).Last(), sh.Last(); got != want {
		t.Errorf("after the death of the process it ends at %d, want %d", got, want)
	}
	if got := rows(t, again.Shard(0), false, Objects, nil, nil); len(got) != 4 || got[3] != "last=b" {
		t.Errorf("rows %.20q", got)
	}
	flipFirst(t, damaged, last, 64+wal.HeadSize)
	if _, err := Open("d", Options{FS: damaged}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a damaged record before what was written over: %v", err)
	}
}

// flipFirst flips a bit of the byte at that place.
func flipFirst(t *testing.T, fs vfs.FS, path string, at int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	_, err = f.WriteAt(b[:], at)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedValue: the read says which file, and so does Check.
func TestDamagedValue(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, "d", Options{FS: fs, Shards: 1, MemTable: 16 << 10})
	put(t, s.Shard(0), Objects, "far", strings.Repeat("x", 20_000))
	put(t, s.Shard(0), Objects, "near", "y")
	s.startFlush()
	idle(s)
	path := s.files.Path(s.live.Numbers()[0])
	_ = s.Close()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("y"), 10_000); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if r, err := Check("d", fs); err != nil || len(r.Problems) != 1 || !strings.Contains(fmt.Sprint(r.Problems[0].What, r.Problems[0].File), path) {
		t.Errorf("Check: %+v, %v", r.Problems, err)
	}
	s = open(t, "d", Options{FS: fs})
	if _, _, err := s.Shard(0).Get(Objects, []byte("far")); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), path) {
		t.Errorf("Get: %v", err)
	}
	if err := s.Shard(0).Scan(Objects, nil, nil, func(_, _ []byte) (bool, error) { return true, nil }); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), path) {
		t.Errorf("Scan: %v", err)
	}
	if v, _, err := s.Shard(0).Get(Objects, []byte("near")); string(v) != "y" || err != nil {
		t.Errorf("another row: %q, %v", v, err)
	}
}

// TestFailedTables: the n-th operation on the files of tables and values fails, and
// all goes on: rows are in the log until they are in tables.
func TestFailedTables(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpLink} {
		for n := range 2 {
			mem := vfs.NewMem()
			var armed atomic.Bool
			var ops, failed atomic.Int64
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if armed.Load() && op.Kind == kind && (strings.HasSuffix(op.Path, layout.TableFile) || strings.Contains(op.Path, layout.ValuesDir)) {
					if i := ops.Add(1); i > int64(n) && i <= int64(n)+2 {
						failed.Add(1)
						return syscall.EIO
					}
				}
				return nil
			}))
			l := &layered{t: t, rng: rand.New(rand.NewPCG(1, uint64(n))), fs: fs, model: []model{{}, {}}}
			l.open()
			armed.Store(true)
			for range 250 {
				l.commit()
			}
			l.all()
			if failed.Load() == 0 && kind != errorfs.OpFileWriteAt && kind != errorfs.OpFileSyncData { // those are of moves
				t.Errorf("%v %d: nothing failed", kind, n)
			}
			if err := l.s.broken(); err != nil {
				t.Errorf("%v %d: %v", kind, n, err)
			}
			_ = l.s.Close()
			l.fs = mem
			l.open()
			l.all()
			_ = l.s.Close()
		}
	}
}

// TestPushBack: while tables cannot be written, commits go on up to a bound of
// memory and of the log, and then wait; all goes on when they can.
func TestPushBack(t *testing.T) {
	const memTable = 64 << 10
	for name, size := range map[string]int{"memory": 300, "log": 20_000} {
		synctest.Test(t, func(t *testing.T) {
			gate := &tableGate{FS: vfs.NewMem(), open: make(chan struct{})}
			gate.tables.Store(true)
			s := open(t, "d", Options{FS: gate, Shards: 2, MemTable: memTable})
			var done atomic.Int64
			var group sync.WaitGroup
			each := 1 << 20 / size
			for i := range 2 {
				group.Go(func() {
					for n := range each {
						put(t, s.Shard(wire.ShardID(i)), Objects, fmt.Sprint(n), string(noise(n, size)))
						done.Add(1)
					}
				})
			}
			synctest.Wait() // until all wait
			held := int64(0)
			for _, sh := range s.shards {
				l := sh.layers.Load()
				held += l.now.Size()
				if l.frozen != nil {
					held += l.frozen.Size()
				}
			}
			log := s.logged.Load() + s.ended.Load()
			if n := done.Load(); n == int64(2*each) || n == 0 {
				t.Errorf("%s: nobody had to wait, or everybody: %d of %d commits", name, n, 2*each)
			}
			// A memtable grows by up to 256 KiB at once, and each shard by one commit more.
			if held > slack*memTable+2*256<<10 || log > slack*logPerTable*memTable+int64(2*(size+100)) {
				t.Errorf("%s: the memtables hold %d bytes, the log %d", name, held, log)
			}
			if held < slack*memTable && log < slack*logPerTable*memTable {
				t.Errorf("%s: commits wait with %d bytes in memtables and %d in the log", name, held, log)
			}
			gate.tables.Store(false)
			close(gate.open)
			group.Wait()
			idle(s)
			if s.frozen.Load() != 0 || s.ended.Load() != 0 {
				t.Errorf("%s: %d bytes are frozen, %d of the log are not in tables", name, s.frozen.Load(), s.ended.Load())
			}
		})
	}
}

// TestMemoryIsCounted: what a walk sorts counts, and no generation leaves
// anything of the count behind.
func TestMemoryIsCounted(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 1, MemTable: 64 << 10})
	sh := s.Shard(0)
	for n := range 3000 {
		put(t, sh, Objects, fmt.Sprintf("%08d", n*7919%3000), "some value")
		if n%10 == 0 {
			rows(t, sh, false, Mail, nil, nil)
		}
	}
	for range 10 {
		put(t, sh, Objects, "k", "v")
		rows(t, sh, false, Objects, nil, nil) // after the commit, before the generation
		s.startFlush()
		idle(s)
	}
	put(t, sh, Objects, "k", "v")
	idle(s)
	if got, want := s.unflushed.Load(), sh.layers.Load().now.Size(); got != want {
		t.Errorf("%d bytes are counted, the memtable has %d", got, want)
	}
}

// TestManyStarts: each begins a segment, and they do not pile up.
func TestManyStarts(t *testing.T) {
	fs := vfs.NewMem()
	for n := range 2 * maxSegments {
		s := open(t, "d", Options{FS: fs, Shards: 1})
		put(t, s.Shard(0), Objects, fmt.Sprint(n), "v")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if nums, err := wal.List(fs, "d/log"); err != nil || len(nums) > maxSegments+2 {
		t.Errorf("%d segments, %v", len(nums), err)
	}
	if err := fs.RemoveAll("d/values"); err != nil { // as a copy that leaves out empty directories
		t.Fatal(err)
	}
	s := open(t, "d", Options{FS: fs})
	if _, err := fs.Stat("d/values"); err != nil {
		t.Error(err)
	}
	if got := rows(t, s.Shard(0), false, Objects, nil, nil); len(got) != 2*maxSegments {
		t.Errorf("%d rows", len(got))
	}
}

// TestRefusedBatches: what cannot be committed is refused, and harms nothing.
func TestRefusedBatches(t *testing.T) {
	s := open(t, "d", Options{FS: vfs.NewMem(), Shards: 1})
	sh := s.Shard(0)
	b := sh.NewBatch(0)
	b.Set(Objects, make([]byte, maxKey+1), nil)
	if _, err := sh.Commit(b); !fault.Is(err, fault.Invalid) {
		t.Errorf("a key of %d bytes: %v", maxKey+1, err)
	}
	b.Close()
	b = sh.NewBatch(0)
	b.Set(Objects, make([]byte, maxKey), []byte("v"))
	if b.err != nil {
		t.Errorf("a key of %d bytes: %v", maxKey, b.err)
	}
	b.Close()
	if err := errors.Join(sh.fits(wal.MaxBody)); err != nil {
		t.Errorf("a commit of %d bytes: %v", wal.MaxBody, err)
	}
	if err := sh.fits(wal.MaxBody + 1); !fault.Is(err, fault.Invalid) {
		t.Errorf("a commit of %d bytes: %v", wal.MaxBody+1, err)
	}
	if _, err := sh.Commit(sh.NewBatch(0)); err != nil {
		t.Errorf("an empty commit: %v", err)
	}
	if err := errors.Join(s.Close()); err != nil {
		t.Error(err)
	}
}
