package store

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/merge"
)

// Iter walks a range of a table upwards, as it was when the Iter was made.
// One goroutine uses it. An open Iter holds disk space and keeps the store
// from closing: close it soon.
type Iter struct {
	sh      *Shard
	t       Table
	m       *merge.Walk
	from    []byte // full key at which the walk begins; nil: it has begun
	reverse bool
	epoch   uint64
	value   []byte
	buf     []byte // of a far value
	done    bool
	err     error
}

// iter makes a walk. The rows are those of one moment: between looking at
// the memtables and at the tables, none may have become tables.
func (sh *Shard) iter(t Table, from, to []byte, reverse bool) (*Iter, error) {
	if err := sh.s.enter(); err != nil {
		return nil, err
	}
	lo, hi := layout.Bounds(sh.id, t, from, to)
	i := &Iter{sh: sh, t: t, from: lo, reverse: reverse, epoch: sh.s.files.Enter()}
	for {
		l := sh.layers.Load()
		m := merge.New(reverse)
		for _, mem := range []*memtable.Table{l.now, l.frozen} {
			if mem != nil && mem.Rows() > 0 {
				m.Memtable(mem, lo, hi)
			}
		}
		if sh.s.between != nil {
			sh.s.between()
		}
		it, err := sh.s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
		if err != nil {
			sh.s.files.Leave(i.epoch)
			sh.s.leave()
			return nil, sh.readErr(opRead, err)
		}
		if sh.layers.Load() != l {
			_ = it.Close() // the next one is newer
			continue
		}
		m.Tables(it)
		i.m = m
		return i, nil
	}
}

// Next moves to the next row, or to the first one after Iter or SeekGE.
// It returns false at the end and on an error; see Err.
func (i *Iter) Next() bool {
	if i.done || i.err != nil {
		return false
	}
	if i.from != nil {
		i.m.Start(i.from)
		i.from = nil
	} else {
		i.m.Step()
	}
	for ; i.m.Valid(); i.m.Step() {
		kind, v, err := i.m.Row()
		if err == nil && kind == memtable.Delete {
			continue
		}
		if err == nil {
			if v, err = i.sh.s.value(i.buf[:0], kind, v); kind == memtable.Far {
				i.buf = v
			}
		}
		if err != nil {
			i.err = i.sh.readErr("store.iter", err)
			return false
		}
		i.value = v
		return true
	}
	i.err = i.sh.readErr("store.iter", i.m.Err())
	return false
}

// SeekGE makes the following Next move to the first row whose key is not
// less than key. It may go backwards, but not out of the Iter's range.
func (i *Iter) SeekGE(key []byte) {
	if !i.done {
		i.from = layout.Key(i.sh.id, i.t, key)
	}
}

// Key returns the key of the row, valid until the next move.
func (i *Iter) Key() []byte { return i.m.Key()[1:] }

// Value returns the value of the row, valid until the next move.
func (i *Iter) Value() []byte { return i.value }

// Err returns what ended the walk before its end, or nil.
func (i *Iter) Err() error { return i.err }

// Close ends the walk and returns Err. It may be called twice.
func (i *Iter) Close() error {
	if !i.done {
		i.done = true
		if err := i.m.Close(); err != nil && i.err == nil {
			i.err = i.sh.readErr("store.iter", err)
		}
		i.sh.s.files.Leave(i.epoch)
		i.sh.s.leave()
	}
	return i.err
}
