package situ

import (
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// keptCall is a call that is kept as data.
type keptCall struct {
	Call      []byte        `json:"call"` // an envelope that only says what is called, and how
	After     time.Duration `json:"after,omitempty"`
	At        time.Time     `json:"at,omitzero"`
	Unchained bool          `json:"unchained,omitempty"`
	Failure   bool          `json:"failure,omitempty"`
	Want      wire.Format   `json:"want,omitempty"`
	Path      wire.Waiters  `json:"path,omitempty"`
	Within    time.Duration `json:"within,omitempty"`
	By        time.Time     `json:"by,omitzero"`
	Detached  bool          `json:"detached,omitempty"`
	Beat      time.Duration `json:"beat,omitempty"`
}

// MarshalBinary implements encoding.BinaryMarshaler: a call can be kept in a
// state and sent to others, who make it. Its idempotency key, which is for calls from
// outside, is left out. The error is that of Err.
func (c Call[O]) MarshalBinary() ([]byte, error) {
	if c.err != nil {
		return nil, c.Err()
	}
	env := &wire.Envelope{Kind: wire.Call, To: c.to, Body: c.in, Policy: c.policy, Settled: c.settled}
	return codec.EncodeSorted(&keptCall{Call: wire.AppendEnvelope(nil, env), After: c.after, At: c.at, Unchained: c.unchained, Failure: c.failure,
		Want: c.want, Path: c.path, Within: c.within, By: c.by, Detached: c.detached, Beat: c.beat})
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. An error is an *Error of Kind
// "corrupt": b is not what MarshalBinary returned.
func (c *Call[O]) UnmarshalBinary(b []byte) error {
	var k keptCall
	err := codec.Decode(b, &k)
	var env *wire.Envelope
	if err == nil {
		env, err = wire.DecodeEnvelope(k.Call)
	}
	if err != nil {
		return &Error{Kind: fault.Corrupt.String(), Message: "a kept call cannot be read: " + err.Error()}
	}
	*c = Call[O]{to: env.To, in: env.Body, policy: env.Policy, settled: env.Settled, after: k.After, at: k.At, unchained: k.Unchained, failure: k.Failure,
		want: k.Want, path: k.Path, within: k.Within, by: k.By, detached: k.Detached, beat: k.Beat}
	return nil
}

// NoCall returns a call that cannot be made: err is the error of each verb that is to
// make it. It is for packages that describe calls.
func NoCall[O any](err error) Call[O] { return Call[O]{err: err} }
