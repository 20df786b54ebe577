package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/situ-dev/situ/internal/wire"
)

var testID = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}

func options(t testing.TB, fs vfs.FS) Options {
	return Options{FS: fs, Dir: "log", ID: testID, Ahead: 1 << 12, Fail: func(err error) { t.Error("fail:", err) }}
}

// open returns a log with what is there, which it reads first.
func open(t testing.TB, o Options) *Log {
	t.Helper()
	if err := o.FS.MkdirAll(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	nums, err := List(o.FS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	tail := Tail{}
	if len(nums) > 0 {
		if tail, err = Read(o.FS, o.Dir, o.ID, nums[0], func(uint64, int64, Record) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(o, tail)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// place is a record and where it went.
type place struct {
	number uint64
	at     int64
	Record
}

// writer appends the commits of one shard.
type writer struct {
	l    *Log
	last Record
}

func (w *writer) append(body []byte) (place, error) {
	r := Record{Shard: w.last.Shard, Seq: w.last.Seq + 1, Prev: w.last.Hash}
	r.Hash = Link(r.Prev, r.Shard, r.Seq, body)
	number, at, err := w.l.Append(&r, append(make([]byte, HeadSize), body...))
	r.Body = body
	if err == nil {
		w.last = r
	}
	return place{number, at, r}, err
}

// read returns all records from a segment on.
func read(t testing.TB, fs vfs.FS, from uint64) ([]place, Tail) {
	t.Helper()
	got, tail, err := tryRead(fs, from)
	if err != nil {
		t.Fatal(err)
	}
	return got, tail
}

func tryRead(fs vfs.FS, from uint64) (got []place, tail Tail, err error) {
	tail, err = Read(fs, "log", testID, from, func(number uint64, at int64, r Record) error {
		r.Body = bytes.Clone(r.Body)
		got = append(got, place{number, at, r})
		return nil
	})
	return got, tail, err
}

func (p place) String() string {
	return fmt.Sprintf("segment %d byte %d: %s commit %d %016x %016x %x", p.number, p.at, p.Shard, p.Seq, p.Prev, p.Hash, p.Body)
}

func same(a, b place) bool { return a.String() == b.String() }

// TestAppend has shards append at the same time, while segments end: all is
// there, where the log said, and each shard's in order.
func TestAppend(t *testing.T) {
	const shards, each = 12, 150
	fs := vfs.NewMem()
	l := open(t, options(t, fs))
	want := make([][]place, shards)
	var group sync.WaitGroup
	for i := range shards {
		group.Go(func() {
			w := writer{l: l, last: Record{Shard: wire.ShardID(i)}}
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for range each {
				p, err := w.append(bytes.Repeat([]byte{byte(rng.IntN(256))}, rng.IntN(100)*rng.IntN(60)))
				if err != nil {
					t.Error(err)
					return
				}
				want[i] = append(want[i], p)
			}
		})
	}
	var ended []Segment
	group.Go(func() {
		for range 20 {
			s, err := l.Rotate()
			if err != nil {
				t.Error(err)
			}
			ended = append(ended, s)
		}
	})
	group.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, tail := read(t, fs, 1)
	if len(got) != shards*each || !slices.Equal(tail.Segments[:20], ended) || tail.Last().Number != 21 {
		t.Fatalf("%d of %d records, segments %v, ended were %v", len(got), shards*each, tail.Segments, ended)
	}
	bytesRead := uint64(0)
	for _, p := range got {
		bytesRead += uint64(padded(len(p.Body)))
		w := want[p.Shard]
		if len(w) == 0 || !same(p, w[0]) {
			t.Fatalf("read    %v\nwritten %v", p, w[:min(1, len(w))])
		}
		want[p.Shard] = w[1:]
	}
	if bytesRead != tail.Bytes {
		t.Errorf("the records have %d bytes, the tail says %d", bytesRead, tail.Bytes)
	}
	for _, s := range ended {
		var n []place
		err := Each(fs, "log", testID, s.Number, int64(s.Size), func(at int64, r Record) error {
			n = append(n, place{s.Number, at, r})
			return nil
		})
		there := slices.DeleteFunc(slices.Clone(got), func(p place) bool { return p.number != s.Number })
		if err != nil || len(n) != len(there) {
			t.Errorf("Each of segment %d: %d records of %d, %v", s.Number, len(n), len(there), err)
		}
	}
}

// gate lets syncs and writes of segments through, or holds them up.
type gate struct {
	vfs.FS
	sync          func() error
	syncs, writes atomic.Int64
}

func (g *gate) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := g.FS.OpenReadWrite(name, c, o...)
	return &gateFile{f, g}, err
}

type gateFile struct {
	vfs.File
	g *gate
}

func (f *gateFile) SyncData() error {
	f.g.syncs.Add(1)
	if err := f.g.sync(); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *gateFile) WriteAt(p []byte, at int64) (int, error) {
	f.g.writes.Add(1)
	return f.File.WriteAt(p, at)
}

// TestSharedSync: what comes while a sync is under way shares the next one, and
// nobody returns before the sync of his record.
func TestSharedSync(t *testing.T) {
	begun, goOn := make(chan bool, 100), make(chan bool)
	g := &gate{FS: vfs.NewMem()}
	g.sync = func() error { begun <- true; <-goOn; return nil }
	l := open(t, options(t, g))
	var done atomic.Int64
	var group sync.WaitGroup
	add := func(i int) {
		group.Go(func() {
			w := writer{l: l, last: Record{Shard: wire.ShardID(i)}}
			if _, err := w.append([]byte("x")); err != nil {
				t.Error(err)
			}
			done.Add(1)
		})
	}
	add(0)
	<-begun
	for i := range 15 {
		add(1 + i)
	}
	for waiting := 0; waiting < 15; { // until all are in the queue
		l.mu.Lock()
		waiting = len(l.queue)
		l.mu.Unlock()
	}
	if done.Load() != 0 {
		t.Error("an append returned before its sync")
	}
	goOn <- true
	<-begun
	if n := done.Load(); n > 1 {
		t.Errorf("%d appends returned before their sync", n-1)
	}
	goOn <- true
	group.Wait()
	if n := g.syncs.Load(); n != 2 {
		t.Errorf("%d syncs for 1 and 15 appends", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFirstError fails the n-th operation of a kind: those that wait for it get the
// error, all later ones too, Fail is told once and before them, and nothing
// is written any more.
func TestFirstError(t *testing.T) {
	boom := errors.New("boom")
	for _, kind := range []errorfs.OpKind{errorfs.OpFileWriteAt, errorfs.OpFileSyncData, errorfs.OpFileSync, errorfs.OpCreate, errorfs.OpOpenDir} {
		for n := range 4 {
			var armed, failed atomic.Bool
			var ops, after, told atomic.Int64
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if failed.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
					after.Add(1)
				}
				if armed.Load() && op.Kind == kind && ops.Add(1) > int64(n) {
					failed.Store(true)
					return boom
				}
				return nil
			}))
			o := options(t, fs)
			o.Fail = func(err error) {
				if told.Add(1); !errors.Is(err, boom) {
					t.Errorf("Fail was told of %v", err)
				}
			}
			l := open(t, o)
			armed.Store(true)
			var group sync.WaitGroup
			var errs atomic.Int64
			for i := range 6 {
				group.Go(func() {
					w := writer{l: l, last: Record{Shard: wire.ShardID(i)}}
					for k := range 30 {
						_, err := w.append([]byte("x"))
						if k%10 == 9 && err == nil {
							_, err = l.Rotate()
						}
						if err != nil && (!errors.Is(err, boom) || told.Load() != 1) {
							t.Errorf("%v, and Fail was told %d times", err, told.Load())
						}
						if err != nil {
							errs.Add(1)
						}
					}
				})
			}
			group.Wait()
			if _, err := l.Rotate(); !errors.Is(err, boom) {
				t.Errorf("Rotate after an error: %v", err)
			}
			if errs.Load() == 0 || told.Load() != 1 || after.Load() != 0 {
				t.Errorf("%v %d: %d errors, Fail was told %d times, %d writes after it", kind, n, errs.Load(), told.Load(), after.Load())
			}
			_ = l.Close()
		}
	}
}

// TestWriter writes a segment that is no part of the log.
func TestWriter(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("log", 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := Create(options(t, fs), 7)
	if err != nil {
		t.Fatal(err)
	}
	at := map[int64]string{}
	for i := range 40 {
		body := bytes.Repeat([]byte{byte(i)}, i*i)
		n, err := w.Write(&Record{Shard: 3, Seq: wire.Seq(i + 1)}, append(make([]byte, HeadSize), body...))
		if err != nil {
			t.Fatal(err)
		}
		at[n] = string(body)
	}
	size, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	err = Each(fs, "log", testID, 7, size, func(n int64, r Record) error {
		if body, ok := at[n]; !ok || body != string(r.Body) {
			t.Errorf("at %d: %x, written was %x", n, r.Body, body)
		}
		delete(at, n)
		return nil
	})
	if err != nil || len(at) > 0 {
		t.Errorf("%d are missing, %v", len(at), err)
	}
	if err := Each(fs, "log", testID, 7, size+8, func(int64, Record) error { return nil }); err == nil {
		t.Error("a segment that is shorter than it was is no damage")
	}
}
