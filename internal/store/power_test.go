package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/wire"
)

// cycles is the number of power losses of the plain test.
const cycles = 60

// TestPowerLoss loses power again and again, each time keeping a random
// share of what was not synced: every acknowledged commit must be there.
func TestPowerLoss(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	o := Options{Shards: 3, MemTable: 32 << 10, Cache: 1 << 20}
	acked := make([]wire.Seq, 3)
	total := 0
	for c := range cycles {
		o.FS = fs
		s := open(t, "d", o)
		for i, n := range acked {
			sh := s.Shard(wire.ShardID(i))
			if sh.Last() < n {
				t.Fatalf("cycle %d: %s ends at %d, %d was acknowledged", c, sh.ID(), sh.Last(), n)
			}
			acked[i] = sh.Last()
			checkRows(t, sh, acked[i])
		}
		fs = crashDuring(t, s, fs, rng, acked)
		_ = s.Close()
	}
	for _, n := range acked {
		total += int(n)
	}
	t.Logf("%d commits acknowledged over %d power losses, none lost", total, cycles)
}

// checkRows reads the row of every commit.
func checkRows(t *testing.T, sh *Shard, n wire.Seq) {
	t.Helper()
	want := wire.Seq(0)
	err := sh.Scan(Objects, nil, nil, func(k, v []byte) (bool, error) {
		if want++; string(k) != fmt.Sprintf("%08d", want) {
			return false, fmt.Errorf("%s: row %q where %d is due", sh.ID(), k, want)
		}
		return true, nil
	})
	if err != nil || want != n {
		t.Fatalf("%s: %d rows of %d, %v", sh.ID(), want, n, err)
	}
}

// crashDuring commits on every shard at once and clones the disk somewhere
// in the middle; acked is what was acknowledged before the clone.
func crashDuring(t *testing.T, s *Store, fs *vfs.MemFS, rng *rand.Rand, acked []wire.Seq) *vfs.MemFS {
	var mu sync.Mutex
	var clone *vfs.MemFS
	live := make([]wire.Seq, len(acked))
	copy(live, acked)
	limit := 10 + rng.IntN(80)
	size := 1 + rng.IntN(800)
	keep := vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng}
	var wg sync.WaitGroup
	for i := range acked {
		wg.Go(func() {
			sh := s.Shard(wire.ShardID(i))
			for n := range limit {
				b := sh.NewBatch()
				b.Set(Objects, fmt.Appendf(nil, "%08d", sh.Last()+1), make([]byte, size))
				seq, err := sh.Commit(b)
				b.Close()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if clone == nil {
					live[i] = seq
				}
				if i == 0 && n == limit/2 {
					copy(acked, live)
					clone = fs.CrashClone(keep)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return clone
}

// TestPowerLossWhileCreating loses power at every sync of the making of a
// directory: the next Open makes it, or finds it whole.
func TestPowerLossWhileCreating(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for n := 0; ; n++ {
		mem := vfs.NewCrashableMem()
		var clone *vfs.MemFS
		syncs := 0
		fs := syncHook{mem, func() {
			if syncs++; syncs == n+1 {
				rng := rand.New(rand.NewPCG(uint64(n), seed))
				clone = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			}
		}}
		_ = open(t, "d", Options{FS: fs, Shards: 2}).Close()
		if clone == nil {
			t.Logf("%d syncs", n)
			return
		}
		s, err := Open("d", Options{FS: clone, Shards: 2})
		if err != nil {
			t.Fatalf("power lost at sync %d: %v", n, err)
		}
		put(t, s.Shard(0), Meta, "k", "v")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// syncHook calls hook before each sync of a file it opens or creates.
type syncHook struct {
	vfs.FS
	hook func()
}

func (fs syncHook) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return hookedFile{f, fs.hook}, nil
}

func (fs syncHook) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.wrap(fs.FS.Create(name, c))
}

func (fs syncHook) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return fs.wrap(fs.FS.OpenReadWrite(name, c, o...))
}

func (fs syncHook) OpenDir(name string) (vfs.File, error) { return fs.wrap(fs.FS.OpenDir(name)) }

type hookedFile struct {
	vfs.File
	hook func()
}

func (f hookedFile) Sync() error     { f.hook(); return f.File.Sync() }
func (f hookedFile) SyncData() error { f.hook(); return f.File.SyncData() }

// TestInABubble proves that no goroutine outlives Close.
func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		for range 2 {
			s, err := Open("d", Options{FS: fs, Shards: 2, MemTable: 32 << 10, SyncInterval: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				put(t, s.Shard(wire.ShardID(i%2)), Objects, fmt.Sprint(i), string(make([]byte, 1000)))
			}
			time.Sleep(time.Hour)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
