// Package span is what is known of the calls of a chain: one row for each, the
// tree that they make, where the chain is now, and what it would cost if its
// callers waited. It is pure: rows in, answers out.
package span

import (
	"encoding/binary"
	"math"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// State is where a call is. The numbers are on disk: append only.
type State uint8

// The states.
const (
	Waiting  State = 1 // for its time, or for its turn
	Retrying State = 2 // for another run, after one that failed
	Ended    State = 3 // its turn is over
	GivenUp  State = 4 // it failed too often
)

// How says what became of the caller's callback when a turn ended. The numbers
// are on disk: append only.
type How uint8

// What became of it.
const (
	Answered How = 0 // or there was none
	Tailed   How = 1 // a call that the turn made has it
	Then     How = 2 // a later turn has it
	Held     How = 3 // it is kept in state
)

// Row is one call of a chain, or one continuation: what takes an answer.
type Row struct {
	ID, Parent wire.SpanID
	To         wire.Address
	State      State
	How        How
	Made, Due  wire.Time
	Begun      wire.Time // the first run
	Ended      wire.Time // the last run
	Next       wire.Time // when it is run again
	Active     wire.Time // of all runs
	Runs       uint32
	Sent       uint32      // calls that its turn made
	Answers    wire.SpanID // the call that its answer is the answer of; 0 is none
	Size       int         // of its input, in bytes
	In         wire.Payload
	Fail       *wire.Failure // with a short message
}

// Told is a span that has ended, as others are told of it.
type Told struct {
	Chain wire.InvocationID
	Trace string // W3C traceparent of the chain's call, "" is none
	Row   Row
}

// DoorParent is the parent in a traceparent that a door made itself, because a
// call came without one: told by it, nobody looks for a span of that name.
// Trace is 16 bytes.
func DoorParent(trace []byte) uint64 {
	return (binary.BigEndian.Uint64(trace)*0x9e3779b97f4a7c15 ^ binary.BigEndian.Uint64(trace[8:])) | 1
}

// Token is what the call of a callback token is named. No function can have that
// name.
const Token = "callback token"

// Of what a row keeps, these are the most bytes.
const (
	maxInput   = 96
	maxMessage = 200
)

// Continuation reports whether r takes an answer.
func (r *Row) Continuation() bool { return r.ID&1 == 1 }

// OneWay reports whether r is a call whose answer nobody hears.
func (r *Row) OneWay() bool { return !r.Continuation() && r.Answers == 0 }

// Of describes a message as it is: it waits, or has failed.
func Of(env *wire.Envelope) Row {
	s := env.Span()
	r := Row{ID: s.ID, Parent: s.Parent, To: env.To, State: Waiting, Made: env.Made, Due: env.Due,
		Begun: s.Begun, Active: s.Active, Runs: env.Attempt, Size: len(env.Body.Data), Fail: Short(env.Fail)}
	if env.Back != nil && env.Back.Asked != nil {
		r.Answers = env.Back.Asked.Top().Call
	}
	if env.Attempt > 0 {
		r.State = Retrying
	}
	switch {
	case env.To.Type == wire.TokenType: // what it is called by is a secret, and its input a schema
		r.To, r.Size = wire.Address{Method: Token}, 0
	case r.Size <= maxInput:
		r.In = env.Body
	case env.Body.Format == wire.JSON:
		r.In = wire.Payload{Format: wire.JSON, Data: env.Body.Data[:maxInput]}
	}
	return r
}

// Short returns f with a message of bounded length and without its detail.
func Short(f *wire.Failure) *wire.Failure {
	if f == nil {
		return nil
	}
	return &wire.Failure{Kind: f.Kind, Code: cut(f.Code), Message: cut(f.Message)}
}

func cut(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	n := maxMessage
	for n > 0 && s[n]&0xc0 == 0x80 { // not within a character
		n--
	}
	return s[:n] + "…"
}

// Append appends the encoding of r, without its ID: that is in its key. Times
// are told as distances from when it was made.
func Append(b []byte, r *Row) []byte {
	e := wire.Encoder{Buf: b}
	e.Int(1, uint64(r.Parent))
	e.String(2, r.To.Type)
	e.String(3, r.To.Key)
	e.String(4, r.To.Method)
	e.Int(5, uint64(r.State))
	e.Int(6, uint64(r.How))
	e.Int(7, uint64(r.Made))
	since := func(n byte, t wire.Time) {
		if t != 0 {
			e.Int(n, uint64(max(t-r.Made, 0))+1)
		}
	}
	since(8, r.Due)
	since(9, r.Begun)
	since(10, r.Ended)
	since(11, r.Next)
	e.Int(12, uint64(r.Active))
	e.Int(13, uint64(r.Runs))
	e.Int(14, uint64(r.Sent))
	e.Int(15, uint64(r.Answers))
	e.Int(16, uint64(r.Size))
	e.Int(17, uint64(r.In.Format))
	e.Bytes(18, r.In.Data)
	if r.Fail != nil {
		e.Nested(19, func(e *wire.Encoder) { e.Buf = wire.AppendFailure(e.Buf, r.Fail) })
	}
	return e.Buf
}

// Decode decodes what Append made. The input aliases b. The error is of kind
// fault.Corrupt.
func Decode(id wire.SpanID, b []byte) (r Row, err error) {
	r.ID = id
	var since [4]uint64
	d := wire.Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			r.Parent = wire.SpanID(d.Int())
		case 2:
			r.To.Type = d.Text()
		case 3:
			r.To.Key = d.Text()
		case 4:
			r.To.Method = d.Text()
		case 5:
			r.State = State(d.Small(math.MaxUint8))
		case 6:
			r.How = How(d.Small(math.MaxUint8))
		case 7:
			r.Made = wire.Time(d.Int())
		case 8, 9, 10, 11:
			since[n-8] = d.Int()
		case 12:
			r.Active = wire.Time(d.Int())
		case 13:
			r.Runs = uint32(d.Small(math.MaxUint32))
		case 14:
			r.Sent = uint32(d.Small(math.MaxUint32))
		case 15:
			r.Answers = wire.SpanID(d.Int())
		case 16:
			r.Size = int(d.Small(math.MaxInt32))
		case 17:
			r.In.Format = wire.Format(d.Small(math.MaxUint8))
		case 18:
			r.In.Data = d.Raw()
		case 19:
			if r.Fail, err = wire.DecodeFailure(d.Raw()); err != nil {
				return r, err
			}
		}
	}
	for i, t := range []*wire.Time{&r.Due, &r.Begun, &r.Ended, &r.Next} {
		if since[i] != 0 {
			*t = r.Made + wire.Time(since[i]-1)
		}
	}
	if d.Err() == nil && r.State == 0 {
		return r, fault.New(fault.Corrupt, "span", r.To.String(), "a span has no state")
	}
	return r, d.Err()
}

// Head is what a shard keeps of a chain beside its rows.
type Head struct {
	Rows uint64 // at least so many were written
	Left uint64 // were left out, because there are too many
}

// AppendHead appends the encoding of h.
func AppendHead(b []byte, h Head) []byte {
	e := wire.Encoder{Buf: b}
	e.Int(1, h.Rows)
	e.Int(2, h.Left)
	return e.Buf
}

// DecodeHead decodes what AppendHead made.
func DecodeHead(b []byte) (h Head, err error) {
	d := wire.Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			h.Rows = d.Int()
		case 2:
			h.Left = d.Int()
		}
	}
	return h, d.Err()
}
