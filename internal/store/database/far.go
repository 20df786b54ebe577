package database

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
)

// Recount counts the far values that rows in tables have. It reads all rows.
func Recount(db *pebble.DB) (far.Usages, error) {
	us := far.NewUsages()
	it, err := db.NewIter(&pebble.IterOptions{UpperBound: layout.Key(layout.NoShard, 0, nil)})
	if err != nil {
		return us, err
	}
	defer func() { _ = it.Close() }()
	for ok := it.First(); ok; ok = it.Next() {
		t := layout.Table(it.Key()[layout.ShardLen])
		if t == layout.Tip {
			continue
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return us, err
		}
		kind, v, err := body.SplitRow(v)
		if err == nil && kind == memtable.Far {
			var r far.Ref
			if r, err = far.DecodeRef(v); err == nil {
				us.Add(t, r)
			}
		}
		if err != nil {
			return us, err
		}
	}
	return us, it.Error()
}

// FarRow returns where the tables say that the far value of a full key is, and whether they
// have one that can be read.
func FarRow(db pebble.Reader, full []byte) (far.Ref, bool) {
	v, c, err := db.Get(full)
	if err != nil {
		return far.Ref{}, false
	}
	defer func() { _ = c.Close() }()
	kind, v, err := body.SplitRow(v)
	if err != nil || kind != memtable.Far {
		return far.Ref{}, false
	}
	r, err := far.DecodeRef(v)
	return r, err == nil
}
