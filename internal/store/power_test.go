package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/store/crashfs"
	"github.com/situ-dev/situ/internal/wire"
)

// powerCycles returns how often TestPowerLoss loses power: POWER_CYCLES, or
// what the promise asks for.
func powerCycles(t *testing.T) int {
	n := 400
	if env := os.Getenv("POWER_CYCLES"); env != "" {
		var err error
		if n, err = strconv.Atoi(env); err != nil || n < 1 {
			t.Fatalf("POWER_CYCLES: %q is not a number of cycles", env)
		}
	}
	return n
}

// lane is the number of power losses that one directory goes through.
const lane = 20

// TestPowerLoss loses power again and again, each time keeping a random share
// of what was not synced: every acknowledged commit must be there. Memtables
// are small, so that power is lost in flushes and compactions, too. Half of
// the losses come between commits, half at some sync of some file: before it,
// with all that it would have made durable in the balance.
func TestPowerLoss(t *testing.T) {
	seed, left := seed.New(t), powerCycles(t)
	cycles := left
	var total, flushes, inSync, far, moved, reused atomic.Int64
	t.Run("lanes", func(t *testing.T) { // returns when all lanes have ended
		for l := 0; left > 0; l++ {
			n := min(left, lane)
			left -= n
			t.Run(strconv.Itoa(l), func(t *testing.T) {
				t.Parallel()
				p := &power{t: t, rng: rand.New(rand.NewPCG(seed, uint64(l))), acked: make([]wire.Seq, 3)}
				p.run(n)
				for _, n := range p.acked {
					total.Add(int64(n))
				}
				flushes.Add(p.flushes)
				inSync.Add(p.inSync)
				far.Add(p.far.Load())
				moved.Add(p.moved)
				reused.Add(p.reused)
			})
		}
	})
	t.Logf("%d commits acknowledged over %d power losses (%d of them within a sync; on the way %d bytes flushed, %d far values written, %d bytes of them moved, %d segments written over), none lost",
		total.Load(), cycles, inSync.Load(), flushes.Load(), far.Load(), moved.Load(), reused.Load())
	if flushes.Load() == 0 || inSync.Load() == 0 || far.Load() == 0 || moved.Load() == 0 || reused.Load() == 0 {
		t.Error("no flush, no loss within a sync, no far value, no move of one or no segment written over: the test does not see what it is for")
	}
}

// power is a directory that loses power.
type power struct {
	t     *testing.T
	rng   *rand.Rand
	acked []wire.Seq // of each shard

	flushes, moved, inSync, reused int64 // bytes, bytes, losses, segments
	far                            atomic.Int64

	mu    sync.Mutex
	fs    *crashfs.FS // what runs now
	clone *crashfs.FS // what the loss left
	live  []wire.Seq  // acknowledged by now
	syncs int
	at    int // the sync to lose power at, 0: none
	keep  vfs.CrashCloneCfg
}

func (p *power) run(cycles int) {
	p.fs = crashfs.New()
	for c := range cycles {
		p.keep = vfs.CrashCloneCfg{UnsyncedDataPercent: p.rng.IntN(101), RNG: rand.New(rand.NewPCG(p.rng.Uint64(), 0))}
		p.syncs, p.at, p.clone = 0, 0, nil
		if c%2 == 1 {
			p.at = 1 + p.rng.IntN(40+c%4/3*200)
		}
		p.live = slices.Clone(p.acked)
		fs := syncHook{p.fs, p.sync}
		s, err := Open("d", Options{FS: fs, Shards: len(p.acked), MemTable: 16 << 10, Cache: 1 << 20})
		if err != nil {
			p.t.Fatalf("cycle %d: %v", c, err)
		}
		for i := range p.acked {
			sh := s.Shard(wire.ShardID(i))
			if acked := p.seen(i, sh.Last()); sh.Last() < acked {
				p.t.Fatalf("cycle %d: %s ends at %d, %d was acknowledged", c, sh.ID(), sh.Last(), acked)
			}
			checkRows(p.t, sh, sh.Last())
		}
		p.work(s)
		checkUsages(p.t, s)
		p.flushes += int64(s.Stats().FlushBytes)
		p.moved += int64(s.moved.Load())
		p.reused += int64(s.reused.Load())
		if err := s.Close(); err != nil {
			p.t.Fatal(err)
		}
		p.fs = p.clone
		if p.t.Failed() {
			return
		}
	}
}

// seen notes what a start has shown to be there, and returns what had to be: it is
// durable now, so if power was lost before, it is not yet promised to what that left
// behind. A table that is being made meanwhile may lose power.
func (p *power) seen(i int, last wire.Seq) (acked wire.Seq) {
	p.mu.Lock()
	defer p.mu.Unlock()
	acked = p.acked[i]
	p.live[i] = last
	if p.clone == nil {
		p.acked[i] = max(acked, last)
	}
	return acked
}

// sync is called before each sync, and may lose power there.
func (p *power) sync() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.syncs++; p.syncs == p.at && p.clone == nil {
		p.inSync++
		p.lose()
	}
}

func (p *power) lose() {
	if p.clone == nil {
		copy(p.acked, p.live)
		p.clone = p.fs.CrashClone(p.keep)
	}
}

