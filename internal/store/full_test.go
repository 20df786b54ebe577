package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/seed"
	"github.com/situ-dev/situ/internal/store/crashfs"
	"github.com/situ-dev/situ/internal/store/space"
	"github.com/situ-dev/situ/internal/wire"
)

// smallDisk is a disk with an end: what does not fit is refused with ENOSPC,
// after the part of it that fits, and deleting gives room.
type smallDisk struct {
	*crashfs.FS
	size uint64

	mu      sync.Mutex
	files   map[string]uint64
	used    uint64 // by files
	foreign uint64 // by others
	tables  int    // how many files of tables were begun
}

const maxTables = 5000 // on one disk; no test needs a tenth of it

func newSmallDisk(mem *crashfs.FS, size uint64) *smallDisk {
	return &smallDisk{FS: mem, size: size, files: map[string]uint64{}}
}

// take gives n more bytes to a file, or as many as there are.
func (d *smallDisk) take(name string, n uint64) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	free := d.size - min(d.size, d.used+d.foreign)
	got := min(n, free)
	d.files[name] += got
	d.used += got
	if got < n {
		return got, syscall.ENOSPC
	}
	return n, nil
}

// fill has others take all but left bytes; a negative left gives all back.
func (d *smallDisk) fill(left int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.foreign = 0
	if left >= 0 && d.used+uint64(left) < d.size {
		d.foreign = d.size - d.used - uint64(left)
	}
}

func (d *smallDisk) begun() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tables
}

func (d *smallDisk) grow() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size *= 2
}

func (d *smallDisk) drop(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.used -= d.files[name]
	delete(d.files, name)
}

func (d *smallDisk) move(old, name string) {
	d.drop(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[name] = d.files[old]
	delete(d.files, old)
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return vfs.DiskUsage{AvailBytes: d.size - min(d.size, d.used+d.foreign), TotalBytes: d.size}, nil
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	d.drop(name)
	if strings.HasSuffix(name, ".sst") {
		d.mu.Lock()
		if d.tables++; d.tables > maxTables {
			d.foreign = 0 // the test has failed, and ends
		}
		d.mu.Unlock()
	}
	if _, err := d.take(name, 256); err != nil { // what a directory and an inode take
		d.drop(name)
		return nil, err
	}
	f, err := d.FS.Create(name, c)
	return &smallFile{File: f, d: d, name: name}, err
}

func (d *smallDisk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	d.move(old, name)
	f, err := d.FS.ReuseForWrite(old, name, c)
	return &smallFile{File: f, d: d, name: name}, err
}

func (d *smallDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, o...)
	return &smallFile{File: f, d: d, name: name}, err
}

// Link moves what a file takes to its new name: the old one goes.
func (d *smallDisk) Link(old, name string) error {
	err := d.FS.Link(old, name)
	if err == nil {
		d.move(old, name)
	}
	return err
}

func (d *smallDisk) Rename(old, name string) error {
	d.move(old, name)
	return d.FS.Rename(old, name)
}

func (d *smallDisk) Remove(name string) error {
	err := d.FS.Remove(name)
	if err == nil {
		d.drop(name)
	}
	return err
}

type smallFile struct {
	vfs.File
	d    *smallDisk
	name string
	at   uint64
}

// room takes what a file needs to be end bytes long, and returns how many of
// the last n of them there is room for.
func (f *smallFile) room(end, n uint64) (uint64, error) {
	end += 256
	f.d.mu.Lock()
	have := f.d.files[f.name]
	f.d.mu.Unlock()
	if end <= have {
		return n, nil
	}
	got, err := f.d.take(f.name, end-have)
	return n - min(n, end-have-got), err
}

func (f *smallFile) Write(p []byte) (int, error) {
	n, err := f.room(f.at+uint64(len(p)), uint64(len(p)))
	m, e := f.File.Write(p[:n])
	f.at += uint64(m)
	return m, errors.Join(e, err)
}

func (f *smallFile) WriteAt(p []byte, at int64) (int, error) {
	n, err := f.room(uint64(at)+uint64(len(p)), uint64(len(p)))
	m, e := f.File.WriteAt(p[:n], at)
	return m, errors.Join(e, err)
}

func (f *smallFile) Preallocate(off, n int64) error {
	_, err := f.room(uint64(off+n), uint64(n))
	return err
}

const minFree = 800 << 10

