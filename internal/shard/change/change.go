// Package change is the net change of one object between two commits: what of it
// becomes rows, and what an object is whose latest change is no row yet. Package
// core gathers changes and says when.
package change

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Change is an object's net change in a batch.
type Change struct {
	Clear    bool
	Root     []byte
	Entries  []turn.Entry // as reported; of several for one element the last counts
	Size     int
	Modified wire.Time
}

// Add adds a change that was reported, and returns how many bytes it brings.
func (p *Change) Add(ch turn.Change, now wire.Time) (size int) {
	if ch.Clear {
		*p = Change{Clear: true}
	}
	if ch.Root != nil {
		size += len(ch.Root)
		p.Root = ch.Root
	}
	for _, e := range ch.Entries {
		size += e.Size()
	}
	if p.Entries == nil {
		p.Entries = ch.Entries
	} else {
		p.Entries = append(p.Entries, ch.Entries...)
	}
	p.Size, p.Modified = ch.Size, now
	return size
}

// net sorts the entries in the order of their rows, and leaves one for each
// element. Pebble takes sorted rows faster.
func (p *Change) net() []turn.Entry {
	order := func(a, b turn.Entry) int { return cmp.Or(cmp.Compare(a.Field, b.Field), bytes.Compare(a.Key, b.Key)) }
	slices.SortStableFunc(p.Entries, order)
	kept := p.Entries[:0]
	for i, e := range p.Entries {
		if i+1 == len(p.Entries) || order(e, p.Entries[i+1]) != 0 {
			kept = append(kept, e)
		}
	}
	p.Entries = kept
	return kept
}

// SealEntries writes the elements of object id. Buf is room for keys, and is
// returned to be used again.
func (p *Change) SealEntries(w *store.Batch, id wire.ObjectID, buf []byte) []byte {
	if p.Clear {
		from, to := rows.EntriesOf(id)
		w.DeleteRange(store.Entries, from, to)
	}
	for _, e := range p.net() {
		buf = rows.AppendEntryKey(buf[:0], id, e)
		if e.Value == nil {
			w.Delete(store.Entries, buf)
		} else {
			w.Set(store.Entries, buf, e.Value)
		}
	}
	return buf
}

// SealRoot writes the root of object id.
func (p *Change) SealRoot(w *store.Batch, id wire.ObjectID, buf []byte) []byte {
	buf = rows.AppendObjectKey(buf[:0], id)
	if p.Clear {
		w.Delete(store.Objects, buf)
	}
	if p.Root != nil {
		key := len(buf)
		buf = rows.AppendObjectHead(buf, p.Modified, p.Size)
		w.Set(store.Objects, buf[:key], buf[key:], p.Root)
	}
	return buf
}

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Load returns the latest state of an object: its rows, under layers of changes
// that are not committed, newest first; some may be nil. Size is that of its rows, -1
// if they were not read.
func Load(committed Rows, id wire.ObjectID, layers ...*Change) (st *turn.State, size int, err error) {
	st, size = &turn.State{}, -1
	cleared := false
	entries := map[string]turn.Entry{}
	for _, l := range layers {
		if l == nil || cleared {
			continue
		}
		if st.Root == nil {
			st.Root = l.Root
		}
		for _, e := range slices.Backward(l.Entries) { // newest first, here too
			k := e.Field + "\x00" + string(e.Key)
			if _, newer := entries[k]; !newer {
				entries[k] = e
			}
		}
		cleared = l.Clear
	}
	if !cleared {
		size, err = loadRows(committed, id, st, entries)
	}
	for _, e := range entries {
		if e.Value != nil {
			st.Entries = append(st.Entries, e)
		}
	}
	return st, size, err
}

func loadRows(committed Rows, id wire.ObjectID, st *turn.State, entries map[string]turn.Entry) (size int, err error) {
	b, ok, err := committed.Get(store.Objects, rows.ObjectKey(id))
	if err != nil || !ok {
		return -1, err
	}
	row, err := rows.DecodeObject(b)
	if err != nil {
		return -1, fault.Wrap(fault.Corrupt, "shard.load", id.String(), err)
	}
	if st.Root == nil {
		st.Root = row.Root
	}
	if row.Size == len(row.Root) {
		return row.Size, nil // no elements
	}
	from, to := rows.EntriesOf(id)
	return row.Size, committed.Scan(store.Entries, from, to, func(k, v []byte) (bool, error) {
		rest := string(k[len(from):])
		if _, newer := entries[rest]; newer {
			return true, nil
		}
		field, element, ok := rows.SplitEntry([]byte(rest))
		if !ok {
			return false, fault.New(fault.Corrupt, "shard.load", id.String(), "an element's key is cut short")
		}
		st.Entries = append(st.Entries, turn.Entry{Field: field, Key: element, Value: bytes.Clone(v)})
		return true, nil
	})
}
