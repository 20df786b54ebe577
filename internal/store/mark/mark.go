// Package mark keeps the high-water marks of a data directory: how far each
// shard's chain of commits, and Pebble's manifest, went at least. Package
// store writes them after each commit and holds the chains against them when
// it opens. The marks never say what is in the database, only what must be.
//
// The file is written in place after each commit and not synced, so that it
// survives the death of the process; after a power loss it may be older than
// the log, and is never newer.
//
// Two slots for each mark alternate, in halves of the file that share no
// 4 KiB page, so a torn write harms one and leaves the one before. All slots
// are written and synced when the directory is made: a mark with no valid
// slot is damage, never "not yet written".
package mark

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/wire"
)

const (
	slotSize = 64
	pageSize = 4096
	// manifest is the Index of the mark of the manifest: seq is its file
	// number, hash the length that was synced.
	manifest = 0xffffffff
)

// slotMagic ends with the version of the format.
var slotMagic = [4]byte{'s', 'h', 'w', 1}

// Mark is the content of a slot.
type Mark struct {
	Index uint32 // the shard, or 0xffffffff for the manifest
	Seq   uint64 // the commit, or the number of the manifest
	Hash  uint64 // of the commit, or the synced length of the manifest
	Store [8]byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errSlot = errors.New("malformed high-water mark")

func (m Mark) encode() (b [slotSize]byte) {
	copy(b[:], slotMagic[:])
	binary.BigEndian.PutUint32(b[4:], m.Index)
	binary.BigEndian.PutUint64(b[8:], m.Seq)
	binary.BigEndian.PutUint64(b[16:], m.Hash)
	copy(b[24:], m.Store[:])
	binary.BigEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func decodeMark(b []byte) (Mark, error) {
	if len(b) != slotSize || [4]byte(b[:4]) != slotMagic ||
		binary.BigEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return Mark{}, errSlot
	}
	for _, c := range b[32:60] {
		if c != 0 {
			return Mark{}, errSlot
		}
	}
	return Mark{
		Index: binary.BigEndian.Uint32(b[4:]),
		Seq:   binary.BigEndian.Uint64(b[8:]),
		Hash:  binary.BigEndian.Uint64(b[16:]),
		Store: [8]byte(b[24:32]),
	}, nil
}

// Marks is the content of the file.
type Marks struct {
	All  []Mark // one for each shard, then the manifest's
	next []int  // half to write next, for each of All
}

// New returns the marks of a new directory. Each slot carries store, so that
// the file of another directory is told.
func New(store [8]byte, shards int) Marks {
	m := Marks{make([]Mark, shards+1), make([]int, shards+1)}
	for i := range m.All {
		m.All[i] = Mark{Index: uint32(i), Store: store}
	}
	m.All[shards].Index = manifest
	return m
}

// Size returns the bytes of the file of a directory with so many shards.
func Size(shards int) int { return 2 * halfSize(shards+1) }

func halfSize(n int) int {
	return (n*slotSize + pageSize - 1) / pageSize * pageSize
}

// Encode returns the whole file, both halves alike.
func (m Marks) Encode() []byte {
	half := halfSize(len(m.All))
	b := make([]byte, 2*half)
	for i, k := range m.All {
		s := k.encode()
		copy(b[i*slotSize:], s[:])
		copy(b[half+i*slotSize:], s[:])
	}
	return b
}

// Decode reads the whole file of the given directory. Where a mark has no
// valid slot, it returns its place in All; otherwise lost is -1.
func Decode(b []byte, store [8]byte, shards int) (m Marks, lost int) {
	m = New(store, shards)
	half := halfSize(len(m.All))
	for i := range m.All {
		found := -1
		for h := range 2 {
			off := h*half + i*slotSize
			if off+slotSize > len(b) {
				continue
			}
			k, err := decodeMark(b[off : off+slotSize])
			if err != nil || k.Index != m.All[i].Index || k.Store != m.All[i].Store {
				continue
			}
			if found < 0 || k.Seq > m.All[i].Seq || (k.Seq == m.All[i].Seq && k.Hash > m.All[i].Hash) {
				m.All[i], found = k, h
			}
		}
		if found < 0 {
			return m, i
		}
		m.next[i] = 1 - found
	}
	return m, -1
}

// Guard writes the marks. Its methods may be called by any goroutine.
type Guard struct {
	mu     sync.Mutex
	f      vfs.File
	m      Marks
	fail   func(error) // told of the first failed write
	failed bool
	// The manifest in use, and how much of each manifest is synced.
	using  uint64
	synced map[uint64]int64
}

// NewGuard writes to f, which holds m, and closes it in the end. fail is told
// of the first write that failed.
func NewGuard(f vfs.File, m Marks, fail func(error)) *Guard {
	g := &Guard{f: f, m: m, fail: fail, synced: map[uint64]int64{}}
	g.using = m.All[len(m.All)-1].Seq
	return g
}

// Commit notes that a commit of a shard is durable.
func (g *Guard) Commit(s wire.ShardID, seq wire.Seq, hash uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(int(s), uint64(seq), hash)
}

// manifestSynced notes that the first n bytes of a manifest are durable.
func (g *Guard) manifestSynced(num uint64, n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.synced[num] = n
	if num == g.using {
		g.put(len(g.m.All)-1, num, uint64(n))
	}
}

// ManifestUsed notes that Pebble's marker durably names a manifest. Until
// then a power loss may bring back the one before.
func (g *Guard) ManifestUsed(num uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.using = num
	for k := range g.synced {
		if k < num {
			delete(g.synced, k)
		}
	}
	g.put(len(g.m.All)-1, num, uint64(g.synced[num]))
}

// put writes one mark over the older of its two slots. A failure leaves the
// mark older than the commit, which is legal, so it is told and not fatal.
func (g *Guard) put(i int, seq, hash uint64) {
	if g.f == nil {
		return
	}
	k := &g.m.All[i]
	k.Seq, k.Hash = seq, hash
	b := k.encode()
	off := g.m.next[i]*halfSize(len(g.m.All)) + i*slotSize
	g.m.next[i] = 1 - g.m.next[i]
	if _, err := g.f.WriteAt(b[:], int64(off)); err != nil && !g.failed {
		g.failed = true
		g.fail(fmt.Errorf("write high-water mark: %w", err))
	}
}

// Marks returns the marks as last written.
func (g *Guard) Marks() Marks {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.m
}

// Sync makes the marks written so far durable.
func (g *Guard) Sync() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.f.Sync()
}

// Close syncs and closes the file. It may be called twice.
func (g *Guard) Close() error {
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
