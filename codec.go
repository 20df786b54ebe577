package situ

import (
	"encoding/json"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Values between objects, and state, are CBOR (RFC 8949) with the names of
// fields, taken from json tags like encoding/json does: what is on disk can be
// read without the program that wrote it. Times are RFC 3339 texts (tag 0).
var (
	encMode = func() cbor.EncMode {
		m, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano, TimeTag: cbor.EncTagRequired,
			TextMarshaler: cbor.TextMarshalerTextString}.EncMode()
		must(err)
		return m
	}()
	decMode = func() cbor.DecMode {
		m, err := cbor.DecOptions{MaxNestedLevels: 256, MaxArrayElements: 16 << 20, MaxMapPairs: 16 << 20,
			TextUnmarshaler: cbor.TextUnmarshalerTextString}.DecMode()
		must(err)
		return m
	}()
)

// encode returns v as CBOR. The error names v's type.
func encode(v any) ([]byte, error) {
	b, err := encMode.Marshal(v)
	if err != nil {
		return nil, fault.New(fault.Invalid, "encode", fmt.Sprintf("%T", v), "%v", err)
	}
	return b, nil
}

// encodeAs returns v in the given format.
func encodeAs(f wire.Format, v any) (p wire.Payload, err error) {
	p.Format = f
	switch f {
	case wire.CBOR:
		p.Data, err = encode(v)
	case wire.JSON:
		if p.Data, err = json.Marshal(v); err != nil {
			err = fault.New(fault.Invalid, "encode", fmt.Sprintf("%T", v), "%v", err)
		}
	}
	return p, err
}

// decodeInto decodes p into v, a pointer. Nothing is an empty value.
func decodeInto(p wire.Payload, v any) error {
	if len(p.Data) == 0 {
		return nil
	}
	switch p.Format {
	case wire.CBOR:
		return decMode.Unmarshal(p.Data, v)
	case wire.JSON:
		return json.Unmarshal(p.Data, v)
	case wire.None:
		return nil
	}
	return fmt.Errorf("unknown format %d", p.Format)
}
