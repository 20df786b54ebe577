package simtest

import (
	"github.com/situ-dev/situ/internal/store/crashfs"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// disk keeps the rows of a simulated node's shards, and loses what a real one
// may lose.
type disk interface {
	shard(i int) *store.Shard
	// crash takes the power away while the pending commits are under way: of
	// each, in no order, all or nothing is there afterwards. It returns how
	// many are.
	crash(r *rand.Rand, pending []commit) int
	close()
}

type commit struct {
	shard int
	batch *store.Batch
}

// sharedDisk is a part of a store that many seeds share, a range of shards for
// each: to open one for each seed takes longer than its run. A commit is made
// at the step at which it ends. At a crash the seed decides whether one that
// was under way is there.
type sharedDisk struct {
	st    *store.Store
	first int
}

func (d *sharedDisk) shard(i int) *store.Shard { return d.st.Shard(wire.ShardID(d.first + i)) }

func (d *sharedDisk) crash(r *rand.Rand, pending []commit) (kept int) {
	for _, p := range pending {
		if r.IntN(2) == 0 {
			if _, err := d.shard(p.shard).Commit(p.batch); err != nil {
				panic(err)
			}
			kept++
		}
		p.batch.Close()
	}
	return kept
}

func (d *sharedDisk) close() {}

// sharedShards is how many shards a shared store has. It is opened anew when
// they are used up.
const sharedShards = 256

// sharedStore hands out parts of a store. One goroutine uses it.
//
// Of four stores one writes tables while seeds run on it, and looks rows up in
// them; the others keep all in memory. Below them is the same code, but with
// the race detector Pebble notes a stack trace for each table that an iterator
// opens, which takes three times as long as the seed's own run.
type sharedStore struct {
	t      testing.TB
	st     *store.Store
	used   int
	opened int
}

func (s *sharedStore) disk(shards int) disk {
	if s.st == nil || s.used+shards > sharedShards {
		s.close()
		memtable := int64(256 << 20)
		if s.opened%4 == 0 {
			memtable = 1 << 20
		}
		st, err := store.Open("d", store.Options{FS: vfs.NewMem(), Shards: sharedShards, MemTable: memtable, Cache: 8 << 20})
		if err != nil {
			s.t.Fatal(err)
		}
		s.st, s.used = st, 0
		s.opened++
	}
	s.used += shards
	return &sharedDisk{s.st, s.used - shards}
}

func (s *sharedStore) close() {
	if s.st != nil {
		if err := s.st.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// powerDisk is a store of its own on a file system in memory that loses a
// random share of what was not synced. A crash is a loss of power in the
// middle of a sync.
type powerDisk struct {
	fs     *crashfs.FS
	st     *store.Store
	shards int
	sync   atomic.Pointer[func()] // called before each sync
}

func newPowerDisk(shards int) *powerDisk {
	d := &powerDisk{fs: crashfs.New(), shards: shards}
	d.open()
	return d
}

func (d *powerDisk) open() {
	st, err := store.Open("d", store.Options{FS: &syncFS{d.fs, d}, Shards: d.shards, MemTable: 64 << 10, Cache: 1 << 20})
	if err != nil {
		panic("what was acknowledged cannot be opened: " + err.Error())
	}
	d.st = st
}

func (d *powerDisk) shard(i int) *store.Shard { return d.st.Shard(wire.ShardID(i)) }

func (d *powerDisk) crash(r *rand.Rand, pending []commit) (kept int) {
	r.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	before := make([]wire.Seq, d.shards)
	for i := range before {
		before[i] = d.shard(i).Last()
	}
	torn := r.IntN(len(pending) + 1) // those before are synced, but nobody was told
	keep := vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: rand.New(rand.NewPCG(r.Uint64(), 0))}
	var after atomic.Pointer[crashfs.FS]
	for i, p := range pending {
		if i == torn {
			lose := func() {
				if after.Load() == nil {
					after.Store(d.fs.CrashClone(keep))
				}
			}
			d.sync.Store(&lose)
		}
		if i <= torn {
			if _, err := d.shard(p.shard).Commit(p.batch); err != nil {
				panic(err)
			}
		}
		p.batch.Close()
	}
	d.sync.Store(nil)
	if after.Load() == nil {
		after.Store(d.fs.CrashClone(keep))
	}
	d.close()
	d.fs = after.Load()
	d.open()
	for i, seq := range before {
		kept += int(d.shard(i).Last() - seq)
	}
	return kept
}

func (d *powerDisk) close() { _ = d.st.Close() }

// syncFS calls the disk's hook before each sync of a file.
type syncFS struct {
	vfs.FS
	d *powerDisk
}

func (fs *syncFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.wrap(fs.FS.Create(name, c))
}

func (fs *syncFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return fs.wrap(fs.FS.OpenReadWrite(name, c, o...))
}

func (fs *syncFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.wrap(fs.FS.ReuseForWrite(old, name, c))
}

func (fs *syncFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &syncFile{f, fs.d}, nil
}

type syncFile struct {
	vfs.File
	d *powerDisk
}

func (f *syncFile) Sync() error     { f.hook(); return f.File.Sync() }
func (f *syncFile) SyncData() error { f.hook(); return f.File.SyncData() }

func (f *syncFile) hook() {
	if h := f.d.sync.Load(); h != nil {
		(*h)()
	}
}
