package body

import (
	"errors"

	"github.com/situ-dev/situ/internal/store/memtable"
)

// AppendRow appends a row as it is in tables: one byte, its kind, and then its value
// or, of a far value, where that is (see far.Ref).
func AppendRow(b []byte, kind memtable.Kind, value []byte) []byte {
	return append(append(b, byte(kind)), value...)
}

// SplitRow is the reverse of AppendRow. It fails if there is no kind.
func SplitRow(v []byte) (memtable.Kind, []byte, error) {
	if len(v) == 0 || memtable.Kind(v[0]) != memtable.Set && memtable.Kind(v[0]) != memtable.Far {
		return 0, nil, errors.New("malformed row")
	}
	return memtable.Kind(v[0]), v[1:], nil
}
