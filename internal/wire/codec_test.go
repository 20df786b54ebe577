package wire

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/frugal"
	"github.com/situ-dev/situ/internal/seed"
)

// maker makes random nouns.
type maker struct{ *rand.Rand }

func (m maker) number() uint64 { return m.Uint64() >> m.IntN(65) }

func (m maker) bytes() []byte {
	if m.IntN(3) == 0 {
		return nil
	}
	b := make([]byte, 1+m.IntN([]int{4, 200, 20000}[m.IntN(3)]))
	for i := range b {
		b[i] = byte(m.Uint32())
	}
	return b
}

func (m maker) text() string {
	b := m.bytes()
	return string(b[:min(len(b), 300)])
}

func (m maker) payload() Payload { return Payload{Format(m.number()), m.bytes()} }

func (m maker) address() Address { return Address{m.text(), m.text(), m.text()} }

func (m maker) failure() *Failure {
	if m.IntN(2) == 0 {
		return nil
	}
	return &Failure{m.text(), m.text(), m.text(), m.text()}
}

func (m maker) callback() *Callback {
	if m.IntN(3) == 0 {
		return nil
	}
	return &Callback{Kind: BackKind(1 + m.IntN(3)), To: m.address(), ID: InvocationID(m.text()), Shard: ShardID(m.number()),
		Format: Format(m.number()), Carry: m.payload(), Parent: m.callback()}
}

func (m maker) envelope() *Envelope {
	env := &Envelope{Kind: EnvelopeKind(1 + m.IntN(2)), To: m.address(), Body: m.payload(), Fail: m.failure(), Carry: m.payload(),
		Back: m.callback(), Due: Time(m.number()), Attempt: uint32(m.number()), Lineage: Lineage{Trace: m.text()}.Some(), Seq: Seq(m.number()), Made: Time(m.number())}
	if m.IntN(2) == 0 {
		env.Policy = &Policy{Attempts: uint32(m.number()), Backoff: Time(m.number()), MaxBackoff: Time(m.number()),
			MaxAge: Time(m.number()), On: Codes(m.text()), Final: Codes(m.text()), Priority: Priority(m.IntN(3)), OnFail: m.address()}
	}
	return env
}

func TestRoundTripRandom(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(seed.New(t), 0))}
	for range 200 {
		env := m.envelope()
		prefix := m.bytes()
		b := AppendEnvelope(prefix, env)
		if !bytes.HasPrefix(b, prefix) {
			t.Fatal("what was in the buffer has changed")
		}
		got, err := DecodeEnvelope(b[len(prefix):])
		if err != nil || !reflect.DeepEqual(got, env) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, env)
		}
	}
}

