package situ

import (
	"encoding/json"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/wire"
)

// Untyped describes a call of what is known by its name only: to is
// "type/key.method", or the name of a function, and in is encoded as JSON; nil
// is no input. The answer comes as JSON and is decoded into an O, which may be
// json.RawMessage. A malformed name, and an input that has no JSON, is an error of
// the verb.
func Untyped[O any](to string, in any) Call[O] {
	c := Call[O]{want: wire.JSON, failure: in == nil} // who makes the call makes the input
	if c.to, c.err = policy.ParseTarget(to); in == nil || c.err != nil {
		return c
	}
	b, err := json.Marshal(in)
	if err != nil {
		c.err = fault.New(fault.Invalid, "call", to, "the input cannot be written as JSON: %v", err)
	}
	c.in = wire.Payload{Format: wire.JSON, Data: b}
	return c
}
