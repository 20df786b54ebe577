// Package view shows values that are stored as CBOR as JSON, without the code
// that wrote them: an object's state with its containers, inputs and answers.
// It is called by doors and tools; it never changes what it shows, and it
// takes damaged input without harm.
//
// What JSON lacks is shown so: byte strings as base64, times as RFC 3339,
// numbers that are not finite as strings, keys of maps as strings. Integers
// are exact, whatever their size. The order of fields is that of the encoding.
package view

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/situ-dev/situ/internal/turn"
)

// Value returns the CBOR value in b as JSON. The error is of kind
// fault.Corrupt.
func Value(b []byte) (json.RawMessage, error) {
	d := decoder{in: b}
	out, err := d.whole(make([]byte, 0, len(b)+len(b)/2+16))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// State returns an object's state as JSON, with the elements of its tracked
// containers in their places. An object that does not exist is null. The error
// is of kind fault.Corrupt.
func State(st *turn.State) (json.RawMessage, error) {
	if st == nil || st.Root == nil && len(st.Entries) == 0 {
		return json.RawMessage("null"), nil
	}
	size := len(st.Root)
	for _, e := range st.Entries {
		size += e.Size()
	}
	s := stateWriter{fields: group(st.Entries)}
	d := decoder{in: st.Root, containers: &s}
	out := make([]byte, 0, size+size/2+16)
	if st.Root == nil {
		d.in = []byte{0xa0} // elements without a root: show what there is
	}
	out, err := d.whole(out)
	if err != nil {
		return nil, err
	}
	return s.orphans(out)
}

// appendQuoted appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func appendQuoted(out, s []byte) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
			i++
		case c == '\n':
			out = append(out, '\\', 'n')
			i++
		case c == '\t':
			out = append(out, '\\', 't')
			i++
		case c < 0x20 || c == 0x7f:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(s[i:])
			out = utf8.AppendRune(out, r) // RuneError is U+FFFD
			i += n
		}
	}
	return append(out, '"')
}

func appendBase64(out, b []byte) []byte {
	out = append(out, '"')
	out = base64.StdEncoding.AppendEncode(out, b)
	return append(out, '"')
}
