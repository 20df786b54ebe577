package codec

import (
	"encoding"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// plan is how the values of a struct are encoded and decoded that has nothing
// but texts, bytes, numbers, booleans and structs of these: most inputs and the state
// of most objects. The library finds its way through a value anew each time,
// and looks at the bytes twice; this is the same bytes for a third of the
// time. What a plan does not cover, and bytes that are not as it makes them,
// are the library's.
type plan struct {
	fields []planField
	sorted []int // fields in the bytewise order of their encoded names
	texts  int   // fields that are texts, in structs below too
	bytes  int   // fields that are bytes, there too
	json   bool  // it serves for JSON, too
}

type planField struct {
	name  string
	head  []byte // the name, encoded
	index []int
	kind  reflect.Kind // Int64, Uint64 for all sizes, Slice for bytes
	sub   *plan        // of a struct
	omit  bool         // if empty
}

var plans sync.Map // reflect.Type to *plan, nil for a type that has none

// planOf returns the plan of t, nil if it has none.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{}
	if t.Kind() != reflect.Struct || encodesItself(t) || !p.add(t, nil, 0) || len(p.fields) > 23 {
		p = nil
	} else {
		for i := range p.fields {
			p.sorted = append(p.sorted, i)
		}
		slices.SortFunc(p.sorted, func(i, j int) int { return slices.Compare(p.fields[i].head, p.fields[j].head) })
		p.json = p.inJSON(t)
	}
	plans.Store(t, p)
	return p
}

var encodeTypes = []reflect.Type{reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.BinaryMarshaler]()}

func encodesItself(t reflect.Type) bool {
	for _, m := range slices.Concat(encodeTypes, decodeTypes) {
		if reflect.PointerTo(t).Implements(m) {
			return true
		}
	}
	return false
}

// add adds the fields of t, which is at index, and reports whether they are of
// the kind that plans are for.
func (p *plan) add(t reflect.Type, index []int, depth int) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(index[:len(index):len(index)], i)
		tag := f.Tag.Get("json")
		_, other := f.Tag.Lookup("cbor")
		switch {
		case other || depth > 4 || f.Name == "_":
			return false
		case f.Anonymous:
			if tag != "" || !f.IsExported() || f.Type.Kind() != reflect.Struct || encodesItself(f.Type) || !p.add(f.Type, at, depth+1) {
				return false
			}
		case !f.IsExported() || tag == "-":
		default:
			name, options, _ := strings.Cut(tag, ",")
			if name == "" {
				name = f.Name
			}
			pf := planField{name: name, head: appendText(nil, name), index: at, omit: options == "omitempty"}
			same := func(o planField) bool { return strings.EqualFold(o.name, name) }
			if options != "" && !pf.omit || slices.ContainsFunc(p.fields, same) || !pf.of(f.Type) {
				return false
			}
			p.fields = append(p.fields, pf)
			switch pf.kind {
			case reflect.String:
				p.texts++
			case reflect.Slice:
				p.bytes++
			case reflect.Struct:
				p.texts += pf.sub.texts
				p.bytes += pf.sub.bytes
			}
		}
	}
	return true
}

// of notes what the field's type is, and reports whether a plan covers it.
func (f *planField) of(t reflect.Type) bool {
	if encodesItself(t) {
		return false
	}
	switch f.kind = t.Kind(); {
	case f.kind >= reflect.Int && f.kind <= reflect.Int64:
		f.kind = reflect.Int64
	case f.kind >= reflect.Uint && f.kind <= reflect.Uint64:
		f.kind = reflect.Uint64
	case f.kind == reflect.Slice:
		return t == bytesType
	case f.kind == reflect.Struct && !f.omit:
		f.sub = planOf(t)
		return f.sub != nil
	default:
		return f.kind == reflect.String || f.kind == reflect.Bool || f.kind == reflect.Float64
	}
	return true
}

var bytesType = reflect.TypeFor[[]byte]()

func (f *planField) value(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
}

// append appends the encoding of v, and false if the library has to make it.
func (p *plan) append(b []byte, v reflect.Value, sorted bool) ([]byte, bool) {
	at, n, ok := len(b), 0, true
	b = append(b, majorMap)
	for i := range p.fields {
		f := &p.fields[i]
		if sorted {
			f = &p.fields[p.sorted[i]]
		}
		fv := f.value(v)
		if f.omit && (fv.IsZero() || f.kind == reflect.Slice && fv.Len() == 0) {
			continue
		}
		n++
		b = append(b, f.head...)
		switch f.kind {
		case reflect.String:
			b = appendText(b, fv.String())
		case reflect.Slice:
			b = appendBytes(b, fv.Bytes())
		case reflect.Int64:
			b = appendInt(b, fv.Int())
		case reflect.Uint64:
			b = appendHead(b, majorUint, fv.Uint())
		case reflect.Bool:
			if fv.Bool() {
				b = append(b, simpleTrue)
			} else {
				b = append(b, simpleFalse)
			}
		case reflect.Float64:
			x := fv.Float()
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return b, false
			}
			b = binary.BigEndian.AppendUint64(append(b, float64Head), math.Float64bits(x))
		default:
			if b, ok = f.sub.append(b, fv, sorted); !ok {
				return b, false
			}
		}
	}
	b[at] |= byte(n)
	return b, true
}

