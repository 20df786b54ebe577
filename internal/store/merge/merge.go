// Package merge walks the layers in which the rows of a shard are, memtables and
// tables, as if they were one. It knows nothing of shards and of far values.
package merge

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
)

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

// Walk walks layers at once, newest first: of several rows with the same
// key the first counts.
type Walk struct {
	layers  []layer
	reverse bool
	ok      []bool // which layers are at a row
	at      int    // the layer whose row it is; -1: none
}

// New returns a walk without layers, which goes downwards if reverse is set.
func New(reverse bool) *Walk { return &Walk{reverse: reverse} }

// Memtable adds the rows of a memtable between two full keys as the next older layer.
func (m *Walk) Memtable(t *memtable.Table, lo, hi []byte) {
	m.layers = append(m.layers, memLayer{t.Iter(lo[layout.ShardLen:], hi[layout.ShardLen:])})
}

// Tables adds the last and oldest layer. The walk closes it.
func (m *Walk) Tables(it *pebble.Iterator) { m.layers = append(m.layers, tableLayer{it}) }

// Start moves to the first row from a full key on, or, in reverse, to the last of all.
func (m *Walk) Start(full []byte) {
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

// Step moves past the row.
func (m *Walk) Step() {
	key := m.layers[m.at].Key()
	for i, l := range m.layers {
		if i != m.at && m.ok[i] && bytes.Equal(l.Key(), key) {
			m.ok[i] = m.move(l)
		}
	}
	m.ok[m.at] = m.move(m.layers[m.at])
	m.pick()
}

func (m *Walk) move(l layer) bool {
	if m.reverse {
		return l.Prev()
	}
	return l.Next()
}

func (m *Walk) pick() {
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

// Valid reports whether the walk is at a row.
func (m *Walk) Valid() bool { return m.at >= 0 && m.Err() == nil }

// Key returns the key of the row with its table, without its shard, until the next move.
func (m *Walk) Key() []byte { return m.layers[m.at].Key() }

// Row returns the kind of the row, which may be Delete, and its value, until the next move.
func (m *Walk) Row() (memtable.Kind, []byte, error) { return m.layers[m.at].Row() }

// Err is that of the tables: memtables have none. A layer that failed ends
// the walk, for nobody knows which rows it would have had.
func (m *Walk) Err() error { return m.layers[len(m.layers)-1].Err() }

// Close closes the tables.
func (m *Walk) Close() error {
	return m.layers[len(m.layers)-1].(tableLayer).Close()
}

// memLayer is a walk over a memtable.
type memLayer struct{ *memtable.Iter }

func (l memLayer) SeekGE(full []byte) bool { return l.Iter.SeekGE(full[layout.ShardLen:]) }

func (l memLayer) Row() (memtable.Kind, []byte, error) { return l.Kind(), l.Value(), nil }

func (memLayer) Err() error { return nil }

// tableLayer is a walk over the tables.
type tableLayer struct{ *pebble.Iterator }

func (l tableLayer) Key() []byte { return l.Iterator.Key()[layout.ShardLen:] }

func (l tableLayer) Row() (memtable.Kind, []byte, error) {
	v, err := l.ValueAndErr()
	if err != nil {
		return 0, nil, err
	}
	return body.SplitRow(v)
}

func (l tableLayer) Err() error { return l.Error() }
