package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Shard is the view of one shard's rows. Reads may come from any goroutine;
// commits from one at a time.
type Shard struct {
	s    *Store
	id   wire.ShardID
	last atomic.Uint64 // the last durable commit
	free atomic.Uint64 // links up to here are in tables, not only in the log

	mu   sync.Mutex // commits one at a time, whoever calls
	hash uint64     // of last
	keep wire.Seq   // lowest link kept
	err  error      // the first failure: a writer stops for good
}

// ID returns the shard's number.
func (sh *Shard) ID() wire.ShardID { return sh.id }

// Last returns the sequence of the last durable commit; 0 is none.
func (sh *Shard) Last() wire.Seq { return wire.Seq(sh.last.Load()) }

// NewBatch returns an empty batch for this shard, with room for about that many
// bytes. Close it in the end.
func (sh *Shard) NewBatch(size int) *Batch {
	return &Batch{shard: sh.id, b: sh.s.db.NewBatchWithSize(size)}
}

// Commit makes the batch durable and returns its sequence, one more than
// the last. It returns only when the batch is synced. Commits of many shards
// at once share their syncs. After the first error each later call returns
// the same error: what is on disk is then known only by opening anew. A
// batch that cannot be committed at all (closed, used, another shard's) is
// refused without that.
func (sh *Shard) Commit(b *Batch) (wire.Seq, error) {
	if b.b == nil || b.done || b.shard != sh.id {
		return 0, fault.New(fault.Internal, opCommit, sh.id.String(), "the batch is closed, was committed, or is of %s", b.shard)
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.err != nil {
		return 0, sh.err
	}
	if err := sh.s.enter(); err != nil {
		return 0, err
	}
	defer sh.s.leave()
	b.done = true
	seq := sh.Last() + 1
	next := sh.seal(b, seq)
	size := b.Len()
	if err := sh.apply(b); err != nil {
		sh.err = fault.Wrap(fault.Internal, opCommit, sh.id.String(), err)
		return 0, sh.err
	}
	sh.hash, sh.keep = next.hash, next.first
	sh.last.Store(uint64(seq))
	sh.s.guard.Commit(sh.id, seq, next.hash)
	sh.s.commits.Add(1)
	sh.s.bytes.Add(uint64(size))
	return seq, nil
}

// seal adds the link of this commit to its batch. Links are dropped only
// when Pebble has dropped the log that held them, so a lost log always shows
// as a gap, however many commits it held.
func (sh *Shard) seal(b *Batch, seq wire.Seq) link {
	l := link{
		first: sh.keep,
		prev:  sh.hash,
		hash:  linkHash(sh.hash, sh.id, seq, b.b.Repr()[batchHeader:]),
	}
	to := wire.Seq(sh.free.Load()) + 1
	if seq > keepLinks {
		to = min(to, seq-keepLinks+1)
	} else {
		to = 0
	}
	if to >= sh.keep+keepLinks {
		l.first = to
	}
	b.link(seq, l, sh.keep)
	return l
}

// batchHeader is what Pebble puts before the operations: its own sequence
// number, set at commit, and a count.
const batchHeader = 12

// apply syncs the batch. Pebble ends the process when a sync fails; where
// Options.Fatal returns nevertheless, Apply would claim success, and a later
// one would panic.
func (sh *Shard) apply(b *Batch) (err error) {
	if err := sh.s.broken(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("pebble panicked: %v", r)
			sh.s.fatal(err)
		}
	}()
	if err := sh.s.db.Apply(b.b, pebble.Sync); err != nil {
		return err
	}
	return sh.s.broken()
}

// Get returns a copy of the value of key in table t, and whether it is
// there. Damage is an error of kind Corrupt.
func (sh *Shard) Get(t Table, key []byte) ([]byte, bool, error) {
	if err := sh.s.enter(); err != nil {
		return nil, false, err
	}
	defer sh.s.leave()
	v, c, err := sh.s.db.Get(rowKey(sh.id, t, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, sh.readErr(opRead, err)
	}
	out := make([]byte, len(v))
	copy(out, v)
	return out, true, sh.readErr(opRead, c.Close())
}

// Scan calls fn for each row of [from, to) of table t, ascending, as of the
// moment it was called, until fn returns false or an error, which it
// returns. A nil to is the end of the table. The slices are valid during fn
// only. fn may read and commit.
func (sh *Shard) Scan(t Table, from, to []byte, fn func(key, value []byte) (more bool, err error)) error {
	return sh.scan(t, from, to, fn, (*pebble.Iterator).First, (*pebble.Iterator).Next)
}

// ScanReverse is Scan, descending: from the greatest key under to, down to
// from.
func (sh *Shard) ScanReverse(t Table, from, to []byte, fn func(key, value []byte) (more bool, err error)) error {
	return sh.scan(t, from, to, fn, (*pebble.Iterator).Last, (*pebble.Iterator).Prev)
}

func (sh *Shard) scan(t Table, from, to []byte, fn func(key, value []byte) (bool, error),
	start, step func(*pebble.Iterator) bool) (err error) {
	i, err := sh.Iter(t, from, to)
	if err != nil {
		return err
	}
	defer func() {
		if e := i.Close(); err == nil {
			err = e
		}
	}()
	for ok := start(i.it); ok; ok = step(i.it) {
		more, err := fn(i.Key(), i.Value())
		if err != nil || !more {
			return err
		}
	}
	return sh.readErr(opRead, i.it.Error())
}

// Iter returns a walk over the rows of [from, to) of table t as of now,
// before the first of them. A nil to is the end of the table. Close it.
func (sh *Shard) Iter(t Table, from, to []byte) (*Iter, error) {
	if err := sh.s.enter(); err != nil {
		return nil, err
	}
	lo, hi := bounds(sh.id, t, from, to)
	it, err := sh.s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		sh.s.leave()
		return nil, sh.readErr(opRead, err)
	}
	return &Iter{sh: sh, t: t, it: it, seek: lo}, nil
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
	return classify(fault.Internal, op, on, err)
}