// What is cut short or torn is an error or another value, never a panic, and
// the error says Corrupt.
func TestTornBytes(t *testing.T) {
	b := AppendEnvelope(nil, samples["envelope-full"].(*Envelope))
	for i := range b {
		if _, err := DecodeEnvelope(b[:i]); err != nil && !fault.Is(err, fault.Corrupt) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		for bit := range 8 {
			torn := bytes.Clone(b)
			torn[i] ^= 1 << bit
			if _, err := DecodeEnvelope(torn); err != nil && !fault.Is(err, fault.Corrupt) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	field := func(f func(*Encoder)) []byte {
		e := Encoder{Buf: AppendEnvelope(nil, &Envelope{Kind: Call})}
		f(&e)
		return e.Buf
	}
	for want, b := range map[string][]byte{
		"wire.decode: an envelope has no kind":         nil,
		"wire.decode: a field's number is cut short":   {2},
		"wire.decode: a field's value is cut short":    {3, 5, 'a'},
		"wire.decode: a number is out of its range":    field(func(e *Encoder) { e.Int(12, 1<<32) }),
		"wire.decode: a callback has no kind":          field(func(e *Encoder) { e.Nested(10, func(*Encoder) {}) }),
		"wire.decode: callbacks are nested too deep":   AppendEnvelope(nil, &Envelope{Kind: Call, Back: chain(MaxChain + 1)}),
		"wire.decode: a field's number is cut short  ": {2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, err := DecodeEnvelope(b); err == nil || err.Error() != strings.TrimSpace(want) || !fault.Is(err, fault.Corrupt) {
			t.Errorf("% x: %v, want %s", b, err, want)
		}
	}
	for n, b := range map[string][]byte{
		"kind":   {2, 0x81, 0x02}, // 257 is not 1
		"format": field(func(e *Encoder) { e.Int(5, 256) }),
	} {
		if env, err := DecodeEnvelope(b); err == nil {
			t.Errorf("%s out of range: %+v", n, env)
		}
	}
	if c, err := DecodeCallback(AppendCallback(nil, chain(MaxChain))); err != nil || c.Depth() != MaxChain {
		t.Errorf("a chain of %d: %v", MaxChain, err)
	}
	if _, err := DecodeCallback(nil); err == nil {
		t.Error("nothing is a callback")
	}
	if f, err := DecodeFailure(nil); err != nil || *f != (Failure{}) {
		t.Errorf("nothing is the failure %+v, %v", f, err)
	}
}

func FuzzDecodeEnvelope(f *testing.F) { fuzz[*Envelope](f) }
func FuzzDecodeCallback(f *testing.F) { fuzz[*Callback](f) }
func FuzzDecodeFailure(f *testing.F)  { fuzz[*Failure](f) }
func FuzzDecodePromise(f *testing.F)  { fuzz[*Promise](f) }

// fuzz decodes anything. What can be decoded is encoded to no more bytes than
// it came from, as numbers need, and reads back as the same.
func fuzz[T any](f *testing.F) {
	for _, v := range samples {
		if _, ok := v.(T); ok {
			f.Add(encodeAny(v))
		}
	}
	f.Add(bytes.Repeat([]byte{10<<1 | 1, 2}, 300))
	f.Fuzz(func(t *testing.T, b []byte) {
		var like T
		var v any
		var err error
		frugal.Check(t, len(b), func() { v, err = decodeLike(like, b) })
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Fatal(err)
			}
			return
		}
		first := encodeAny(v)
		if len(first) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(first))
		}
		again, err := decodeLike(like, first)
		if err != nil || !bytes.Equal(encodeAny(again), first) {
			t.Fatalf("does not read back: %v", err)
		}
	})
}

func TestIntern(t *testing.T) {
	long := strings.Repeat("a", MaxName+1)
	for _, s := range []string{"", "flight", "cancel", "flight", long} {
		b := []byte(s)
		got := intern(b)
		clear(b) // it shares nothing with the input
		if got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { intern([]byte("flight")) }); n > 0 {
		t.Errorf("a known name allocates %v times", n)
	}
	for i := range 3 * internSlots { // more names than there is room for
		if s := strconv.Itoa(i); intern([]byte(s)) != s {
			t.Fatalf("%s became another", s)
		}
	}
}

func TestEncoderLengths(t *testing.T) {
	for _, n := range []int{0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 1 << 21} {
		var e Encoder
		e.Int(1, 7)
		e.Nested(2, func(e *Encoder) { e.Buf = append(e.Buf, make([]byte, n)...) })
		e.Int(3, math.MaxUint64)
		d := Decoder{Buf: e.Buf}
		var got []int
		for f, ok := d.Next(); ok; f, ok = d.Next() {
			got = append(got, int(f), len(d.Raw()))
		}
		if want := []int{1, 0, 2, n, 3, 0}; d.Err() != nil || !reflect.DeepEqual(got, want) || d.Int() != math.MaxUint64 {
			t.Errorf("nested %d bytes: %v, %v", n, got, d.Err())
		}
	}
}

var benchEnvelope = &Envelope{Kind: Call, To: Address{"passenger", "p-000123", "rebook"}, Body: Payload{CBOR, make([]byte, 60)},
	Back: &Callback{Kind: ToMethod, To: Address{"flight", "BA123", "heard"}, Format: CBOR, Carry: Payload{CBOR, make([]byte, 20)}},
	Seq:  123456, Made: 1767323045000000600}

func BenchmarkEncodeEnvelope(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEnvelope(buf[:0], benchEnvelope)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	buf := AppendEnvelope(nil, benchEnvelope)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeEnvelope(buf); err != nil {
			b.Fatal(err)
		}
	}
}
