package layout

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Each calls fn for each row of a table that is of no shard.
func Each(db pebble.Reader, t Table, fn func(key, value []byte) error) error {
	lo, hi := Bounds(NoShard, t, nil, nil)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err == nil {
			err = fn(it.Key()[PrefixLen:], v)
		}
		if err != nil {
			return err
		}
	}
	return it.Error()
}

// ReadFirst returns the first segment of the log that a start has to read.
func ReadFirst(db pebble.Reader) (uint64, error) {
	v, c, err := db.Get(Key(NoShard, First, nil))
	if errors.Is(err, pebble.ErrNotFound) {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	if len(v) != 8 {
		return 0, errors.New("malformed number of the first segment")
	}
	return binary.BigEndian.Uint64(v), nil
}
