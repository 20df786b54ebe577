package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/chain"
	"github.com/situ-dev/situ/internal/store/crashfs"
	"github.com/situ-dev/situ/internal/store/database"
	"github.com/situ-dev/situ/internal/store/file"
	"github.com/situ-dev/situ/internal/store/identity"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/mark"
	"github.com/situ-dev/situ/internal/store/problem"
	"github.com/situ-dev/situ/internal/wire"
)

// TestFailedSync fails the n-th sync of a log: Fatal is called, and nothing
// is acknowledged from there on, in any shard.
func TestFailedSync(t *testing.T) {
	for n := range 12 {
		mem := crashfs.New()
		_ = open(t, "d", Options{FS: mem, Shards: 2}).Close()
		var armed atomic.Bool
		var syncs, fatals atomic.Int64
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
			if armed.Load() && sync && strings.HasSuffix(op.Path, ".log") && syncs.Add(1) > int64(n) {
				return syscall.EIO
			}
			return nil
		}))
		s, err := Open("d", Options{FS: fs, Fatal: func(error) { fatals.Add(1) }})
		if err != nil {
			t.Fatal(err)
		}
		armed.Store(true)
		acked, failed := 0, error(nil)
		for i := range 40 {
			sh := s.Shard(0)
			if failed != nil && i%2 == 0 {
				sh = s.Shard(1)
			}
			b := sh.NewBatch(0)
			b.Set(Objects, []byte{byte(i)}, []byte("x"))
			_, err := sh.Commit(b)
			b.Close()
			switch {
			case err == nil && failed != nil:
				t.Fatalf("n=%d: a commit was acknowledged after %v", n, failed)
			case err == nil:
				acked++
			case failed == nil:
				failed = err
				if fatals.Load() == 0 {
					t.Fatalf("n=%d: Fatal was not called: %v", n, err)
				}
			}
		}
		if failed == nil {
			t.Fatalf("n=%d: no commit failed", n)
		}
		clone := mem.CrashClone(vfs.CrashCloneCfg{})
		s2, err := Open("d", Options{FS: clone})
		if err != nil || int(s2.Shard(0).Last()) < acked {
			t.Fatalf("n=%d: reopened at %v, %d acknowledged", n, err, acked)
		}
		_ = s2.Close()
	}
}

// TestAllSyncsFail has all syncs fail from the n-th on, of whatever file: of the
// log, and three of others: of tables, values, the manifest, directories. What was acknowledged is
// there after a loss of power, and nothing is acknowledged after Fatal.
func TestAllSyncsFail(t *testing.T) {
	fatal := 0
	for n := range 40 {
		mem := crashfs.New()
		_ = open(t, "d", Options{FS: mem, Shards: 2}).Close()
		var armed atomic.Bool
		var syncs, others, fatals atomic.Int64
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
			if !armed.Load() || !sync || syncs.Add(1) <= int64(n) {
				return nil
			}
			if !strings.HasPrefix(op.Path, "d/log") && others.Add(1) > 3 {
				return nil // commits would wait for tables
			}
			return syscall.EIO
		}))
		s, err := Open("d", Options{FS: fs, MemTable: 16 << 10, Fatal: func(error) { fatals.Add(1) }})
		if err != nil {
			t.Fatal(err)
		}
		armed.Store(true)
		acked, size := 0, 4000+n%3*4000 // some are far
		for range 60 {
			b := s.Shard(0).NewBatch(0)
			seq := s.Shard(0).Last() + 1
			b.Set(Objects, fmt.Appendf(nil, "%08d", seq), rowOf(seq, size))
			before := fatals.Load()
			_, err := s.Shard(0).Commit(b)
			b.Close()
			if err == nil && before > 0 {
				t.Fatalf("n=%d: a commit was acknowledged after Fatal", n)
			}
			if err != nil {
				break
			}
			acked++
		}
		if fatals.Load() > 0 {
			fatal++
		}
		clone := mem.CrashClone(vfs.CrashCloneCfg{})
		s2, err := Open("d", Options{FS: clone})
		if err != nil || int(s2.Shard(0).Last()) < acked {
			t.Fatalf("n=%d: reopened at %v, %d acknowledged", n, err, acked)
		}
		for k := 1; k <= acked; k++ {
			v, ok, err := s2.Shard(0).Get(Objects, fmt.Appendf(nil, "%08d", k))
			if err != nil || !ok || !bytes.Equal(v, rowOf(wire.Seq(k), size)) {
				t.Fatalf("n=%d: commit %d of %d: %d bytes, %v, %v", n, k, acked, len(v), ok, err)
			}
		}
		_ = s2.Close()
		_ = s.Close()
	}
	if fatal < 20 {
		t.Errorf("only %d of 40 stores stopped", fatal)
	}
}

