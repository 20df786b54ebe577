package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/wire"
)

// The high-water marks: how far each shard's chain, and Pebble's manifest,
// went at least. The file is written in place after each commit and not
// synced, so that it survives the death of the process; after a power loss
// it may be older than the log, and is never newer.
//
// Two slots for each mark alternate, in halves of the file that share no
// 4 KiB page, so a torn write harms one and leaves the one before. All slots
// are written and synced when the directory is made: a mark with no valid
// slot is damage, never "not yet written".

const (
	hwmFile  = "situ.hwm"
	slotSize = 64
	pageSize = 4096
	// manifestMark is the index of the mark of the manifest: seq is its file
	// number, hash the length that was synced.
	manifestMark = 0xffffffff
)

// slotMagic ends with the version of the format.
var slotMagic = [4]byte{'s', 'h', 'w', 1}

// mark is the content of a slot.
type mark struct {
	index uint32 // the shard, or manifestMark
	seq   uint64
	hash  uint64
	store [8]byte // identity.short
}

var errSlot = errors.New("malformed high-water mark")

func (m mark) encode() (b [slotSize]byte) {
	copy(b[:], slotMagic[:])
	binary.BigEndian.PutUint32(b[4:], m.index)
	binary.BigEndian.PutUint64(b[8:], m.seq)
	binary.BigEndian.PutUint64(b[16:], m.hash)
	copy(b[24:], m.store[:])
	binary.BigEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func decodeMark(b []byte) (mark, error) {
	if len(b) != slotSize || [4]byte(b[:4]) != slotMagic ||
		binary.BigEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return mark{}, errSlot
	}
	for _, c := range b[32:60] {
		if c != 0 {
			return mark{}, errSlot
		}
	}
	return mark{
		index: binary.BigEndian.Uint32(b[4:]),
		seq:   binary.BigEndian.Uint64(b[8:]),
		hash:  binary.BigEndian.Uint64(b[16:]),
		store: [8]byte(b[24:32]),
	}, nil
}

// marks is the content of the file: one mark a shard, then the manifest's.
type marks struct {
	all  []mark
	next []int // half to write next, for each of all
}

func newMarks(id identity) marks {
	m := marks{make([]mark, id.Shards+1), make([]int, id.Shards+1)}
	for i := range m.all {
		m.all[i] = mark{index: uint32(i), store: id.short()}
	}
	m.all[id.Shards].index = manifestMark
	return m
}

func halfSize(marks int) int {
	return (marks*slotSize + pageSize - 1) / pageSize * pageSize
}

// encode returns the whole file, both halves alike.
func (m marks) encode() []byte {
	half := halfSize(len(m.all))
	b := make([]byte, 2*half)
	for i, k := range m.all {
		s := k.encode()
		copy(b[i*slotSize:], s[:])
		copy(b[half+i*slotSize:], s[:])
	}
	return b
}

// decodeMarks reads the whole file of a directory with the given identity.
func decodeMarks(b []byte, id identity) (marks, *Problem) {
	m := newMarks(id)
	half := halfSize(len(m.all))
	for i := range m.all {
		found := -1
		for h := range 2 {
			off := h*half + i*slotSize
			if off+slotSize > len(b) {
				continue
			}
			k, err := decodeMark(b[off : off+slotSize])
			if err != nil || k.index != m.all[i].index || k.store != m.all[i].store {
				continue
			}
			if found < 0 || k.seq > m.all[i].seq || (k.seq == m.all[i].seq && k.hash > m.all[i].hash) {
				m.all[i], found = k, h
			}
		}
		if found < 0 {
			p := &Problem{Shard: i, What: "no readable high-water mark: the file is damaged or of another directory", Do: doAccept}
			if i == len(m.all)-1 {
				p.Shard = NoShard
			}
			return m, p
		}
		m.next[i] = 1 - found
	}
	return m, nil
}

// guard writes the marks. Its methods may be called by any goroutine.
type guard struct {
	mu     sync.Mutex
	f      vfs.File
	m      marks
	fail   func(error) // told of the first failed write
	failed bool
	// The manifest in use, and how much of each manifest is synced.
	manifest uint64
	synced   map[uint64]int64
}

func newGuard(f vfs.File, m marks, fail func(error)) *guard {
	g := &guard{f: f, m: m, fail: fail, synced: map[uint64]int64{}}
	g.manifest = m.all[len(m.all)-1].seq
	return g
}

// commit notes that a commit of a shard is durable.
func (g *guard) commit(s wire.ShardID, seq wire.Seq, hash uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(int(s), uint64(seq), hash)
}

// manifestSynced notes that the first n bytes of a manifest are durable.
func (g *guard) manifestSynced(num uint64, n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.synced[num] = n
	if num == g.manifest {
		g.put(len(g.m.all)-1, num, uint64(n))
	}
}

// manifestUsed notes that Pebble's marker durably names a manifest. Until
// then a power loss may bring back the one before.
func (g *guard) manifestUsed(num uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.manifest = num
	for k := range g.synced {
		if k < num {
			delete(g.synced, k)
		}
	}
	g.put(len(g.m.all)-1, num, uint64(g.synced[num]))
}

// put writes one mark over the older of its two slots. A failure leaves the
// mark older than the commit, which is legal, so it is told and not fatal.
func (g *guard) put(i int, seq, hash uint64) {
	if g.f == nil {
		return
	}
	k := &g.m.all[i]
	k.seq, k.hash = seq, hash
	b := k.encode()
	off := g.m.next[i]*halfSize(len(g.m.all)) + i*slotSize
	g.m.next[i] = 1 - g.m.next[i]
	if _, err := g.f.WriteAt(b[:], int64(off)); err != nil && !g.failed {
		g.failed = true
		g.fail(fmt.Errorf("write high-water mark: %w", err))
	}
}

func (g *guard) sync() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.f.Sync()
}

func (g *guard) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.f == nil {
		return nil
	}
	err := g.f.Sync()
	if e := g.f.Close(); err == nil {
		err = e
	}
	g.f = nil
	return err
}

// readMarks reads the file; a nil problem with missing false is a good one.
func readMarks(fs vfs.FS, path string, id identity) (m marks, missing bool, p *Problem, err error) {
	b, err := readFile(fs, path, int64(2*halfSize(id.Shards+1)))
	switch {
	case notExist(err):
		return newMarks(id), true, nil, nil
	case err != nil && err != io.EOF:
		return m, false, nil, err
	}
	m, p = decodeMarks(b, id)
	if p != nil {
		p.File = path
	}
	return m, false, p, nil
}
