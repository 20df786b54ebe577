package store

import "github.com/cockroachdb/pebble/v2"

// Iter walks a range of a table upwards, as it was when the Iter was made.
// One goroutine uses it. An open Iter holds disk space and keeps the store
// from closing: close it soon.
type Iter struct {
	sh   *Shard
	t    Table
	it   *pebble.Iterator
	seek []byte // full key the next Next goes to; nil: the following row
	done bool
	err  error
}

// Next moves to the next row, or to the first one after Iter or SeekGE.
// It returns false at the end and on an error; see Err.
func (i *Iter) Next() bool {
	if i.done {
		return false
	}
	var ok bool
	if i.seek != nil {
		ok = i.it.SeekGE(i.seek)
		i.seek = nil
	} else {
		ok = i.it.Next()
	}
	if !ok {
		i.err = i.sh.readErr("store.iter", i.it.Error())
	}
	return ok
}

// SeekGE makes the following Next move to the first row whose key is not
// less than key. It may go backwards, but not out of the Iter's range.
func (i *Iter) SeekGE(key []byte) {
	if !i.done {
		i.seek = rowKey(i.sh.id, i.t, key)
	}
}

// Key returns the key of the row, valid until the next move.
func (i *Iter) Key() []byte { return i.it.Key()[prefixLen:] }

// Value returns the value of the row, valid until the next move.
func (i *Iter) Value() []byte { return i.it.Value() }

// Err returns what ended the walk before its end, or nil.
func (i *Iter) Err() error { return i.err }

// Close ends the walk and returns Err. It may be called twice.
func (i *Iter) Close() error {
	if !i.done {
		i.done = true
		if err := i.it.Close(); err != nil && i.err == nil {
			i.err = i.sh.readErr("store.iter", err)
		}
		i.sh.s.leave()
	}
	return i.err
}