// work commits on every shard at once, and loses power somewhere in the middle
// unless that has happened.
func (p *power) work(s *Store) {
	limit, size := 10+p.rng.IntN(50), 1+p.rng.IntN(1200)
	if p.rng.IntN(6) == 0 { // many generations, with far values
		size = 1 + p.rng.IntN(20<<10)
	}
	var wg sync.WaitGroup
	for i := range p.acked {
		wg.Go(func() {
			sh := s.Shard(wire.ShardID(i))
			for n := range limit {
				b := sh.NewBatch(0)
				seq := sh.Last() + 1
				b.Set(Objects, fmt.Appendf(nil, "%08d", seq), rowOf(seq, size>>(seq%4)))
				if size>>(seq%4) >= farValue {
					p.far.Add(1)
				}
				switch { // what is soon replaced leaves files mostly dead
				case seq%7 == 0:
					b.Delete(Mail, []byte("last"))
				case seq%3 == 0:
					b.Set(Mail, []byte("last"), rowOf(seq, size))
				}
				seq, err := sh.Commit(b)
				b.Close()
				if err != nil {
					p.t.Error(err)
					return
				}
				p.mu.Lock()
				p.live[i] = seq
				if i == 0 && n == limit/2 && p.at == 0 {
					p.lose()
				}
				p.mu.Unlock()
			}
		})
	}
	wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose() // there were fewer syncs than that
}

// rowOf returns the value of the row of a commit: its number over and over.
func rowOf(seq wire.Seq, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%08d", seq), 1+size/8)
}

// checkRows reads the row of every commit.
func checkRows(t *testing.T, sh *Shard, n wire.Seq) {
	t.Helper()
	want := wire.Seq(0)
	err := sh.Scan(Objects, nil, nil, func(k, v []byte) (bool, error) {
		if want++; string(k) != fmt.Sprintf("%08d", want) {
			return false, fmt.Errorf("%s: row %q where %d is due", sh.ID(), k, want)
		}
		if len(bytes.ReplaceAll(v, k, nil)) > 0 || len(v) == 0 {
			return false, fmt.Errorf("%s: row %q holds another value: %q", sh.ID(), k, v)
		}
		return true, nil
	})
	if err != nil || want != n {
		t.Fatalf("%s: %d rows of %d, %v", sh.ID(), want, n, err)
	}
	last := n
	for last > 0 && last%3 != 0 && last%7 != 0 {
		last--
	}
	v, ok, err := sh.Get(Mail, []byte("last"))
	if err != nil || ok != (last%7 != 0) || len(bytes.ReplaceAll(v, fmt.Appendf(nil, "%08d", last), nil)) > 0 {
		t.Fatalf("%s: the row that commit %d set last is there: %v, %.40q, %v", sh.ID(), last, ok, v, err)
	}
}

// lazyFS is a disk that forgets to sync the log: what a process has written
// when it is killed is in the page cache only.
type lazyFS struct{ vfs.FS }

func (fs lazyFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return lazyFile{f}, err
}

type lazyFile struct{ vfs.File }

func (lazyFile) SyncData() error { return nil }

// TestSeenIsDurable: what a start has shown is there after a loss of power, too,
// although the process that wrote it was killed before its sync.
func TestSeenIsDurable(t *testing.T) {
	mem := crashfs.New()
	s := open(t, "d", Options{FS: lazyFS{mem}, Shards: 1})
	for n := range 50 {
		put(t, s.Shard(0), Objects, fmt.Sprint(n), "v")
	}
	_ = s.Close()
	s = open(t, "d", Options{FS: mem})
	if s.Shard(0).Last() != 50 {
		t.Fatalf("the page cache has %d commits", s.Shard(0).Last())
	}
	clone := mem.CrashClone(vfs.CrashCloneCfg{})
	if s = open(t, "d", Options{FS: clone}); s.Shard(0).Last() != 50 {
		t.Errorf("%d commits of 50 are durable, and all were shown", s.Shard(0).Last())
	}
}

// TestPowerLossWhileCreating loses power at every sync of the making of a
// directory: the next Open makes it, or finds it whole. Each time it does so
// often, because it is a matter of two names of files: one is kept, and the
// other, which it depends on, is not.
func TestPowerLossWhileCreating(t *testing.T) {
	seed := seed.New(t)
	for n := 0; ; n++ {
		mem := crashfs.New()
		var clones []*crashfs.FS
		syncs := 0
		fs := syncHook{mem, func() {
			if syncs++; syncs != n+1 {
				return
			}
			rng := rand.New(rand.NewPCG(uint64(n), seed))
			for _, percent := range []int{0, 50, 50, 50, 50, 50, 50, 50, 50, 50, rng.IntN(101), 100} {
				clones = append(clones, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
			}
		}}
		_ = open(t, "d", Options{FS: fs, Shards: 2}).Close()
		if clones == nil {
			t.Logf("%d syncs", n)
			return
		}
		for _, clone := range clones {
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
		fs := crashfs.New()
		for range 2 {
			s, err := Open("d", Options{FS: fs, Shards: 2, MemTable: 32 << 10})
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
