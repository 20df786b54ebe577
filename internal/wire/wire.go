// Package wire holds the nouns that travel between parts of Situ or rest on
// disk, and their encoding. Everything imports it; it imports none of ours but
// fault. It does no I/O and knows nobody who uses it.
package wire

import (
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/situ-dev/situ/internal/fault"
)

// ShardID numbers a shard of a data directory, from 0.
type ShardID uint16

// NoShard stands for a shard that is not known. No data directory has so many.
const NoShard ShardID = 0xffff

// String returns the shard's number, for messages.
func (s ShardID) String() string { return "shard " + strconv.Itoa(int(s)) }

// Seq is a sequence number: of commits in a shard, of messages in a channel
// from one shard to another, or of arrivals in a shard. 0 means none.
type Seq uint64

// Time is an instant in Unix nanoseconds. 0 means none.
type Time int64

// ObjectID names one object: a type and a key.
type ObjectID struct{ Type, Key string }

// String returns "type/key".
func (o ObjectID) String() string { return o.Type + "/" + o.Key }

// Address names a method of an object, or, when Type is empty, a function
// (its name is in Method).
type Address struct{ Type, Key, Method string }

// Object returns the object that a belongs to.
func (a Address) Object() ObjectID { return ObjectID{a.Type, a.Key} }

// Function reports whether a names a function.
func (a Address) Function() bool { return a.Type == "" }

// String returns "type/key.method", or the function's name.
func (a Address) String() string {
	if a.Function() {
		return a.Method
	}
	return a.Type + "/" + a.Key + "." + a.Method
}

// Limits of names, in bytes.
const (
	MaxName = 128 // of types, methods, functions
	MaxKey  = 512 // of object keys
)

// CheckName reports whether s may name a type, method or function: letters,
// digits, '-', '_' and '.', starting with a letter or digit, at most MaxName
// bytes. The error is of kind fault.Invalid.
func CheckName(what, s string) error {
	if s == "" {
		return fault.New(fault.Invalid, "wire.name", what, "the name is empty")
	}
	if len(s) > MaxName {
		return fault.New(fault.Invalid, "wire.name", what, "the name has %d bytes; at most %d are allowed", len(s), MaxName)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if alnum || i > 0 && strings.IndexByte("-_.", c) >= 0 {
			continue
		}
		return fault.New(fault.Invalid, "wire.name", what,
			"the name %q has %q at position %d; names are letters, digits, '-', '_' and '.', and start with a letter or digit", s, string(c), i)
	}
	return nil
}

// CheckKey reports whether s may be an object's key: 1 to MaxKey bytes of
// UTF-8 without control characters. The error is of kind fault.Invalid.
func CheckKey(s string) error {
	if s == "" {
		return fault.New(fault.Invalid, "wire.key", "", "the key is empty")
	}
	if len(s) > MaxKey {
		return fault.New(fault.Invalid, "wire.key", "", "the key has %d bytes; at most %d are allowed", len(s), MaxKey)
	}
	for i, r := range s {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return fault.New(fault.Invalid, "wire.key", "", "the key %q has a control character or invalid UTF-8 at byte %d", s, i)
		}
	}
	return nil
}

// Format says how the bytes of a Payload are encoded. The numbers are on disk
// and on the wire: append only.
type Format uint8

// The formats.
const (
	None Format = 0 // no value; Data is empty
	CBOR Format = 1 // RFC 8949: between objects, and state
	JSON Format = 2 // RFC 8259: from and to the outside
)

// Payload is an encoded value.
type Payload struct {
	Format Format
	Data   []byte
}

// Failure is an answer that is an error. It is data: it is recorded, sent and
// shown. Kind is the durable name of a fault.Kind; Code is the application's
// own, when it gave one.
type Failure struct {
	Kind    string
	Code    string
	Message string
	Detail  string // a panic's stack, for people
}

// Refused is the code of a failure of the platform's own functions that nobody hears
// and that is kept as a dead letter: what they were to do is not to be had.
const Refused = "refused"

// Err returns f as an error, or nil for a nil f. On is what failed.
func (f *Failure) Err(on string) error {
	if f == nil {
		return nil
	}
	return &fault.Error{Kind: fault.ParseKind(f.Kind), On: on, Msg: f.Message, Code: f.Code}
}

// FailureOf describes err as data, or returns nil for nil.
func FailureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{Kind: fault.KindOf(err).String(), Message: err.Error()}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		f.Code = e.Code
	}
	return f
}

// BackKind says what kind of receiver a Callback names. Append only.
type BackKind uint8

// The kinds of receivers.
const (
	ToInvocation BackKind = 1 // a caller outside: ID at shard Shard
	ToMethod     BackKind = 2 // a later turn: To is a method or a function
	ToPromise    BackKind = 3 // a promise: ID at shard Shard, which passes it on
)

