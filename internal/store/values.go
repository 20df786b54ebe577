package store

import (
	"bytes"
	"errors"

	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/memtable"
)

// A row in the tables is one byte, its kind, and then its value or, of a far
// value, where that is.
func appendKind(b []byte, kind memtable.Kind, value []byte) []byte {
	return append(append(b, byte(kind)), value...)
}

func splitKind(v []byte) (memtable.Kind, []byte, error) {
	if len(v) == 0 || memtable.Kind(v[0]) != memtable.Set && memtable.Kind(v[0]) != memtable.Far {
		return 0, nil, errors.New("malformed row")
	}
	return memtable.Kind(v[0]), v[1:], nil
}

// value returns the value of a row, reading a far one into buf.
func (s *Store) value(buf []byte, kind memtable.Kind, v []byte) ([]byte, error) {
	if kind != memtable.Far {
		return v, nil
	}
	r, err := far.DecodeRef(v)
	if err != nil {
		return nil, err
	}
	return s.files.Read(buf, r)
}

// copy is value with a slice of its own.
func (s *Store) copy(kind memtable.Kind, v []byte) ([]byte, error) {
	if kind == memtable.Far {
		return s.value(nil, kind, v)
	}
	if v == nil {
		v = []byte{}
	}
	return bytes.Clone(v), nil
}
