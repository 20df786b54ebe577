package database

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/chain"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/wire"
)

// Writer writes one table. All is to be written in the order of the full keys: a shard's tip
// before its rows, shards in their order, then the first segment, then usages.
type Writer struct {
	db    *pebble.DB
	table *sstable.Writer
	key   []byte
	value []byte
	bytes uint64
	err   error
}

// NewWriter returns a writer of a table for db, which has those options, into a new file.
func NewWriter(db *pebble.DB, opts *pebble.Options, f vfs.File) *Writer {
	o := opts.MakeWriterOptions(0, db.TableFormat())
	o.Compression = block.NoCompression // the first compaction compresses
	return &Writer{db: db, table: sstable.NewWriter(objstorageprovider.NewFileWritable(f), o)}
}

// Close ends the table, and its file, and returns the first error.
func (w *Writer) Close() error { return errors.Join(w.err, w.table.Close()) }

// Bytes returns the bytes of the keys and values so far.
func (w *Writer) Bytes() uint64 { return w.bytes }

func (w *Writer) set(s wire.ShardID, t layout.Table, key []byte, value ...byte) {
	w.put(layout.AppendKey(w.key[:0], s, t, key), value)
}

func (w *Writer) put(full, value []byte) {
	w.key = full
	w.bytes += uint64(len(full) + len(value))
	if w.err == nil {
		w.err = w.table.Set(full, value)
	}
}

// Row writes a row, whose full key must be greater than that of the one before.
func (w *Writer) Row(full []byte, kind memtable.Kind, value []byte) {
	w.value = body.AppendRow(w.value[:0], kind, value)
	w.put(full, w.value)
}

func (w *Writer) drop(full []byte) {
	w.key = full
	w.bytes += uint64(len(full))
	if w.err == nil {
		w.err = w.table.Delete(full)
	}
}

// Tip notes up to where the rows of a shard are in tables with this one.
func (w *Writer) Tip(s wire.ShardID, t chain.Tip) {
	if t.Last > 0 {
		w.set(s, layout.Tip, nil, t.Append(nil)...)
	}
}

// First notes where the next start begins to read the log.
func (w *Writer) First(number uint64) {
	w.set(layout.NoShard, layout.First, nil, binary.BigEndian.AppendUint64(nil, number)...)
}

// Usages writes what has changed from was to now of the files with far values.
func (w *Writer) Usages(now, was far.Usages) {
	for _, n := range now.Numbers() {
		key := binary.BigEndian.AppendUint64(nil, n)
		switch u, old := now.Files[n], was.Files[n]; {
		case u.Live > 0 && (old == nil || *u != *old):
			w.set(layout.NoShard, layout.Values, key, u.Append(nil)...)
		case u.Live == 0 && old != nil:
			w.drop(layout.AppendKey(w.key[:0], layout.NoShard, layout.Values, key))
		}
	}
	for _, t := range slices.Sorted(maps.Keys(now.Rows)) {
		if now.Rows[t] != was.Rows[t] {
			w.set(layout.NoShard, layout.Far, []byte{byte(t)}, binary.BigEndian.AppendUint64(nil, now.Rows[t])...)
		}
	}
}

// Memtable writes the newest version of each row of a shard, and counts in live what far
// values it brings and which it replaces.
func (w *Writer) Memtable(shard wire.ShardID, m *memtable.Table, live far.Usages) {
	it := m.Iter(nil, nil)
	for ok := it.First(); ok && w.err == nil; ok = it.Next() {
		full := append(binary.BigEndian.AppendUint16(w.key[:0], uint16(shard)), it.Key()...)
		w.key = full
		t := layout.Table(it.Key()[0])
		if live.Rows[t] > 0 {
			w.replaced(t, full, live)
		}
		switch kind, v := it.Kind(), it.Value(); kind {
		case memtable.Delete:
			w.drop(full)
		case memtable.Far:
			r, err := far.DecodeRef(v)
			w.err = errors.Join(w.err, err)
			live.Add(t, r)
			fallthrough
		default:
			w.Row(full, kind, v)
		}
	}
}

// replaced takes the far value that the tables have for a key out of the
// count. If that row cannot be read, its space is not given back, and
// whoever reads the row is told.
func (w *Writer) replaced(t layout.Table, full []byte, live far.Usages) {
	if r, ok := FarRow(w.db, full); ok {
		live.Sub(t, r)
	}
}
