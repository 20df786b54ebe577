package codec

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/situ-dev/situ/internal/clean"
)

// What comes from outside and goes there is JSON. encoding/json looks at a text
// twice, and finds its way through a value by reflection: for texts, whole
// numbers, booleans and structs of these, the same is done here in one pass.
// Whatever is not so plain, and every text that is not, is for encoding/json.

// jsonTypes say themselves how they are written or read.
var jsonTypes = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler]()}

// inJSON reports whether a plan's struct, of type t, can be written and read as
// JSON by it.
func (p *plan) inJSON(t reflect.Type) bool {
	own := func(t reflect.Type) bool {
		return slices.ContainsFunc(jsonTypes, reflect.PointerTo(t).Implements) || t == reflect.TypeFor[json.Number]()
	}
	if own(t) {
		return false
	}
	for i := range p.fields {
		f := &p.fields[i]
		for n := range f.index { // the structs on the way to it, too
			if own(t.FieldByIndex(f.index[:n+1]).Type) {
				return false
			}
		}
		if f.kind == reflect.Float64 || f.kind == reflect.Slice || f.kind == reflect.Struct && !f.sub.json || strings.ContainsFunc(f.name, notPlain) {
			return false
		}
	}
	return true
}

// notPlain reports whether r is not in the names that all take as they are.
func notPlain(r rune) bool {
	return r != '_' && r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
}

// encodeJSON returns v, a pointer, as JSON, or false if encoding/json has to.
func encodeJSON(v any) (b []byte, ok bool) {
	switch v := v.(type) {
	case *string:
		return appendQuoted(make([]byte, 0, len(*v)+2), *v)
	case *int:
		return strconv.AppendInt(nil, int64(*v), 10), true
	case *int64:
		return strconv.AppendInt(nil, *v, 10), true
	}
	rv, p := planFor(v)
	if p == nil || !p.json {
		return nil, false
	}
	var few [256]byte
	if b, ok = p.appendJSON(few[:0], rv); !ok {
		return nil, false
	}
	return append(make([]byte, 0, len(b)), b...), true
}

// decodeJSON decodes b into v, a pointer, and reports false, with some fields
// set, if encoding/json has to.
func decodeJSON(b []byte, v any) bool {
	t := jsonText{b: b}
	ok := false
	switch v := v.(type) {
	case *string:
		var s []byte
		if s, ok = t.quoted(); ok && t.end() {
			*v = string(s)
		}
	case *int:
		ok = t.wholeInto(reflect.ValueOf(v).Elem())
	case *int64:
		ok = t.wholeInto(reflect.ValueOf(v).Elem())
	default:
		rv, p := planFor(v)
		ok = p != nil && p.json && p.decodeJSON(&t, rv)
	}
	return ok && t.end()
}

// planFor returns what v, a pointer, points to, and its plan if it has one.
func planFor(v any) (reflect.Value, *plan) {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return rv, nil
	}
	return rv.Elem(), planOf(rv.Type().Elem())
}

// asItIs says which bytes of ASCII encoding/json writes as they are in a text.
var asItIs = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = !strings.ContainsRune("\"\\<>&", c)
	}
	return t
}()

// appendQuoted appends s in quotes, and reports false if something of it must
// be escaped.
func appendQuoted(b []byte, s string) ([]byte, bool) {
	b = append(b, '"')
	b = append(b, s...)
	ascii := true
	for i := clean.Prefix(b[len(b)-len(s):]); i < len(s); i++ {
		if !asItIs[s[i]] {
			if s[i] < utf8.RuneSelf {
				return b, false
			}
			ascii = false
		}
	}
	if !ascii && (!utf8.ValidString(s) || strings.Contains(s, "\u2028") || strings.Contains(s, "\u2029")) {
		return b, false
	}
	return append(b, '"'), true
}

