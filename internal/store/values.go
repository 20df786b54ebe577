package store

import (
	"bytes"

	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/memtable"
)

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