// Callback says where the result of a call goes. It is data, not a goroutine:
// it is stored in state, sent along and handed over.
type Callback struct {
	Kind   BackKind
	To     Address      // for ToMethod
	ID     InvocationID // for ToInvocation and ToPromise
	Shard  ShardID      // where ID is recorded
	Format Format       // how the receiver wants the value encoded
	Carry  Payload      // for ToMethod: what the earlier turn left for the later
	Parent *Callback    // for ToMethod: who gets the later turn's answer
	Chain  InvocationID // for ToMethod: of the call that will be answered, "" is none
	Asked  *Asked       // which call it will answer; nil if that is of no chain
	OnFail *Address     // for ToMethod: who is called if the later turn fails, nil is nobody
	// Deadline, for ToMethod, is that of the turn that will be continued: what the
	// later turn calls has it, too, as long as it is to come.
	Deadline Time
	Path     Waiters // for ToMethod: that of the turn that asked
}

// InvocationID names one call from outside. It is chosen at the door: random,
// or derived from the idempotency key, and begins with the shard that keeps
// its record.
type InvocationID string

// SpanID names a call in its chain. That of a continuation is one more than
// that of the call whose answer it takes; those of calls are even. 0 is none.
type SpanID uint64

// Continuation returns the name of what takes the answer of call s.
func (s SpanID) Continuation() SpanID { return s | 1 }

// Span is the place of a call, or of a continuation, in the tree of its chain,
// and what is known of its turns that failed.
type Span struct {
	ID     SpanID
	Parent SpanID // whose turn made it, or, of a continuation, waited; 0 is a caller outside
	Begun  Time   // its first run
	Active Time   // what its failed runs took, in all
	Left   bool   // there are too many of its chain: no row tells of it
}

// Asked is what a callback knows of the call that it will answer.
type Asked struct {
	By     SpanID // whose turn waits for the answer; 0 is a caller outside
	Call   SpanID
	Type   string // what is called, without its key
	Method string
	Made   Time
	Begun  Time   // its first run, 0 until then
	Trace  string // W3C traceparent of that call, if nobody handed the callback to it
	Tail   *Asked // the call that handed its callback to this one: one answer is that of both
}

// EnvelopeKind says what an envelope brings. Append only.
type EnvelopeKind uint8

// The kinds of envelopes.
const (
	Call  EnvelopeKind = 1
	Reply EnvelopeKind = 2
	// Cancel tells a shard that a chain was cancelled: Chain says which, Fail why, Due
	// until when that is to be known.
	Cancel EnvelopeKind = 3
)

// Envelope is a message: a call, or the reply that a callback asked for.
// After it has been handed to a shard it is not changed by anybody else.
type Envelope struct {
	Kind    EnvelopeKind
	Note    Note   // of the shard that holds it; it does not travel
	Settled bool   // not delivered before the turn that sent it is durable
	Attempt uint32 // runs that have failed
	To      Address
	Lineage *Lineage // nil for work of no chain
	Due     Time     // not before; 0 is now
	Made    Time     // when the call was made, Unix nanoseconds
	Seq     Seq      // arrival number in the shard that holds it

	// Of the shard that holds the envelope, too; here because it comes by them often,
	// and what it looks at is to be in one place.
	Next *Envelope // the one behind it in its mailbox

	Back   *Callback // where the answer goes; nil is nowhere
	Policy *Policy
	Fail   *Failure // the error of a reply; nil is success
	Body   Payload  // the input, or the value of a reply
	Carry  Payload  // of a reply: what its callback carried
	Local  any      // of the shard: who waits for the answer in this process
}

// Since returns when env was made or became due, whichever is later; 0 if it does not
// say, as replies to calls of no chain do not.
func (env *Envelope) Since() Time { return max(env.Made, env.Due) }

// Age returns how long ago that was, 0 if it is not known.
func (env *Envelope) Age(now Time) Time {
	if at := env.Since(); at != 0 {
		return now - at
	}
	return 0
}

// Note is what a shard remembers of an envelope that it holds.
type Note uint8

// The notes.
const (
	Volatile Note = 1 << iota // its caller waits and will see it fail: not kept on disk
	InMail                    // a row of the mail table says it
	InTimers                  // a row of the timer table says it
	Suspect                   // it ran when a worker died: run it alone
	Stale                     // its row does not say how often it has failed
	Gone                      // it was consumed
	InSheet                   // a row of the sheets table says it
	InSpans                   // it is counted among the spans of its chain
)

// ReplyTo makes the envelope that brings an answer to where cb says. For a
// caller outside and for a promise, To is empty and Back is cb itself.
func ReplyTo(cb *Callback, body Payload, fail *Failure) *Envelope {
	if cb.Kind != ToMethod {
		return &Envelope{Kind: Reply, Body: body, Fail: fail, Back: cb, Lineage: Lineage{Asked: cb.Asked}.Some()}
	}
	env := &Envelope{Kind: Reply, To: cb.To, Body: body, Fail: fail, Carry: cb.Carry, Back: cb.Parent,
		Lineage: Lineage{Chain: cb.Chain, Path: cb.Path, Deadline: cb.Deadline, Asked: cb.Asked, Trace: cb.Asked.trace()}.Some()}
	if cb.OnFail != nil {
		env.Policy = &Policy{OnFail: *cb.OnFail}
	}
	return env
}
