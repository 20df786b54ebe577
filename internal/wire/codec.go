package wire

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/situ-dev/situ/internal/fault"
)

// The encoding of our own nouns: a sequence of fields, each a tag and a value.
// A tag is one byte, number<<1 | shape, where shape 0 is an unsigned varint
// and shape 1 is a length-prefixed byte string (the shapes of protocol
// buffers' wire format, without its fixed-width ones). A reader skips numbers
// it does not know, and a field that has its zero value is not written.
// Numbers are appended, never reused; golden files in testdata hold them.
const (
	shapeInt   = 0
	shapeBytes = 1
)

// Encoder appends fields to Buf. The zero Encoder is ready.
type Encoder struct{ Buf []byte }

// Int writes field n unless v is 0.
func (e *Encoder) Int(n byte, v uint64) {
	if v != 0 {
		e.Buf = append(e.Buf, n<<1|shapeInt)
		e.Buf = binary.AppendUvarint(e.Buf, v)
	}
}

// Bytes writes field n unless v is empty.
func (e *Encoder) Bytes(n byte, v []byte) {
	if len(v) != 0 {
		e.Buf = append(e.Buf, n<<1|shapeBytes)
		e.Buf = binary.AppendUvarint(e.Buf, uint64(len(v)))
		e.Buf = append(e.Buf, v...)
	}
}

// String writes field n unless v is empty.
func (e *Encoder) String(n byte, v string) {
	if v != "" {
		e.Buf = append(e.Buf, n<<1|shapeBytes)
		e.Buf = binary.AppendUvarint(e.Buf, uint64(len(v)))
		e.Buf = append(e.Buf, v...)
	}
}

// Nested writes field n with what f writes as its value, even if empty.
func (e *Encoder) Nested(n byte, f func(*Encoder)) {
	at := e.open(n)
	f(e)
	e.close(at)
}

// open begins field n, whose value is what is written until close.
func (e *Encoder) open(n byte) (at int) {
	e.Buf = append(e.Buf, n<<1|shapeBytes, 0)
	return len(e.Buf)
}

// close ends a field that began at.
func (e *Encoder) close(at int) {
	size := len(e.Buf) - at
	if size < 0x80 {
		e.Buf[at-1] = byte(size)
		return
	}
	var head [binary.MaxVarintLen64]byte
	h := binary.PutUvarint(head[:], uint64(size))
	e.Buf = slices.Insert(e.Buf, at, head[1:h]...)
	e.Buf[at-1] = head[0]
}

// Decoder reads fields from Buf. After the last, or after damage, Next
// returns false; Err tells which. Byte strings alias Buf.
type Decoder struct {
	Buf []byte
	err error
	num uint64
	raw []byte
}

// Next reads one field and returns its number.
func (d *Decoder) Next() (n byte, ok bool) {
	if d.err != nil || len(d.Buf) == 0 {
		return 0, false
	}
	tag := d.Buf[0]
	var v uint64
	size := 1
	if len(d.Buf) > 1 && d.Buf[1] < 0x80 { // most are small
		v = uint64(d.Buf[1])
	} else if v, size = binary.Uvarint(d.Buf[1:]); size <= 0 {
		return 0, d.fail("a field's number is cut short")
	}
	d.Buf = d.Buf[1+size:]
	d.num, d.raw = v, nil
	if tag&1 == shapeBytes {
		if v > uint64(len(d.Buf)) {
			return 0, d.fail("a field's value is cut short")
		}
		d.raw, d.Buf = d.Buf[:v:v], d.Buf[v:]
		d.num = 0
	}
	return tag >> 1, true
}

func (d *Decoder) fail(why string) bool {
	d.err = fault.New(fault.Corrupt, "wire.decode", "", "%s", why)
	return false
}

// Int returns the value of the field just read, 0 if it is a byte string.
func (d *Decoder) Int() uint64 { return d.num }

// Small returns the value of the field just read. If it is over max, which is
// damage or the work of a later version, decoding fails.
func (d *Decoder) Small(max uint64) uint64 {
	if d.num > max {
		d.fail("a number is out of its range")
		return 0
	}
	return d.num
}

// Raw returns the value of the field just read, nil if it is a number.
func (d *Decoder) Raw() []byte { return d.raw }

// Text returns a copy of the value of the field just read.
func (d *Decoder) Text() string { return string(d.raw) }

