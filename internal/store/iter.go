package store

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/memtable"
)

// Iter walks a range of a table upwards, as it was when the Iter was made.
// One goroutine uses it. An open Iter holds disk space and keeps the store
// from closing: close it soon.
type Iter struct {
	sh      *Shard
	t       Table
	m       *merged
	from    []byte // full key at which the walk begins; nil: it has begun
	reverse bool
	epoch   uint64
	value   []byte
	buf     []byte // of a far value
	done    bool
	err     error
}

// layer is a walk over one layer of rows.
type layer interface {
	Last() bool
	Next() bool
	Prev() bool
	SeekGE(full []byte) bool
	Key() []byte // with the table, without the shard
	Row() (memtable.Kind, []byte, error)
	Err() error
}

// iter makes a walk. The rows are those of one moment: between looking at
// the memtables and at the tables, none may have become tables.
func (sh *Shard) iter(t Table, from, to []byte, reverse bool) (*Iter, error) {
	if err := sh.s.enter(); err != nil {
		return nil, err
	}
	lo, hi := bounds(sh.id, t, from, to)
	i := &Iter{sh: sh, t: t, from: lo, reverse: reverse, epoch: sh.s.files.enter()}
	for {
		l := sh.layers.Load()
		m := &merged{reverse: reverse}
		for _, mem := range []*memtable.Table{l.now, l.frozen} {
			if mem != nil && mem.Rows() > 0 {
				m.layers = append(m.layers, memLayer{mem.Iter(lo[shardLen:], hi[shardLen:])})
			}
		}
		if sh.s.between != nil {
			sh.s.between()
		}
		it, err := sh.s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
		if err != nil {
			sh.s.files.leave(i.epoch)
			sh.s.leave()
			return nil, sh.readErr(opRead, err)
		}
		if sh.layers.Load() != l {
			_ = it.Close() // the next one is newer
			continue
		}
		m.layers = append(m.layers, tableLayer{it})
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
		i.m.start(i.from)
		i.from = nil
	} else {
		i.m.step()
	}
	for ; i.m.valid(); i.m.step() {
		kind, v, err := i.m.row()
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
	i.err = i.sh.readErr("store.iter", i.m.err())
	return false
}

// SeekGE makes the following Next move to the first row whose key is not
// less than key. It may go backwards, but not out of the Iter's range.
func (i *Iter) SeekGE(key []byte) {
	if !i.done {
		i.from = rowKey(i.sh.id, i.t, key)
	}
}

// Key returns the key of the row, valid until the next move.
func (i *Iter) Key() []byte { return i.m.key()[1:] }

// Value returns the value of the row, valid until the next move.
func (i *Iter) Value() []byte { return i.value }

// Err returns what ended the walk before its end, or nil.
func (i *Iter) Err() error { return i.err }

// Close ends the walk and returns Err. It may be called twice.
func (i *Iter) Close() error {
	if !i.done {
		i.done = true
		if err := i.m.close(); err != nil && i.err == nil {
			i.err = i.sh.readErr("store.iter", err)
		}
		i.sh.s.files.leave(i.epoch)
		i.sh.s.leave()
	}
	return i.err
}

// merged walks layers at once, newest first: of several rows with the same
// key the first counts.
type merged struct {
	layers  []layer
	reverse bool
	ok      []bool // which layers are at a row
	at      int    // the layer whose row it is; -1: none
}

// start moves to the first row from key on, or, in reverse, to the last of all.
func (m *merged) start(full []byte) {
	m.ok = make([]bool, len(m.layers))
	for i, l := range m.layers {
		if m.reverse {
			m.ok[i] = l.Last()
		} else {
			m.ok[i] = l.SeekGE(full)
		}
	}
	m.pick()
}

// step moves past the row.
func (m *merged) step() {
	key := m.layers[m.at].Key()
	for i, l := range m.layers {
		if i != m.at && m.ok[i] && bytes.Equal(l.Key(), key) {
			m.ok[i] = m.move(l)
		}
	}
	m.ok[m.at] = m.move(m.layers[m.at])
	m.pick()
}

func (m *merged) move(l layer) bool {
	if m.reverse {
		return l.Prev()
	}
	return l.Next()
}

func (m *merged) pick() {
	m.at = -1
	for i, l := range m.layers {
		if !m.ok[i] {
			continue
		}
		if m.at < 0 {
			m.at = i
			continue
		}
		if c := bytes.Compare(l.Key(), m.layers[m.at].Key()); c < 0 && !m.reverse || c > 0 && m.reverse {
			m.at = i
		}
	}
}

func (m *merged) valid() bool { return m.at >= 0 && m.err() == nil }
func (m *merged) key() []byte { return m.layers[m.at].Key() }

func (m *merged) row() (memtable.Kind, []byte, error) { return m.layers[m.at].Row() }

// err is that of the tables: memtables have none. A layer that failed ends
// the walk, for nobody knows which rows it would have had.
func (m *merged) err() error { return m.layers[len(m.layers)-1].Err() }

func (m *merged) close() error {
	return m.layers[len(m.layers)-1].(tableLayer).Close()
}

// memLayer is a walk over a memtable.
type memLayer struct{ *memtable.Iter }

func (l memLayer) SeekGE(full []byte) bool             { return l.Iter.SeekGE(full[shardLen:]) }
func (l memLayer) Row() (memtable.Kind, []byte, error) { return l.Kind(), l.Value(), nil }
func (memLayer) Err() error                            { return nil }

// tableLayer is a walk over the tables.
type tableLayer struct{ *pebble.Iterator }

func (l tableLayer) Key() []byte { return l.Iterator.Key()[shardLen:] }

func (l tableLayer) Row() (memtable.Kind, []byte, error) {
	v, err := l.ValueAndErr()
	if err != nil {
		return 0, nil, err
	}
	return splitKind(v)
}

func (l tableLayer) Err() error { return l.Error() }