// TestNothingKeptOnAFullDisk: the file that is kept to be written over goes when there is
// little room, and before anybody is refused.
func TestNothingKeptOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newSmallDisk(crashfs.New(), 8<<20)
		s := open(t, "d", fullOptions(disk))
		for i := range 4 {
			put(t, s.Shard(0), Objects, "key", strings.Repeat(fmt.Sprint(i), 20_000))
			s.startFlush()
			idle(s)
		}
		time.Sleep(time.Second) // virtual: the room is looked at now and then
		kept := s.Stats().DiskSize
		if _, err := disk.Stat("d/" + space.Kept); err != nil {
			t.Fatalf("nothing is kept: %v", err)
		}
		disk.fill(minFree - 10_000)
		time.Sleep(time.Second)
		if err := s.Writable(); err != nil {
			t.Errorf("new work is refused, with room to give: %v", err)
		}
		if _, err := disk.Stat("d/" + space.Kept); err == nil {
			t.Error("a file is kept to be written over on a disk that is full")
		}
		if now := s.Stats().DiskSize; now >= kept {
			t.Errorf("the size was %d bytes, and is %d without the file", kept, now)
		}
	})
}

func fullOptions(fs vfs.FS) Options {
	return Options{FS: fs, Shards: 1, MemTable: 64 << 10, Cache: 1 << 20, MinFree: minFree}
}

func TestStartOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newSmallDisk(crashfs.New(), 3<<20)
		o := fullOptions(disk)
		s := open(t, "d", o)
		n := 0
		for ; s.Writable() == nil; n++ {
			put(t, s.Shard(0), Objects, fmt.Sprintf("%08d", n), string(imageValue(0, wire.Seq(n))))
			time.Sleep(20 * time.Millisecond)
		}
		_ = s.Close()
		disk.fill(0)
		s = open(t, "d", o)
		if err := s.Writable(); !fault.Is(err, fault.Full) {
			t.Fatalf("on a disk without a free byte: %v", err)
		}
		if got := rows(t, s.Shard(0), false, Objects, nil, nil); len(got) != n {
			t.Errorf("%d of %d rows", len(got), n)
		}
		put(t, s.Shard(0), Meta, "work under way", "may finish")
		disk.fill(-1)
		disk.grow()
		time.Sleep(5 * time.Second)
		if err := s.Writable(); err != nil {
			t.Errorf("5 s after there is room: %v", err)
		}
		put(t, s.Shard(0), Meta, "k", "v")
		if _, err := disk.Stat("d/" + space.File); err != nil {
			t.Errorf("the reserve is not made again: %v", err)
		}
	})
}

// TestFullDiskIsQuiet has a minute pass on a full disk while a table of the log
// and compactions find no room: Pebble would begin them again at once, for ever.
func TestFullDiskIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newSmallDisk(crashfs.New(), 3<<20)
		s := open(t, "d", fullOptions(disk))
		n := 0
		write := func() {
			put(t, s.Shard(0), Objects, fmt.Sprintf("%08d", n%100), string(imageValue(0, wire.Seq(n))))
			n++
		}
		for range 300 {
			write()
			time.Sleep(time.Millisecond)
		}
		disk.fill(0)
		for range 120 { // more than a memtable, and less than the reserve
			write()
		}
		before := disk.begun()
		time.Sleep(time.Minute)
		if n := disk.begun() - before; n > 100 {
			t.Errorf("%d tables were begun in a minute on a full disk", n)
		}
		disk.fill(-1)
		_ = s.Close()
	})
}

// TestEndOfTheDisk has others fill the disk to its last byte, at 50 points,
// while commits go on that were admitted before: nothing fails, commits wait
// when even the reserve is used up, reads go on, and all resumes by itself when
// there is room. Half of the disks lose power in that state, and are opened
// full: that succeeds, or says that the disk is full and changes nothing.
func TestEndOfTheDisk(t *testing.T) {
	seed := seed.New(t)
	var waited, refused atomic.Int64
	var group sync.WaitGroup
	room := make(chan struct{}, 12) // they mostly wait
	for point := range 50 {
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			rng := rand.New(rand.NewPCG(seed, uint64(point)))
			mem := crashfs.New()
			e := &end{t: t, point: point, disk: newSmallDisk(mem, 6<<20), rng: rng}
			if e.s = e.open(); e.s == nil {
				return
			}
			waited.Add(e.fill())
			if point%2 == 0 {
				e.resume()
				return
			}
			e.mu.Lock()
			acked := e.acked
			e.mu.Unlock()
			clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			refused.Add(e.reopen(clone, acked))
		})
	}
	group.Wait()
	t.Logf("50 disks full to the last byte: in %d commits had to wait, %d of 25 were refused by a start until there was room",
		waited.Load(), refused.Load())
	if waited.Load() < 5 || refused.Load() == 25 {
		t.Error("hardly a commit had to wait, or hardly a start went well: the test does not see what it is for")
	}
}

type end struct {
	t     *testing.T
	point int
	disk  *smallDisk
	rng   *rand.Rand
	s     *Store
	done  sync.WaitGroup
	mu    sync.Mutex
	acked wire.Seq
	total int
	over  bool // an error is no surprise any more
}

