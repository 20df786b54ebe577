package situ

import (
	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ/internal/wire"
)

// Untyped describes a call of what is known only by its address, with an input
// that is encoded already. Its result is left as it is. It is for the packages of
// Situ: programs have a Method or a Func to call.
func Untyped(to wire.Address, in wire.Payload) Call[cbor.RawMessage] {
	return Call[cbor.RawMessage]{to: to, in: in}
}

// Unchained makes the call no part of what the turn that makes it is done for: it is
// Detached, and not of the chain either. It is for work that goes on for its own sake,
// as the next run of something that is done each day.
func (c Call[O]) Unchained() Call[O] { c.unchained = true; return c }