func (p *plan) appendJSON(b []byte, v reflect.Value) (_ []byte, ok bool) {
	b, ok = append(b, '{'), true
	from := len(b)
	for i := range p.fields {
		f := &p.fields[i]
		fv := f.value(v)
		if f.omit && fv.IsZero() {
			continue
		}
		if len(b) > from {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, '"', ':')
		switch f.kind {
		case reflect.String:
			b, ok = appendQuoted(b, fv.String())
		case reflect.Int64:
			b = strconv.AppendInt(b, fv.Int(), 10)
		case reflect.Uint64:
			b = strconv.AppendUint(b, fv.Uint(), 10)
		case reflect.Bool:
			b = strconv.AppendBool(b, fv.Bool())
		default:
			b, ok = f.sub.appendJSON(b, fv)
		}
		if !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

// jsonText is JSON that is read from its front.
type jsonText struct{ b []byte }

func (t *jsonText) space() {
	for len(t.b) > 0 && (t.b[0] == ' ' || t.b[0] == '\n' || t.b[0] == '\t' || t.b[0] == '\r') {
		t.b = t.b[1:]
	}
}

// end reports whether nothing is left.
func (t *jsonText) end() bool { t.space(); return len(t.b) == 0 }

// take reports whether c is next, and takes it.
func (t *jsonText) take(c byte) bool {
	if t.space(); len(t.b) == 0 || t.b[0] != c {
		return false
	}
	t.b = t.b[1:]
	return true
}

// quoted takes a text without escapes.
func (t *jsonText) quoted() ([]byte, bool) {
	if !t.take('"') {
		return nil, false
	}
	ascii := true
	for i := clean.Prefix(t.b); i < len(t.b); i++ {
		switch c := t.b[i]; {
		case c == '"':
			s := t.b[:i]
			t.b = t.b[i+1:]
			return s, ascii || utf8.Valid(s)
		case c < ' ' || c == '\\':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// whole takes a whole number.
func (t *jsonText) whole() (n uint64, negative, ok bool) {
	negative = t.take('-')
	b, i := t.b, 0 // after a '-' there is no space
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9' && i < 19; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	if i == 0 || i > 1 && b[0] == '0' || i < len(b) && (b[i] >= '0' && b[i] <= '9' || b[i] == '.' || b[i]|0x20 == 'e') {
		return 0, false, false
	}
	t.b = b[i:]
	return n, negative, true
}

// wholeInto takes a whole number and sets v, an integer, to it.
func (t *jsonText) wholeInto(v reflect.Value) bool {
	t.space()
	n, negative, ok := t.whole()
	if !ok || n > math.MaxInt64 {
		return false
	}
	i := int64(n)
	if negative {
		i = -i
	}
	switch {
	case v.CanUint() && !negative && !v.OverflowUint(n):
		v.SetUint(n)
	case v.CanInt() && !v.OverflowInt(i):
		v.SetInt(i)
	default:
		return false
	}
	return true
}

// literal takes a boolean.
func (t *jsonText) literal() (is, ok bool) {
	t.space()
	for _, is := range []bool{true, false} {
		if word := strconv.FormatBool(is); len(t.b) >= len(word) && string(t.b[:len(word)]) == word {
			t.b = t.b[len(word):]
			return is, true
		}
	}
	return false, false
}

func (p *plan) decodeJSON(t *jsonText, v reflect.Value) bool {
	if !t.take('{') {
		return false
	}
	if t.take('}') {
		return true
	}
	seen := uint32(0)
	for next := 0; ; {
		name, ok := t.quoted()
		i := p.named(name, next)
		if !ok || i < 0 || seen&(1<<i) != 0 || !t.take(':') || !p.fields[i].decodeJSON(t, v) {
			return false
		}
		seen |= 1 << i
		next = i + 1
		if !t.take(',') {
			return t.take('}')
		}
	}
}

// named returns the field of exactly that name, which guess may be; -1 is none.
func (p *plan) named(name []byte, guess int) int {
	if guess < len(p.fields) && p.fields[guess].name == string(name) {
		return guess
	}
	for i := range p.fields {
		if p.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

func (f *planField) decodeJSON(t *jsonText, v reflect.Value) bool {
	fv := f.value(v)
	switch f.kind {
	case reflect.Struct:
		return f.sub.decodeJSON(t, fv)
	case reflect.String:
		s, ok := t.quoted()
		if ok {
			fv.SetString(string(s))
		}
		return ok
	case reflect.Bool:
		is, ok := t.literal()
		if ok {
			fv.SetBool(is)
		}
		return ok
	}
	return t.wholeInto(fv)
}
