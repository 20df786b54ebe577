package view

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// Limits of what is shown. Deeper nesting is refused; longer integers are
// shown as base64, because printing them takes quadratic time.
const (
	maxDepth  = 300
	maxBigInt = 512 // bytes
)

// indefinite is the length of what ends with a break.
const indefinite = math.MaxUint64

// The major types of CBOR.
const (
	majorUint = iota
	majorNeg
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// decoder walks over CBOR (RFC 8949) and appends JSON.
type decoder struct {
	in         []byte
	at         int
	depth      int
	where      string       // for messages
	containers *stateWriter // set for a root: what to do about container tags
	inKey      bool         // walking over a key that is a list, map or tag
}

func (d *decoder) fail(why string) error {
	return fault.New(fault.Corrupt, "view", d.where, "%s at byte %d of %d", why, d.at, len(d.in))
}

// whole appends the one value that the input is.
func (d *decoder) whole(out []byte) ([]byte, error) {
	out, err := d.value(out)
	if err == nil && d.at != len(d.in) {
		err = d.fail("there is more after the value")
	}
	return out, err
}

// head reads a major type and its argument.
func (d *decoder) head() (major byte, info byte, arg uint64, err error) {
	if d.at >= len(d.in) {
		return 0, 0, 0, d.fail("the value is cut short")
	}
	b := d.in[d.at]
	major, info = b>>5, b&31
	d.at++
	switch {
	case info < 24:
		return major, info, uint64(info), nil
	case info < 28:
		n := 1 << (info - 24)
		if len(d.in)-d.at < n {
			return 0, 0, 0, d.fail("the value is cut short")
		}
		var full [8]byte
		copy(full[8-n:], d.in[d.at:d.at+n])
		d.at += n
		return major, info, binary.BigEndian.Uint64(full[:]), nil
	case info == 31 && major >= majorBytes && major <= majorMap:
		return major, info, indefinite, nil
	}
	return 0, 0, 0, d.fail("a byte that CBOR does not allow")
}

// value appends the next value.
func (d *decoder) value(out []byte) ([]byte, error) {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > maxDepth {
		return out, d.fail("nested too deep")
	}
	major, info, arg, err := d.head()
	if err != nil {
		return out, err
	}
	switch major {
	case majorUint:
		return strconv.AppendUint(out, arg, 10), nil
	case majorNeg:
		return appendNegative(out, arg), nil
	case majorBytes:
		b, err := d.chunks(major, arg)
		return appendBase64(out, b), err
	case majorText:
		b, err := d.chunks(major, arg)
		return appendQuoted(out, b), err
	case majorArray:
		return d.array(out, arg)
	case majorMap:
		return d.object(out, arg)
	case majorTag:
		return d.tagged(out, arg)
	}
	return d.simple(out, info, arg)
}

func appendNegative(out []byte, arg uint64) []byte {
	if arg < math.MaxUint64 {
		return strconv.AppendUint(append(out, '-'), arg+1, 10)
	}
	return append(out, "-18446744073709551616"...)
}

// chunks returns the bytes of a string of length n. They alias the input
// unless the string came in pieces.
func (d *decoder) chunks(major byte, n uint64) ([]byte, error) {
	if n != indefinite {
		if n > uint64(len(d.in)-d.at) {
			return nil, d.fail("a string is cut short")
		}
		b := d.in[d.at : d.at+int(n)]
		d.at += int(n)
		return b, nil
	}
	var all []byte
	for !d.stop() {
		m, _, n, err := d.head()
		if err != nil {
			return nil, err
		}
		if m != major || n == indefinite {
			return nil, d.fail("a string has a piece that is none")
		}
		b, err := d.chunks(major, n)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

// stop consumes a break, if there is one.
func (d *decoder) stop() bool {
	if d.at < len(d.in) && d.in[d.at] == 0xff {
		d.at++
		return true
	}
	return false
}

// more reports whether element i of n follows.
func (d *decoder) more(i, n uint64) bool {
	if n == indefinite {
		return !d.stop()
	}
	return i < n
}

func (d *decoder) array(out []byte, n uint64) (_ []byte, err error) {
	roots := d.containers
	d.containers = nil // an element of a list is no field
	defer func() { d.containers = roots }()
	out = append(out, '[')
	for i := uint64(0); d.more(i, n); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = d.value(out); err != nil {
			return out, err
		}
	}
	return append(out, ']'), nil
}

func (d *decoder) object(out []byte, n uint64) (_ []byte, err error) {
	out = append(out, '{')
	for i := uint64(0); d.more(i, n); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		var name []byte
		if out, name, err = d.key(out); err != nil {
			return out, err
		}
		out = append(out, ':')
		leave := 0
		if d.containers != nil {
			leave = d.containers.enter(name)
		}
		if out, err = d.value(out); err != nil {
			return out, err
		}
		if d.containers != nil {
			d.containers.path = d.containers.path[:leave]
		}
	}
	return append(out, '}'), nil
}

// key appends the key of a pair as a JSON string, and returns its text. A key
// that is a list, map or tag is shown as base64 of its encoding.
func (d *decoder) key(out []byte) (_, text []byte, err error) {
	from := d.at
	major, info, arg, err := d.head()
	if err != nil {
		return out, nil, err
	}
	switch major {
	case majorText:
		text, err = d.chunks(major, arg)
		return appendQuoted(out, text), text, err
	case majorUint:
		text = strconv.AppendUint(nil, arg, 10)
	case majorNeg:
		text = appendNegative(nil, arg)
	case majorBytes:
		b, err := d.chunks(major, arg)
		return appendBase64(out, b), nil, err
	case majorSimple:
		if text, err = d.simple(nil, info, arg); err != nil {
			return out, nil, err
		}
		if len(text) > 0 && text[0] == '"' {
			return append(out, text...), nil, nil
		}
	default:
		if d.inKey {
			return out, nil, d.fail("a key of a map that is itself a key is no plain value")
		}
		scratch := decoder{in: d.in, at: from, depth: d.depth, where: d.where, inKey: true}
		if _, err := scratch.value(nil); err != nil {
			return out, nil, err
		}
		d.at = scratch.at
		return appendBase64(out, d.in[from:d.at]), nil, nil
	}
	return appendQuoted(out, text), text, nil
}

// tagged appends the content of a tag, in the way the tag asks for.
func (d *decoder) tagged(out []byte, tag uint64) ([]byte, error) {
	from := d.at
	switch tag {
	case 1:
		if s, ok := d.epoch(); ok {
			return appendQuoted(out, []byte(s)), nil
		}
	case 2, 3:
		if major, _, n, err := d.head(); err == nil && major == majorBytes {
			b, err := d.chunks(major, n)
			return appendBig(out, b, tag == 3), err
		}
	case tagContainer:
		if major, _, kind, err := d.head(); err == nil && major == majorUint && kind >= mapText && kind <= counter && d.containers != nil {
			return d.containers.container(out, kind)
		}
	}
	d.at = from
	return d.value(out)
}

// epoch reads seconds since 1970.
func (d *decoder) epoch() (string, bool) {
	major, info, arg, err := d.head()
	if err != nil {
		return "", false
	}
	sec, frac := 0.0, 0.0
	switch {
	case major == majorUint && arg < 1<<38:
		sec = float64(arg)
	case major == majorNeg && arg < 1<<36:
		sec = -1 - float64(arg)
	case major == majorSimple && info >= 25 && info <= 27:
		f := float(info, arg)
		if math.IsNaN(f) || math.Abs(f) > 1<<36 {
			return "", false
		}
		sec, frac = math.Modf(f)
	default:
		return "", false
	}
	t := time.Unix(int64(sec), int64(frac*1e9)).UTC()
	if t.Year() > 9999 || t.Year() < 0 {
		return "", false
	}
	return t.Format(time.RFC3339Nano), true
}

func appendBig(out, b []byte, negative bool) []byte {
	if len(b) > maxBigInt {
		return appendBase64(out, b)
	}
	n := new(big.Int).SetBytes(b)
	if negative {
		n.Not(n) // -1 - n
	}
	return n.Append(out, 10)
}

// simple appends a value of major type 7.
func (d *decoder) simple(out []byte, info byte, arg uint64) ([]byte, error) {
	switch info {
	case 20:
		return append(out, "false"...), nil
	case 21:
		return append(out, "true"...), nil
	case 22, 23:
		return append(out, "null"...), nil
	case 25, 26, 27:
		return appendFloat(out, float(info, arg)), nil
	}
	out = append(out, `"simple(`...)
	return append(strconv.AppendUint(out, arg, 10), `)"`...), nil
}

func float(info byte, bits uint64) float64 {
	switch info {
	case 25:
		return half(uint16(bits))
	case 26:
		return float64(math.Float32frombits(uint32(bits)))
	}
	return math.Float64frombits(bits)
}

func half(h uint16) float64 {
	exp, mant := int(h>>10)&31, float64(h&1023)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(mant, -24)
	case 31:
		f = math.Inf(1)
		if mant != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(mant+1024, exp-25)
	}
	if h&0x8000 != 0 {
		f = -f
	}
	return f
}

func appendFloat(out []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(out, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(out, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(out, `"-Infinity"`...)
	}
	form := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		form = 'e'
	}
	return strconv.AppendFloat(out, f, form, -1, 64)
}
