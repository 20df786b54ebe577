// Package far is about far values: those that are too large for a row. Such a
// value stays where the log has it, or is moved to a file of values, and its row
// says where that is. The package reads them, removes files that nobody needs,
// and counts what each file is still good for. It does not write values.
package far

import (
	"encoding/binary"
	"errors"
)

// Ref says where a far value is.
type Ref struct {
	Number uint64 // of the segment of the log, or with InValues of the file of values
	At     uint64 // its first byte there
	Size   uint32 // of the value, in bytes
	Sum    uint64 // xxhash64 of the value
}

const (
	// RefSize is how many bytes a Ref takes.
	RefSize = 28
	// InValues is set in the number of a file of values.
	InValues = 1 << 63
)

// Append appends the encoding of r.
func (r Ref) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, r.Number)
	b = binary.LittleEndian.AppendUint64(b, r.At)
	b = binary.LittleEndian.AppendUint32(b, r.Size)
	return binary.LittleEndian.AppendUint64(b, r.Sum)
}

// DecodeRef is the reverse of Append. It fails if b has another length.
func DecodeRef(b []byte) (Ref, error) {
	if len(b) != RefSize {
		return Ref{}, errors.New("malformed reference to a value")
	}
	return Ref{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint32(b[16:]), binary.LittleEndian.Uint64(b[20:])}, nil
}
