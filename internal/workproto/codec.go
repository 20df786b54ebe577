package workproto

import (
	"bytes"
	"encoding/binary"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

func appendUint(buf []byte, v uint64) []byte   { return binary.AppendUvarint(buf, v) }
func appendUint64(buf []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(buf, v) }
func putUint32(buf []byte, v int)              { binary.LittleEndian.PutUint32(buf, uint32(v)) }

func appendBytes(buf, v []byte) []byte {
	buf = appendUint(buf, uint64(len(v)))
	return append(buf, v...)
}

// appendOptional appends bytes that may be nil: their length plus one, or 0.
func appendOptional(buf, v []byte) []byte {
	if v == nil {
		return append(buf, 0)
	}
	buf = appendUint(buf, uint64(len(v))+1)
	return append(buf, v...)
}

// nested appends what f appends, after its length in 4 bytes.
func nested(buf []byte, f func([]byte) []byte) []byte {
	at := len(buf)
	buf = f(append(buf, 0, 0, 0, 0))
	putUint32(buf[at:], len(buf)-at-4)
	return buf
}

func appendEnvelope(buf []byte, env *wire.Envelope) []byte {
	at := len(buf)
	buf = wire.AppendEnvelope(append(buf, 0, 0, 0, 0), env)
	putUint32(buf[at:], len(buf)-at-4)
	return buf
}

func appendEntries(buf []byte, entries []turn.Entry) []byte {
	buf = appendUint(buf, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		buf = appendUint(buf, uint64(len(e.Field)))
		buf = append(buf, e.Field...)
		buf = appendBytes(buf, e.Key)
		buf = appendOptional(buf, e.Value)
	}
	return buf
}

// reader takes the values of a message off b. After an error it returns zero
// values.
type reader struct {
	b     []byte
	err   error
	field string // the name of the last entry's field: they recur
}

func (r *reader) fail(format string, args ...any) { r.note(corrupt(format, args...)) }

func (r *reader) note(err error) {
	if r.err == nil && err != nil {
		r.err, r.b = err, nil
	}
}

// end returns the error, which is one, too, if bytes are left.
func (r *reader) end() error {
	if len(r.b) > 0 {
		r.fail("%d bytes are left over", len(r.b))
	}
	return r.err
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail("a message is cut short")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("a number is cut short")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count checks that n items of at least size bytes may be left.
func (r *reader) count(n uint64, size int) int {
	if n > uint64(len(r.b)/size) {
		r.fail("%d items in %d bytes", n, len(r.b))
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte { return r.take(r.count(r.uint(), 1)) }

func (r *reader) sized() []byte { return r.take(r.count(uint64(r.uint32()), 1)) }

func (r *reader) optional() []byte {
	n := r.uint()
	if n == 0 {
		return nil
	}
	return r.take(r.count(n-1, 1))
}

// envelope decodes an envelope, from a copy of its bytes if it is to outlive
// the message.
func (r *reader) envelope(keep bool) *wire.Envelope {
	b := r.sized()
	if r.err != nil {
		return nil
	}
	if keep {
		b = bytes.Clone(b)
	}
	env, err := wire.DecodeEnvelope(b)
	r.note(err)
	return env
}

func (r *reader) entries() []turn.Entry {
	n := r.count(r.uint(), 4)
	if n == 0 {
		return nil
	}
	entries := make([]turn.Entry, 0, n)
	for range n {
		field := r.bytes()
		if len(field) == 0 {
			r.fail("an entry without a field")
		}
		if r.err != nil {
			return nil
		}
		if string(field) != r.field {
			r.field = string(field)
		}
		entries = append(entries, turn.Entry{Field: r.field, Key: r.bytes(), Value: r.optional()})
	}
	return entries
}