// TestMarksCannotBeWritten: the commit is durable, so it is acknowledged.
func TestMarksCannotBeWritten(t *testing.T) {
	mem := vfs.NewMem()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt && strings.HasSuffix(op.Path, layout.MarksFile) {
			return syscall.EIO
		}
		return nil
	}))
	s := open(t, "d", Options{FS: fs})
	put(t, s.Shard(0), Meta, "k", "v")
	_ = s.Close()
	if s = open(t, "d", Options{FS: mem}); s.Shard(0).Last() != 1 {
		t.Errorf("last = %d", s.Shard(0).Last())
	}
}

// TestFullDisk follows the reserve down and up again.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		s, err := Open("data", Options{FS: fs, MinFree: 1000})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		if err := s.Writable(); err != nil {
			t.Errorf("free space unknown: %v", err)
		}
		for _, c := range []struct {
			free uint64
			full bool
		}{{5000, false}, {1000, false}, {999, true}, {1249, true}, {1250, false}, {1000, false}, {1, true}} {
			fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: c.free, TotalBytes: 9999})
			time.Sleep(100 * time.Millisecond)
			err := s.Writable()
			if fault.Is(err, fault.Full) != c.full || s.Stats().Full != c.full {
				t.Errorf("%d free: %v", c.free, err)
			}
			if c.full && (!strings.Contains(err.Error(), "data") || !strings.Contains(err.Error(), "1250 are needed")) {
				t.Errorf("text: %v", err)
			}
			put(t, s.Shard(0), Meta, "work under way", "may finish")
		}
	})
}

func TestOpenOnAFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	_ = open(t, "d", Options{FS: mem}).Close()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	if _, err := Open("d", Options{FS: fs, Fatal: func(error) {}}); !fault.Is(err, fault.Full) {
		t.Errorf("Open: %v", err)
	}
}

func TestBadDirectories(t *testing.T) {
	made := func() vfs.FS {
		fs := vfs.NewMem()
		s := open(t, "d", Options{FS: fs, Shards: 2})
		put(t, s.Shard(1), Meta, "k", "v")
		_ = s.Close()
		return fs
	}
	for name, c := range map[string]struct {
		harm func(fs vfs.FS) error
		kind fault.Kind
		say  string
	}{
		"no database": {func(fs vfs.FS) error { return fs.RemoveAll("d/pebble") }, fault.Corrupt, "d/pebble"},
		"no identity": {func(fs vfs.FS) error { return fs.Remove("d/situ.json") }, fault.Corrupt, "d/situ.json"},
		"no marks":    {func(fs vfs.FS) error { return fs.Remove("d/situ.hwm") }, fault.Corrupt, "situ.accept"},
		"newer format": {func(fs vfs.FS) error {
			id := identity.New(2, time.Now())
			id.Format = 3
			return file.Write(fs, "d/situ.json", id.Encode())
		}, fault.Invalid, "use a newer situ"},
		"older format": {func(fs vfs.FS) error {
			id := identity.New(2, time.Now())
			id.Format = 1
			return file.Write(fs, "d/situ.json", id.Encode())
		}, fault.Invalid, "never released"},
		"no log": {func(fs vfs.FS) error { return fs.RemoveAll("d/log") }, fault.Corrupt, "d/log/00000001.log"},
		"nothing but a log": {func(fs vfs.FS) error {
			return errors.Join(fs.Remove("d/situ.json"), fs.Remove("d/situ.hwm"), fs.RemoveAll("d/pebble"))
		}, fault.Corrupt, "d/situ.json"},
		"marks of another": {func(fs vfs.FS) error {
			return file.Write(fs, "d/situ.hwm", mark.New([8]byte{1}, 2).Encode())
		}, fault.Corrupt, "of another directory"},
	} {
		fs := made()
		if err := c.harm(fs); err != nil {
			t.Fatal(err)
		}
		_, err := Open("d", Options{FS: fs})
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
		r, err := Check("d", fs)
		if c.kind == fault.Invalid { // not damaged: it is said, and nothing is a problem
			if !fault.Is(err, c.kind) || len(r.Problems) > 0 {
				t.Errorf("%s: Check: %+v %v", name, r, err)
			}
		} else if err != nil || len(r.Problems) == 0 {
			t.Errorf("%s: Check: %+v %v", name, r, err)
		}
	}
}

