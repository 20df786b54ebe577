package store

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/merge"
)

// walk walks a range of a table, as it was when the walk was made. One goroutine
// uses it. An open walk holds disk space and keeps the store from closing.
type walk struct {
	sh    *Shard
	m     *merge.Walk
	from  []byte // full key at which it begins; nil: it has begun
	epoch uint64
	value []byte // of the row, valid until the next move
	buf   []byte // of a far value
	done  bool
	err   error // what ended the walk before its end
}

// walk makes a walk, before its first row. The rows are those of one moment:
// between looking at the memtables and at the tables, none may have become
// tables.
func (sh *Shard) walk(t Table, from, to []byte, reverse bool) (*walk, error) {
	if err := sh.s.enter(); err != nil {
		return nil, err
	}
	lo, hi := layout.Bounds(sh.id, t, from, to)
	i := &walk{sh: sh, from: lo, epoch: sh.s.files.Enter()}
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

// next moves to the next row. It returns false at the end and on an error; see
// err.
func (i *walk) next() bool {
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

// key returns the key of the row, valid until the next move.
func (i *walk) key() []byte { return i.m.Key()[1:] }

// close ends the walk and returns what went wrong. It may be called twice.
func (i *walk) close() error {
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
