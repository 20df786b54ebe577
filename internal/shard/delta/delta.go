// Package delta is what turns changed of one object's state since a commit:
// what they report is merged into it (law 2), a state is read through it, and
// it becomes rows. Package core has one for each object that changed.
package delta

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

// Rows is what is read of the committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Change is an object's net change in a batch.
type Change struct {
	Size     int // bytes of the whole state now
	Modified wire.Time

	clear   bool
	root    []byte
	entries []turn.Entry // as reported; of several for one element the last counts
}

// Cleared is the change of an object that is removed at time now.
func Cleared(now wire.Time) *Change { return &Change{clear: true, Modified: now} }

// Merge adds what a frame changed, and returns how many bytes that is.
func (ch *Change) Merge(r turn.Change, now wire.Time) (size int) {
	if r.Clear {
		*ch = Change{clear: true}
	}
	if r.Root != nil {
		size += len(r.Root)
		ch.root = r.Root
	}
	for _, e := range r.Entries {
		size += e.Size()
	}
	if ch.entries == nil {
		ch.entries = r.Entries
	} else {
		ch.entries = append(ch.entries, r.Entries...)
	}
	ch.Size, ch.Modified = r.Size, now
	return size
}

// net sorts the entries of a change in the order of their rows, and leaves one
// for each element. Pebble takes sorted rows faster.
func (ch *Change) net() []turn.Entry {
	order := func(a, b turn.Entry) int { return cmp.Or(cmp.Compare(a.Field, b.Field), bytes.Compare(a.Key, b.Key)) }
	slices.SortStableFunc(ch.entries, order)
	kept := ch.entries[:0]
	for i, e := range ch.entries {
		if i+1 == len(ch.entries) || order(e, ch.entries[i+1]) != 0 {
			kept = append(kept, e)
		}
	}
	ch.entries = kept
	return kept
}

// SealElements writes the elements of containers that changed. Keys are made in
// buf, which is returned.
func (ch *Change) SealElements(w *store.Batch, id wire.ObjectID, buf []byte) []byte {
	if ch.clear {
		from, to := rows.EntriesOf(id)
		w.DeleteRange(store.Entries, from, to)
	}
	for _, e := range ch.net() {
		buf = rows.AppendEntryKey(buf[:0], id, e)
		if e.Value == nil {
			w.Delete(store.Entries, buf)
		} else {
			w.Set(store.Entries, buf, e.Value)
		}
	}
	return buf
}

// SealRoot writes the root of the state, with the program that the object stays with.
// The key is made in buf, which is returned.
func (ch *Change) SealRoot(w *store.Batch, id wire.ObjectID, pin string, buf []byte) []byte {
	buf = rows.AppendObjectKey(buf[:0], id)
	if ch.clear {
		w.Delete(store.Objects, buf)
	}
	if ch.root != nil {
		key := len(buf)
		buf = rows.AppendObjectHead(buf, ch.Modified, ch.Size, pin)
		w.Set(store.Objects, buf[:key], buf[key:], ch.root)
	}
	return buf
}

// Load returns the latest state of an object: its rows, under the changes that
// are not committed, newest first; nil is no change. Size is what the rows say
// of that of the whole state, -1 if they were not read or are not there. The
// error is of kind fault.Corrupt if a row is damaged.
func Load(committed Rows, id wire.ObjectID, changes ...*Change) (st *turn.State, size int, err error) {
	st, size = &turn.State{}, -1
	cleared := false
	entries := map[string]turn.Entry{}
	for _, ch := range changes {
		if ch == nil || cleared {
			continue
		}
		if st.Root == nil {
			st.Root = ch.root
		}
		for _, e := range slices.Backward(ch.entries) { // newest first, here too
			k := e.Field + "\x00" + string(e.Key)
			if _, newer := entries[k]; !newer {
				entries[k] = e
			}
		}
		cleared = ch.clear
	}
	if !cleared {
		size, err = load(committed, id, st, entries)
	}
	for _, e := range entries {
		if e.Value != nil {
			st.Entries = append(st.Entries, e)
		}
	}
	return st, size, err
}

// load adds what the rows have and newer does not.
func load(committed Rows, id wire.ObjectID, st *turn.State, newer map[string]turn.Entry) (int, error) {
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
		if _, there := newer[rest]; there {
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