// TestAccept goes on after a loss only when a person wrote so.
func TestAccept(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, "d", Options{FS: fs, Shards: 1})
	for range 3 {
		put(t, s.Shard(0), Meta, "k", "v")
	}
	_ = s.Close()
	m := mark.New(s.id.Short(), 1)
	m.All[0].Seq, m.All[1] = 9, s.guard.Marks().All[1]
	if err := file.Write(fs, "d/situ.hwm", m.Encode()); err != nil {
		t.Fatal(err)
	}
	for _, accept := range []string{"", "another id"} {
		if accept != "" {
			_ = file.Write(fs, "d/situ.accept", []byte(accept))
		}
		_, err := Open("d", Options{FS: fs})
		var p *problem.Problem
		if !errors.As(err, &p) || p.Shard != 0 || p.Seq != 4 || !strings.Contains(p.File, ".log") {
			t.Fatalf("accept %q: %v", accept, err)
		}
	}
	_ = file.Write(fs, "d/situ.accept", []byte(s.ID()+"\n"))
	s = open(t, "d", Options{FS: fs})
	if seq := put(t, s.Shard(0), Meta, "k", "v"); seq != 4 {
		t.Errorf("went on at %d", seq)
	}
	_ = s.Close()
	if _, err := fs.Stat("d/situ.accept"); err == nil {
		t.Error("the acceptance holds for ever")
	}
	open(t, "d", Options{FS: fs})
}

// TestCheckCounts finds files of which too little is counted: what rows need
// would be removed.
func TestCheckCounts(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, "d", Options{FS: fs, Shards: 1, MemTable: 16 << 10})
	put(t, s.Shard(0), Objects, "far", string(make([]byte, 20_000)))
	s.startFlush()
	idle(s)
	number := s.live.Numbers()[0]
	path := s.files.Path(number)
	wrong := s.live.Clone()
	wrong.Of(number).Live -= 5
	wrong.Rows[Objects] = 0
	if err := s.ingest(func(w *database.Writer) { w.Usages(wrong, s.live) }); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	r, err := Check("d", fs)
	if err != nil || len(r.Problems) != 2 || r.Problems[0].File != path || !strings.Contains(r.Problems[1].What, "far values") {
		t.Errorf("%+v, %v", r.Problems, err)
	}
}

// TestCheck reads a good store without a single write.
func TestCheck(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, "d", Options{FS: mem, Shards: 2, MemTable: 32 << 10})
	for range 900 {
		put(t, s.Shard(1), Objects, "k", string(make([]byte, 300)))
	}
	put(t, s.Shard(1), Timers, "k", "v")
	idle(s)
	tables, err := chain.ReadTip(s.db, 1)
	if err != nil || tables.Last == 0 {
		t.Fatalf("nothing is in tables: %+v, %v", tables, err)
	}
	_ = s.Close()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !strings.HasSuffix(op.Path, layout.LockFile) && op.Kind != errorfs.OpFileClose {
			t.Errorf("Check writes: %v", op)
		}
		return nil
	}))
	r, err := Check("d", fs)
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("%+v %v", r, err)
	}
	sh := r.Shards[1]
	if r.ID != s.ID() || r.Format != 2 || sh.Last != 901 || wire.Seq(sh.Links) < 901-tables.Last || sh.Links > 900 || len(sh.Tables) != 2 || r.DiskSize == 0 {
		t.Errorf("report %+v", r)
	}
	if _, err := Check("nowhere", vfs.NewMem()); !fault.Is(err, fault.NotFound) {
		t.Errorf("nowhere: %v", err)
	}
}
