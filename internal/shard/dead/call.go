package dead

import (
	"encoding/json"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/wire"
)

// report is the input of the call that is told of a failure: situ.Failure of the
// SDK, with the input as it was.
type report[T any] struct {
	To       string `json:"to"`
	Kind     string `json:"kind"`
	Code     string `json:"code,omitempty"`
	Message  string `json:"message"`
	Attempts int    `json:"attempts"`
	Input    T      `json:"input,omitempty"`
}

// Call returns the message that a failed one asked for, to be sent in place of
// keeping a dead letter; nil if it asked for none or has not failed. Runs is how often it was run.
func Call(env *wire.Envelope, why *wire.Failure, runs int, now wire.Time) *wire.Envelope {
	if why == nil || env.Policy == nil || env.Policy.OnFail == (wire.Address{}) {
		return nil
	}
	return &wire.Envelope{Kind: wire.Call, To: env.Policy.OnFail, Body: told(env, why, runs), Made: now, Lineage: wire.Lineage{Trace: env.Trace(), Chain: env.Chain()}.Some()}
}

// told is what the call says, in the format of the input that failed. What a
// continuation got is the answer of another, and no input.
func told(env *wire.Envelope, why *wire.Failure, runs int) wire.Payload {
	to := env.To.String()
	if env.Kind == wire.Call && env.Body.Format == wire.JSON {
		r := report[json.RawMessage]{to, why.Kind, why.Code, why.Message, runs, env.Body.Data}
		if b, err := json.Marshal(r); err == nil {
			return wire.Payload{Format: wire.JSON, Data: b}
		}
	}
	r := report[cbor.RawMessage]{to, why.Kind, why.Code, why.Message, runs, nil}
	if env.Kind == wire.Call && env.Body.Format == wire.CBOR {
		r.Input = env.Body.Data
	}
	b, err := codec.Encode(&r)
	if err != nil { // of a text that is not UTF-8, say
		b, _ = codec.Encode(&report[cbor.RawMessage]{To: to, Kind: why.Kind, Message: "the failure cannot be encoded: " + err.Error(), Attempts: runs})
	}
	return wire.Payload{Format: wire.CBOR, Data: b}
}
