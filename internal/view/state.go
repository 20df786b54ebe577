package view

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/situ-dev/situ/internal/turn"
)

// tagContainer marks, in a state's root, the place of a container whose
// elements are rows of their own. Its content is the kind of the container.
const tagContainer = 40500

// The kinds of tracked containers. They are on disk: append only.
const (
	mapText    = 1 // a map with text keys
	mapInt     = 2 // keys are int64, big-endian, with the sign bit flipped
	mapUint    = 3 // keys are uint64, big-endian
	listKind   = 4 // keys are indexes, uint64, big-endian
	counter    = 5 // one element, whose key is empty
	signOfInts = 1 << 63
)

// stateWriter puts the elements of containers where the root says.
type stateWriter struct {
	fields []*field
	path   []byte // of the field being shown
}

// field is a container's elements.
type field struct {
	name    string
	entries []turn.Entry
	shown   bool
}

// group gathers entries by field, in the order of their keys.
func group(entries []turn.Entry) []*field {
	var fields []*field
	byName := map[string]*field{}
	for _, e := range entries {
		if e.Value == nil {
			continue
		}
		f := byName[e.Field]
		if f == nil {
			f = &field{name: e.Field}
			byName[e.Field] = f
			fields = append(fields, f)
		}
		f.entries = append(f.entries, e)
	}
	for _, f := range fields {
		slices.SortStableFunc(f.entries, func(a, b turn.Entry) int { return slices.Compare(a.Key, b.Key) })
	}
	return fields
}

// enter adds a field's name to the path, and returns how to leave it.
func (s *stateWriter) enter(name []byte) (leave int) {
	leave = len(s.path)
	if leave > 0 {
		s.path = append(s.path, '.')
	}
	s.path = append(s.path, name...)
	return leave
}

// container appends the elements of the container at the current path.
func (s *stateWriter) container(out []byte, kind uint64) ([]byte, error) {
	var entries []turn.Entry
	for _, f := range s.fields {
		if f.name == string(s.path) {
			if f.shown {
				break // the same name twice: damage, but not ours to find
			}
			f.shown, entries = true, f.entries
			break
		}
	}
	if kind == counter {
		if len(entries) == 0 {
			return append(out, '0'), nil
		}
		return element(out, entries[0])
	}
	return elements(out, kind, entries)
}

func elements(out []byte, kind uint64, entries []turn.Entry) (_ []byte, err error) {
	open, end := byte('{'), byte('}')
	if kind == listKind {
		open, end = '[', ']'
	}
	out = append(out, open)
	for i, e := range entries {
		if i > 0 {
			out = append(out, ',')
		}
		if kind != listKind {
			out = append(elementKey(out, kind, e.Key), ':')
		}
		if out, err = element(out, e); err != nil {
			return out, err
		}
	}
	return append(out, end), nil
}

func element(out []byte, e turn.Entry) ([]byte, error) {
	d := decoder{in: e.Value, where: e.Field}
	return d.whole(out)
}

// elementKey appends the key of an element as a JSON string.
func elementKey(out []byte, kind uint64, key []byte) []byte {
	switch {
	case kind == mapInt && len(key) == 8:
		out = append(out, '"')
		out = strconv.AppendInt(out, int64(binary.BigEndian.Uint64(key)^signOfInts), 10)
		return append(out, '"')
	case kind == mapUint && len(key) == 8:
		out = append(out, '"')
		out = strconv.AppendUint(out, binary.BigEndian.Uint64(key), 10)
		return append(out, '"')
	case kind == mapText || utf8.Valid(key):
		return appendQuoted(out, key)
	}
	return appendQuoted(out, hex.AppendEncode(nil, key))
}

// orphans adds to the object in out the elements that no container in the root
// claimed: state whose field was removed from the code.
func (s *stateWriter) orphans(out []byte) (_ []byte, err error) {
	for _, f := range s.fields {
		if f.shown || len(out) == 0 || out[len(out)-1] != '}' {
			continue
		}
		out = out[:len(out)-1]
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(appendQuoted(out, []byte(f.name)), ':')
		if out, err = elements(out, 0, f.entries); err != nil {
			return nil, err
		}
		out = append(out, '}')
	}
	return out, nil
}