// Err returns what stopped Next, or nil at the end.
func (d *Decoder) Err() error { return d.err }

// nested decodes the field just read with f, and keeps its error.
func (d *Decoder) nested(f func(*Decoder)) {
	in := Decoder{Buf: d.raw}
	f(&in)
	if in.err != nil && d.err == nil {
		d.err = in.err
	}
}

// AppendEnvelope appends the encoding of env to buf.
func AppendEnvelope(buf []byte, env *Envelope) []byte {
	e := Encoder{buf}
	e.envelope(env)
	return e.Buf
}

// DecodeEnvelope decodes what AppendEnvelope made. The envelope's payloads
// alias b. The error is of kind fault.Corrupt.
func DecodeEnvelope(b []byte) (*Envelope, error) {
	env := new(Envelope)
	d := Decoder{Buf: b}
	env.decode(&d)
	if d.err == nil && (env.Kind < Call || env.Kind > Cancel) {
		d.fail("an envelope has no kind")
	}
	return env, d.err
}

func (e *Encoder) envelope(env *Envelope) {
	e.Int(1, uint64(env.Kind))
	e.String(2, env.To.Type)
	e.String(3, env.To.Key)
	e.String(4, env.To.Method)
	e.payload(5, 6, env.Body)
	if env.Fail != nil {
		at := e.open(7)
		env.Fail.encode(e)
		e.close(at)
	}
	e.payload(8, 9, env.Carry)
	if env.Back != nil {
		at := e.open(10)
		env.Back.encode(e)
		e.close(at)
	}
	e.Int(11, uint64(env.Due))
	e.Int(12, uint64(env.Attempt))
	if env.Policy != nil {
		at := e.open(13)
		env.Policy.encode(e)
		e.close(at)
	}
	e.String(14, env.Trace())
	e.Int(15, uint64(env.Seq))
	e.Int(16, uint64(env.Made))
	if env.Settled {
		e.Int(17, 1)
	}
	e.String(18, string(env.Chain()))
	e.Int(19, uint64(env.Deadline()))
	if env.Free() {
		e.Int(32, 1)
	}
	for _, s := range env.Path() {
		e.String(33, s)
	}
	if env.Guard() {
		e.Int(20, 1)
	}
	e.Int(21, uint64(env.Beat()))
	e.Int(42, env.Stick())
	if env.Span() != nil {
		at := e.open(24)
		env.Span().encode(e)
		e.close(at)
	}
	if env.Asked() != nil {
		at := e.open(25)
		env.Asked().encode(e)
		e.close(at)
	}
}

func (env *Envelope) decode(d *Decoder) {
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			env.Kind = EnvelopeKind(d.Small(math.MaxUint8))
		case 2:
			env.To.Type = intern(d.Raw())
		case 3:
			env.To.Key = d.Text()
		case 4:
			env.To.Method = intern(d.Raw())
		case 5:
			env.Body.Format = Format(d.Small(math.MaxUint8))
		case 6:
			env.Body.Data = d.Raw()
		case 7:
			env.Fail = new(Failure)
			d.nested(env.Fail.decode)
		case 8:
			env.Carry.Format = Format(d.Small(math.MaxUint8))
		case 9:
			env.Carry.Data = d.Raw()
		case 10:
			env.Back = new(Callback)
			d.nested(func(in *Decoder) { env.Back.decode(in, 0) })
		case 11:
			env.Due = Time(d.Int())
		case 12:
			env.Attempt = uint32(d.Small(math.MaxUint32))
		case 13:
			env.Policy = new(Policy)
			d.nested(env.Policy.decode)
		case 14:
			env.lineage().Trace = d.Text()
		case 15:
			env.Seq = Seq(d.Int())
		case 16:
			env.Made = Time(d.Int())
		case 17:
			env.Settled = d.Int() != 0
		case 18:
			env.lineage().Chain = InvocationID(d.Text())
		case 19:
			env.lineage().Deadline = Time(d.Int())
		case 24:
			l := env.lineage()
			l.Span = new(Span)
			d.nested(l.Span.decode)
		case 25:
			l := env.lineage()
			l.Asked = new(Asked)
			d.nested(func(in *Decoder) { l.Asked.decode(in, 0) })
		case 32:
			env.lineage().Free = d.Int() != 0
		case 33:
			l := env.lineage()
			l.Path = append(l.Path, d.Text())
		case 20:
			env.lineage().Guard = d.Int() != 0
		case 21:
			env.lineage().Beat = Time(d.Int())
		case 42:
			env.lineage().Stick = d.Int()
		}
	}
}

