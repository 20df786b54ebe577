package rows

import (
	"encoding/binary"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// The table of spans has three kinds of rows, told by the first byte:
//
//	s chain 0 span   one span (package span)
//	s chain 0        the head of the chain
//	x when chain     when to look whether the chain is over
const (
	spanRow    = 's'
	spanExpiry = 'x'
)

// SpansOf returns the range of keys of a chain's spans. The first is the key of
// its head.
func SpansOf(chain wire.InvocationID) (from, to []byte) {
	k := append(append([]byte{spanRow}, chain...), 0)
	to = append([]byte(nil), k...)
	to[len(to)-1] = 1
	return k, to
}

// SpanKey returns the key of one span.
func SpanKey(b []byte, chain wire.InvocationID, id wire.SpanID) []byte {
	b = append(append(append(b, spanRow), chain...), 0)
	return binary.BigEndian.AppendUint64(b, uint64(id))
}

// SplitSpan returns the span of a key in the range that begins with from; ok is
// false for the head.
func SplitSpan(from, k []byte) (id wire.SpanID, ok bool, err error) {
	switch len(k) - len(from) {
	case 0:
		return 0, false, nil
	case 8:
		return wire.SpanID(binary.BigEndian.Uint64(k[len(from):])), true, nil
	}
	return 0, false, wrongLength(store.Spans, k)
}

// SpanExpiryKey returns the key that says when to look whether a chain is over.
func SpanExpiryKey(when wire.Time, chain wire.InvocationID) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{spanExpiry}, uint64(when)), chain...)
}

// SpanExpiryRange returns the range of those keys up to a time.
func SpanExpiryRange(until wire.Time) (from, to []byte) {
	return []byte{spanExpiry}, SpanExpiryKey(until+1, "")
}

// SplitSpanExpiry returns the chain of a SpanExpiryKey.
func SplitSpanExpiry(k []byte) (wire.InvocationID, error) {
	if len(k) < 9 || k[0] != spanExpiry {
		return "", wrongLength(store.Spans, k)
	}
	return wire.InvocationID(k[9:]), nil
}

// MeterKey returns the key of the counters of a method in an hour, which is
// counted from 1970; those of a function have no type. Parts that tell more
// (a version, a tenant) may follow.
func MeterKey(hour uint32, typ, method string) []byte {
	k := binary.BigEndian.AppendUint32(make([]byte, 0, 5+len(typ)+len(method)), hour)
	k = append(append(k, typ...), 0)
	return append(k, method...)
}

// SplitMeter returns the parts of a MeterKey.
func SplitMeter(k []byte) (hour uint32, typ, method string, err error) {
	if len(k) < 5 {
		return 0, "", "", wrongLength(store.Meter, k)
	}
	rest := k[4:]
	for i, c := range rest {
		if c == 0 {
			method := rest[i+1:]
			for j, c := range method {
				if c == 0 {
					method = method[:j] // what later versions add
					break
				}
			}
			return binary.BigEndian.Uint32(k), string(rest[:i]), string(method), nil
		}
	}
	return 0, "", "", fault.New(fault.Corrupt, "rows.key", "", "a key of the meter has no method: %x", k)
}