func (e *end) errorf(format string, args ...any) {
	e.t.Helper()
	e.t.Errorf("point %d: %s", e.point, fmt.Sprintf(format, args...))
}

// open opens the directory; nil is a failure of the test.
func (e *end) open() *Store {
	s, err := Open("d", e.options())
	if err != nil {
		e.errorf("Open: %v", err)
	}
	return s
}

// until waits for what must come. That it comes within 5 s is looked at in
// virtual time; here many disks share a processor that may be busy.
func (e *end) until(what string, f func() bool) {
	e.t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			e.errorf("%s: not after a minute: %v", what, e.s.Writable())
			return
		}
	}
}

func (e *end) options() Options {
	o := fullOptions(e.disk)
	o.Fatal = func(err error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !e.over {
			e.errorf("fatal: %v", err)
		}
	}
	return o
}

// fill commits, has others fill the disk on the way, and returns 1 if commits
// wait in the end.
func (e *end) fill() (waits int64) {
	at := 20 + 5*e.point
	e.total = at + []int{10, 100, 900}[e.point%3] // many need more than the reserve
	sh := e.s.Shard(0)
	filled := make(chan struct{})
	e.done.Go(func() {
		for n := range e.total {
			if n == at {
				e.disk.fill(e.rng.IntN(64 << 10))
				close(filled)
			}
			b := sh.NewBatch(0)
			b.Set(Objects, fmt.Appendf(nil, "%08d", sh.Last()+1), imageValue(0, sh.Last()+1))
			seq, err := sh.Commit(b)
			b.Close()
			e.mu.Lock()
			if err == nil {
				e.acked = seq
			} else if !e.over {
				e.errorf("commit: %v", err)
			}
			e.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	<-filled
	e.until("Writable refuses", func() bool { return fault.Is(e.s.Writable(), fault.Full) })
	// All are committed, or nothing moves any more.
	last, since := wire.Seq(0), time.Now()
	e.until("an end", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.acked != last {
			last, since = e.acked, time.Now()
		}
		return e.acked == wire.Seq(e.total) || time.Since(since) > 4*lookTwice
	})
	if last < wire.Seq(e.total) {
		waits = 1
	}
	e.all(e.s, last)
	return waits
}

// lookTwice is the time in which a write that waits has tried again.
const lookTwice = 40 * time.Millisecond

// all looks whether all that was acknowledged is there.
func (e *end) all(s *Store, acked wire.Seq) {
	e.t.Helper()
	var seq wire.Seq
	err := s.Shard(0).Scan(Objects, nil, nil, func(k, v []byte) (bool, error) {
		if seq++; string(k) != fmt.Sprintf("%08d", seq) || !bytes.Equal(v, imageValue(0, seq)) {
			return false, fmt.Errorf("row %q has %d bytes", k, len(v))
		}
		return true, nil
	})
	if err != nil || seq < acked {
		e.errorf("commit %d of %d: %v", seq, acked, err)
	}
}

// resume gives room.
func (e *end) resume() {
	e.disk.fill(-1)
	e.until("Writable after there is room", func() bool { return e.s.Writable() == nil })
	e.done.Wait()
	e.all(e.s, wire.Seq(e.total))
	if err := e.s.Close(); err != nil {
		e.errorf("Close: %v", err)
	}
	if s := e.open(); s != nil {
		e.all(s, wire.Seq(e.total))
		_ = s.Close()
	}
}

// reopen opens what a loss of power left, on the full disk, and returns 1 if
// that was refused.
func (e *end) reopen(clone *crashfs.FS, acked wire.Seq) (refused int64) {
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
	e.disk.fill(-1)
	e.done.Wait()
	_ = e.s.Close()
	e.disk = newSmallDisk(clone, 6<<20)
	e.disk.adopt("d")
	e.disk.fill(0)
	s, err := Open("d", e.options())
	if err != nil {
		if refused = 1; !fault.Is(err, fault.Full) {
			e.errorf("on a full disk: %v", err)
		}
		e.disk.fill(-1)
		if s = e.open(); s == nil {
			return refused
		}
	} else if err := s.Writable(); !fault.Is(err, fault.Full) {
		e.errorf("started on a full disk, Writable says %v", err)
	}
	e.all(s, acked)
	if err := s.Close(); err != nil && refused == 1 {
		e.errorf("Close: %v", err)
	}
	return refused
}

// adopt counts the files that are there.
func (d *smallDisk) adopt(dir string) {
	names, _ := d.List(dir)
	for _, name := range names {
		path := d.PathJoin(dir, name)
		info, err := d.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			d.adopt(path)
		case name == space.File:
			_, _ = d.take(path, minFree/4)
		default:
			_, _ = d.take(path, uint64(info.Size())+256)
		}
	}
}