func (e *Encoder) payload(format, data byte, p Payload) {
	e.Int(format, uint64(p.Format))
	e.Bytes(data, p.Data)
}

func (f *Failure) encode(e *Encoder) {
	e.String(1, f.Kind)
	e.String(2, f.Code)
	e.String(3, f.Message)
	e.String(4, f.Detail)
}

func (f *Failure) decode(d *Decoder) {
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			f.Kind = d.Text()
		case 2:
			f.Code = d.Text()
		case 3:
			f.Message = d.Text()
		case 4:
			f.Detail = d.Text()
		}
	}
}

// AppendFailure appends the encoding of f to buf.
func AppendFailure(buf []byte, f *Failure) []byte {
	e := Encoder{buf}
	f.encode(&e)
	return e.Buf
}

// DecodeFailure decodes what AppendFailure made.
func DecodeFailure(b []byte) (*Failure, error) {
	f, d := new(Failure), Decoder{Buf: b}
	f.decode(&d)
	return f, d.err
}

// MaxChain is the number of callbacks that may be stacked in one: how deep
// Then may be nested in Then.
const MaxChain = 256

// AppendCallback appends the encoding of c to buf.
func AppendCallback(buf []byte, c *Callback) []byte {
	e := Encoder{buf}
	c.encode(&e)
	return e.Buf
}

// DecodeCallback decodes what AppendCallback made. Payloads alias b.
func DecodeCallback(b []byte) (*Callback, error) {
	c, d := new(Callback), Decoder{Buf: b}
	c.decode(&d, 0)
	return c, d.err
}

func (c *Callback) encode(e *Encoder) {
	e.Int(1, uint64(c.Kind))
	e.String(2, c.To.Type)
	e.String(3, c.To.Key)
	e.String(4, c.To.Method)
	e.String(5, string(c.ID))
	e.Int(6, uint64(c.Shard))
	e.Int(7, uint64(c.Format))
	e.payload(8, 9, c.Carry)
	if c.Parent != nil {
		at := e.open(10)
		c.Parent.encode(e)
		e.close(at)
	}
	e.String(11, string(c.Chain))
	if c.OnFail != nil {
		at := e.open(18)
		c.OnFail.encode(e)
		e.close(at)
	}
	for _, s := range c.Path {
		e.String(14, s)
	}
	e.Int(12, uint64(c.Deadline))
	if c.Asked != nil {
		at := e.open(16)
		c.Asked.encode(e)
		e.close(at)
	}
}

func (c *Callback) decode(d *Decoder, depth int) {
	if depth >= MaxChain {
		d.fail("callbacks are nested too deep")
		return
	}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			c.Kind = BackKind(d.Small(math.MaxUint8))
		case 2:
			c.To.Type = intern(d.Raw())
		case 3:
			c.To.Key = d.Text()
		case 4:
			c.To.Method = intern(d.Raw())
		case 5:
			c.ID = InvocationID(d.Text())
		case 6:
			c.Shard = ShardID(d.Small(math.MaxUint16))
		case 7:
			c.Format = Format(d.Small(math.MaxUint8))
		case 8:
			c.Carry.Format = Format(d.Small(math.MaxUint8))
		case 9:
			c.Carry.Data = d.Raw()
		case 10:
			c.Parent = new(Callback)
			d.nested(func(in *Decoder) { c.Parent.decode(in, depth+1) })
		case 11:
			c.Chain = InvocationID(d.Text())
		case 16:
			c.Asked = new(Asked)
			d.nested(func(in *Decoder) { c.Asked.decode(in, 0) })
		case 18:
			c.OnFail = new(Address)
			d.nested(c.OnFail.decode)
		case 14:
			c.Path = append(c.Path, d.Text())
		case 12:
			c.Deadline = Time(d.Int())
		}
	}
	if d.err == nil && (c.Kind < ToInvocation || c.Kind > ToPromise) {
		d.fail("a callback has no kind")
	}
}

// Depth returns how many callbacks are stacked in c, c included.
func (c *Callback) Depth() (n int) {
	for ; c != nil; c = c.Parent {
		n++
	}
	return n
}
