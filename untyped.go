package situ

import (
	"encoding/json"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/wire"
)

// Addressed describes a call of what is known only by its address, with an input
// that is encoded already. Its result is left as it is. It is for the packages of
// Situ: programs have a Method or a Func to call.
func Addressed(to wire.Address, in wire.Payload) Call[cbor.RawMessage] {
	return Call[cbor.RawMessage]{to: to, in: in}
}

// Unchained makes the call no part of what the turn that makes it is done for: it is
// Detached, and not of the chain either. It is for work that goes on for its own sake,
// as the next run of something that is done each day.
func (c Call[O]) Unchained() Call[O] { c.unchained = true; return c }

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