// atMost returns how long the encoding of v is at most, of a plan with bytes.
func (p *plan) atMost(v reflect.Value) int {
	n := 1
	for i := range p.fields {
		f := &p.fields[i]
		n += len(f.head) + 9
		switch fv := f.value(v); f.kind {
		case reflect.String, reflect.Slice:
			n += fv.Len()
		case reflect.Struct:
			n += f.sub.atMost(fv)
		}
	}
	return n
}

// decode decodes b into v and returns what follows. It reports false, with
// some fields set, if b is not as append makes it.
//
// Text is b as a string, of which the texts of v become parts: one piece of
// memory for many. If it is empty, each text gets its own.
func (p *plan) decode(b []byte, text string, v reflect.Value) (rest []byte, ok bool) {
	if len(b) == 0 || b[0]&majorMask != majorMap || b[0]&^majorMask > 23 {
		return b, false
	}
	n := int(b[0] &^ majorMask)
	b = b[1:]
	seen := uint32(0)
	for next := 0; n > 0; n-- {
		i, size := p.match(b, next)
		if i < 0 || seen&(1<<i) != 0 {
			return b, false
		}
		seen |= 1 << i
		next = i + 1
		if b, ok = p.fields[i].decode(b[size:], text, v); !ok {
			return b, false
		}
	}
	return b, true
}

// match returns the field whose name is next in b, and the name's size there.
// It looks at field guess first. The field is -1 if there is no such name.
func (p *plan) match(b []byte, guess int) (field, size int) {
	is := func(i int) bool {
		h := p.fields[i].head
		return len(b) >= len(h) && string(b[:len(h)]) == string(h)
	}
	if guess < len(p.fields) && is(guess) {
		return guess, len(p.fields[guess].head)
	}
	for i := range p.fields {
		if is(i) {
			return i, len(p.fields[i].head)
		}
	}
	return -1, 0
}

func (f *planField) decode(b []byte, text string, v reflect.Value) (rest []byte, ok bool) {
	fv := f.value(v)
	switch f.kind {
	case reflect.Struct:
		return f.sub.decode(b, text, fv)
	case reflect.Bool:
		if len(b) == 0 || b[0] != simpleTrue && b[0] != simpleFalse {
			return b, false
		}
		fv.SetBool(b[0] == simpleTrue)
		return b[1:], true
	case reflect.Float64:
		if len(b) < 9 || b[0] != float64Head {
			return b, false
		}
		fv.SetFloat(math.Float64frombits(binary.BigEndian.Uint64(b[1:])))
		return b[9:], true
	case reflect.Slice:
		if len(b) > 0 && b[0] == simpleNull {
			fv.SetBytes(nil)
			return b[1:], true
		}
	}
	major, n, b, ok := head(b)
	switch {
	case !ok:
	case f.kind == reflect.String && major == majorText && n <= uint64(len(b)):
		if at := len(text) - len(b); text == "" {
			fv.SetString(string(b[:n]))
		} else {
			fv.SetString(text[at : at+int(n)])
		}
		return b[n:], true
	case f.kind == reflect.Slice && major == majorBytes && n <= uint64(len(b)):
		own := make([]byte, n)
		copy(own, b)
		fv.SetBytes(own)
		return b[n:], true
	case f.kind == reflect.Uint64 && major == majorUint && !fv.OverflowUint(n):
		fv.SetUint(n)
		return b, true
	case f.kind == reflect.Int64 && major == majorUint && n <= math.MaxInt64 && !fv.OverflowInt(int64(n)):
		fv.SetInt(int64(n))
		return b, true
	case f.kind == reflect.Int64 && major == majorNeg && n <= math.MaxInt64 && !fv.OverflowInt(-1-int64(n)):
		fv.SetInt(-1 - int64(n))
		return b, true
	}
	return b, false
}

// head reads a head in its shortest form.
func head(b []byte) (major byte, n uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, 0, b, false
	}
	major, n = b[0]&majorMask, uint64(b[0]&^majorMask)
	size := 0
	if n >= 24 {
		if n > 27 {
			return 0, 0, b, false
		}
		size = 1 << (n - 24)
		if len(b) < 1+size {
			return 0, 0, b, false
		}
		n = 0
		for _, c := range b[1 : 1+size] {
			n = n<<8 | uint64(c)
		}
	}
	return major, n, b[1+size:], true
}
