// Package codec encodes the values of user code: inputs, outputs, state. It
// knows nothing of what they are for.
//
// Between objects, and at rest, values are CBOR (RFC 8949) with the names of
// fields, taken from json tags like encoding/json does: what is on disk can be
// read without the program that wrote it. From and to the outside they are
// JSON.
package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Times are RFC 3339 texts (tag 0). What was encoded must be decoded again, so
// texts that are not UTF-8 are taken as they are; and a map in an any is a
// map[string]any, as in JSON, whether it was stored meanwhile or not.
var (
	encMode    = newEncMode(cbor.SortNone)
	sortedMode = newEncMode(cbor.SortBytewiseLexical)
	decMode    = func() cbor.DecMode {
		m, err := cbor.DecOptions{MaxNestedLevels: 256, MaxArrayElements: 16 << 20, MaxMapPairs: 16 << 20,
			TextUnmarshaler: cbor.TextUnmarshalerTextString, UTF8: cbor.UTF8DecodeInvalid,
			DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode()
		must(err)
		return m
	}()
)

func newEncMode(sort cbor.SortMode) cbor.EncMode {
	m, err := cbor.EncOptions{Sort: sort, Time: cbor.TimeRFC3339Nano, TimeTag: cbor.EncTagRequired,
		TextMarshaler: cbor.TextMarshalerTextString}.EncMode()
	must(err)
	return m
}

func must(err error) {
	if err != nil {
		panic("codec: " + err.Error()) // the options above contradict each other
	}
}

// Encode returns v, best a pointer to a value, as CBOR, the fields of structs in their order, the pairs of
// maps in any. The error, of kind fault.Invalid, names v's type.
func Encode(v any) ([]byte, error) { return encode(encMode, v) }

// EncodeSorted returns v as CBOR, the same bytes for equal values: fields and
// pairs are in the order of their names and keys. The error is as that of
// Encode.
func EncodeSorted(v any) ([]byte, error) { return encode(sortedMode, v) }

func encode(m cbor.EncMode, v any) ([]byte, error) {
	if b, ok := encodePlain(v, m == sortedMode); ok {
		return b, nil
	}
	b, err := m.Marshal(v)
	if err != nil {
		return nil, unencodable(v, err)
	}
	return b, nil
}

func unencodable(v any, err error) error {
	return fault.New(fault.Invalid, "encode", strings.TrimPrefix(fmt.Sprintf("%T", v), "*"), "%v", err)
}

// Decode decodes CBOR into v, a pointer.
func Decode(b []byte, v any) error {
	if text, ok := embeddedIn(b); ok {
		return Unpack(wire.Payload{Format: wire.JSON, Data: text}, v)
	}
	if decodePlain(b, v) {
		return nil
	}
	return decMode.Unmarshal(b, v)
}

// Check reports whether Decode would follow b to its end: whether it is well
// formed and not nested too deep.
func Check(b []byte) error { return decMode.Wellformed(b) }

// Pack returns v in the given format. The error is as that of Encode.
func Pack(f wire.Format, v any) (p wire.Payload, err error) {
	p.Format = f
	switch f {
	case wire.CBOR:
		p.Data, err = Encode(v)
	case wire.JSON:
		var plain bool
		if p.Data, plain = encodeJSON(v); plain {
			return p, nil
		}
		if p.Data, err = json.Marshal(v); err != nil {
			err = unencodable(v, err)
		}
	}
	return p, err
}

// Unpack decodes p into v, a pointer. It leaves *v alone if p has no value.
func Unpack(p wire.Payload, v any) error {
	if len(p.Data) == 0 {
		return nil
	}
	switch p.Format {
	case wire.CBOR:
		return Decode(p.Data, v)
	case wire.JSON:
		if raw, ok := v.(*cbor.RawMessage); ok {
			*raw = embed(p.Data)
			return nil
		}
		if decodeJSON(p.Data, v) {
			return nil
		}
		return json.Unmarshal(p.Data, v)
	case wire.None:
		return nil
	}
	return fmt.Errorf("unknown format %d", p.Format)
}

// JSON that is kept where CBOR is left as it is has tag 262 (embedded JSON, in a
// byte string): what fields of which type it is for, its reader knows.
var embedTag = []byte{0xd9, 0x01, 0x06}

// embed returns JSON as CBOR that Decode decodes as JSON.
func embed(text []byte) []byte {
	b := appendHead(append(make([]byte, 0, len(text)+12), embedTag...), majorBytes, uint64(len(text)))
	return append(b, text...)
}

// embeddedIn returns the JSON in what embed has made.
func embeddedIn(b []byte) (text []byte, ok bool) {
	if len(b) < 4 || b[0] != 0xd9 || !bytes.HasPrefix(b, embedTag) {
		return nil, false
	}
	major, n, rest, ok := head(b[len(embedTag):])
	return rest, ok && major == majorBytes && n == uint64(len(rest))
}
