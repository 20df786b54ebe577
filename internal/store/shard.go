package store

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/problem"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// Shard is the view of one shard's rows. Reads may come from any goroutine;
// commits from one at a time.
type Shard struct {
	s      *Store
	id     wire.ShardID
	last   atomic.Uint64 // the last durable commit
	layers atomic.Pointer[layers]

	mu   sync.Mutex // commits one at a time, whoever calls
	hash uint64     // of last
	held int64      // bytes of layers.now, as far as Store.unflushed knows
	err  error      // the first failure: a writer stops for good
}

// layers is where the newest rows of a shard are, before they are in tables.
type layers struct {
	now    *memtable.Table // takes commits
	frozen *memtable.Table // becomes tables; nil: none does
}

// ID returns the shard's number.
func (sh *Shard) ID() wire.ShardID { return sh.id }

// Last returns the sequence of the last durable commit; 0 is none.
func (sh *Shard) Last() wire.Seq { return wire.Seq(sh.last.Load()) }

// NewBatch returns an empty batch for this shard, with room for about that many
// bytes. Close it in the end.
func (sh *Shard) NewBatch(size int) *Batch {
	return &Batch{sh: sh, buf: sh.s.newBuf(size)}
}

// Commit makes the batch durable and returns its sequence, one more than
// the last. It returns only when the batch is synced. Commits of many shards
// at once share their syncs. After the first error each later call returns
// the same error: what is on disk is then known only by opening anew. A
// batch that cannot be committed at all (closed, used, another shard's, with a
// range that could not be read, of more than 1 GiB or with a key of 16 MiB) is
// refused without that.
func (sh *Shard) Commit(b *Batch) (wire.Seq, error) {
	if b.buf == nil || b.done || b.sh != sh {
		return 0, fault.New(fault.Internal, opCommit, sh.id.String(), "the batch is closed, was committed, or is another shard's")
	}
	if err := b.expand(); err != nil {
		return 0, err
	}
	if err := sh.fits(b.Len()); err != nil {
		return 0, err
	}
	if err := sh.s.enter(); err != nil {
		return 0, err
	}
	defer sh.s.leave()
	sh.s.throttle()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.err != nil {
		return 0, sh.err
	}
	b.done = true
	seq, err := sh.commit(b)
	if err != nil {
		sh.err = fault.Wrap(fault.Internal, opCommit, sh.id.String(), err)
		return 0, sh.err
	}
	return seq, nil
}

// fits refuses a commit that a start could not read.
func (sh *Shard) fits(size int) error {
	if size > wal.MaxBody {
		return fault.New(fault.Invalid, opCommit, sh.id.String(), "a commit has %d bytes, at most %d are allowed", size, wal.MaxBody)
	}
	return nil
}

func (sh *Shard) commit(b *Batch) (wire.Seq, error) {
	s := sh.s
	if err := s.broken(); err != nil {
		return 0, err
	}
	r := wal.Record{Shard: sh.id, Seq: sh.Last() + 1, Prev: sh.hash}
	p := b.buf[wal.HeadSize:]
	r.Hash = wal.Link(r.Prev, r.Shard, r.Seq, p)
	number, at, err := s.wal.Append(&r, b.buf)
	if err != nil {
		return 0, err
	}
	now := sh.layers.Load().now
	if err := body.Insert(now, p, number, at); err != nil {
		return 0, err // our own bytes
	}
	sh.hash = r.Hash
	sh.last.Store(uint64(r.Seq))
	s.guard.Commit(sh.id, r.Seq, r.Hash)
	s.commits.Add(1)
	s.bytes.Add(uint64(len(p)))
	s.grown(sh.weigh(), int64(wal.HeadSize+len(p)))
	return r.Seq, nil
}

// weigh returns by how many bytes the memtable has grown since the last time. It
// is asked for its whole size, which changes with a walk, too.
func (sh *Shard) weigh() int64 {
	was := sh.held
	sh.held = sh.layers.Load().now.Size()
	return sh.held - was
}

// Get returns a copy of the value of key in table t, and whether it is
// there. Damage is an error of kind Corrupt.
func (sh *Shard) Get(t Table, key []byte) ([]byte, bool, error) {
	if err := sh.s.enter(); err != nil {
		return nil, false, err
	}
	defer sh.s.leave()
	var buf [128]byte
	full := layout.AppendKey(buf[:0], sh.id, t, key)
	for try := 1; ; try++ {
		v, ok, err := sh.get(full)
		if errors.Is(err, far.ErrMoved) && try < maxMoves {
			continue
		}
		return v, ok, sh.readErr(opRead, err)
	}
}

// maxMoves is how often a Get finds that a value has moved just then, before it
// says that the file is missing.
const maxMoves = 100

func (sh *Shard) get(full []byte) ([]byte, bool, error) {
	l := sh.layers.Load()
	for _, m := range []*memtable.Table{l.now, l.frozen} {
		if m == nil {
			continue
		}
		if kind, v, ok := m.Get(full[layout.ShardLen:]); ok {
			if kind == memtable.Delete {
				return nil, false, nil
			}
			v, err := sh.s.copy(kind, v)
			return v, err == nil, err
		}
	}
	v, c, err := sh.s.db.Get(full)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	kind, v, err := body.SplitRow(v)
	if err == nil {
		v, err = sh.s.copy(kind, v)
	}
	if e := c.Close(); err == nil {
		err = e
	}
	return v, err == nil, err
}

// Scan calls fn for each row of [from, to) of table t, ascending, as of the
// moment it was called, until fn returns false or an error, which it
// returns. A nil to is the end of the table. The slices are valid during fn
// only. fn may read and commit.
func (sh *Shard) Scan(t Table, from, to []byte, fn func(key, value []byte) (more bool, err error)) error {
	return sh.scan(t, from, to, false, fn)
}

// ScanReverse is Scan, descending: from the greatest key under to, down to
// from.
func (sh *Shard) ScanReverse(t Table, from, to []byte, fn func(key, value []byte) (more bool, err error)) error {
	return sh.scan(t, from, to, true, fn)
}

func (sh *Shard) scan(t Table, from, to []byte, reverse bool, fn func(key, value []byte) (bool, error)) (err error) {
	i, err := sh.walk(t, from, to, reverse)
	if err != nil {
		return err
	}
	defer func() {
		if e := i.close(); err == nil {
			err = e
		}
	}()
	for i.next() {
		more, err := fn(i.key(), i.value)
		if err != nil || !more {
			return err
		}
	}
	return i.err
}

// readErr gives a failed read its kind, and the name of the damaged file.
func (sh *Shard) readErr(op string, err error) error {
	if err == nil {
		return nil
	}
	on := sh.id.String()
	if p := sh.s.damaged.Load(); p != nil && pebble.IsCorruptionError(err) {
		on += " file " + *p
	}
	return problem.Classify(fault.Internal, op, on, err)
}
