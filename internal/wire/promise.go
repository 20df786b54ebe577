package wire

import (
	"encoding/base32"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// TokenType is the type of the object that a call of a callback token is made
// to; its key is the token. No program can have such a type: the call never
// leaves the shard that takes it, and whoever has the token answers it.
const TokenType = "~token"

// HoldMethod is what a call to TokenType names that keeps the callback of a call
// whose chain may be cancelled: the promise is in the state of an object, which
// answers it, and the shard tells the caller if the chain is cancelled before.
const HoldMethod = "hold"

// HoldCall returns the message that keeps back: whoever answers the promise that is
// returned with it answers back, once. Holder is the object that has the promise.
func HoldCall(id InvocationID, shard ShardID, back *Callback, holder ObjectID) (*Envelope, *Callback) {
	env := &Envelope{Kind: Call, To: Address{TokenType, string(id), HoldMethod}, Back: back, Body: Payload{Format: CBOR, Data: []byte(holder.String())}}
	return env, &Callback{Kind: ToPromise, ID: id, Shard: shard, Format: back.Format}
}

// Holds reports whether env is a HoldCall.
func (env *Envelope) Holds() bool { return env.To.Type == TokenType && env.To.Method == HoldMethod }

// Holder returns the object that has the promise which a HoldCall makes.
func (env *Envelope) Holder() (o ObjectID) {
	o.Type, o.Key, _ = strings.Cut(string(env.Body.Data), "/")
	return o
}

// Over says how a promise ended. Append only.
type Over uint8

// The ends of a promise.
const (
	Open     Over = 0 // it is waited for
	Answered Over = 1
	Expired  Over = 2 // nobody answered in time, and its caller was told
	Canceled Over = 3 // its chain was cancelled, and its caller was told
)

// Promise is a callback that has an answer by a certain time: the first answer
// that comes is passed on, and no other. It is kept by the shard that made it.
type Promise struct {
	Back   *Callback // who waits for the answer; nil when it is over
	Made   Time
	Until  Time   // it lapses then at the latest
	Due    Time   // of its timer,
	Timer  Seq    // and the number of that
	On     string // what was called, for the message when it lapses
	Token  bool   // somebody outside answers it, who has its ID
	Schema []byte // of a Token: the JSON Schema of the answer; empty admits everything
	Every  Time   // of a Token: how long it may be silent, in nanoseconds; 0 is for ever
	Beat   Time   // the last sign of life
	Over   Over   // of a Token that is remembered for a while,
	Ended  Time   // and since when
	// Chain is that of the call, "" if the promise is none that is told of a cancel: its callee
	// is. Holder is the object in whose state it is.
	Chain  InvocationID
	Holder ObjectID
}

// AppendPromise appends the encoding of p to buf.
func AppendPromise(buf []byte, p *Promise) []byte {
	e := Encoder{buf}
	if p.Back != nil {
		at := e.open(1)
		p.Back.encode(&e)
		e.close(at)
	}
	e.Int(2, uint64(p.Made))
	e.Int(3, uint64(p.Until))
	e.Int(4, uint64(p.Due))
	e.Int(5, uint64(p.Timer))
	e.String(6, p.On)
	if p.Token {
		e.Int(7, 1)
	}
	e.Bytes(8, p.Schema)
	e.Int(9, uint64(p.Every))
	e.Int(10, uint64(p.Beat))
	e.Int(11, uint64(p.Over))
	e.Int(12, uint64(p.Ended))
	e.String(13, string(p.Chain))
	e.String(14, p.Holder.Type)
	e.String(15, p.Holder.Key)
	return e.Buf
}

// DecodePromise decodes what AppendPromise made. Payloads and the schema alias
// b. The error is of kind fault.Corrupt.
func DecodePromise(b []byte) (*Promise, error) {
	p, d := new(Promise), Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			p.Back = new(Callback)
			d.nested(func(in *Decoder) { p.Back.decode(in, 0) })
		case 2:
			p.Made = Time(d.Int())
		case 3:
			p.Until = Time(d.Int())
		case 4:
			p.Due = Time(d.Int())
		case 5:
			p.Timer = Seq(d.Int())
		case 6:
			p.On = d.Text()
		case 7:
			p.Token = d.Int() != 0
		case 8:
			p.Schema = d.Raw()
		case 9:
			p.Every = Time(d.Int())
		case 10:
			p.Beat = Time(d.Int())
		case 11:
			p.Over = Over(d.Small(math.MaxUint8))
		case 12:
			p.Ended = Time(d.Int())
		case 13:
			p.Chain = InvocationID(d.Text())
		case 14:
			p.Holder.Type = d.Text()
		case 15:
			p.Holder.Key = d.Text()
		}
	}
	return p, d.Err()
}

// tokenLen is the length of a callback token: the shard in four hex digits, and
// 128 random bits in base 32.
const tokenLen = 4 + 1 + 26

var tokenText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewToken returns a callback token whose promise is at shard. Secret is its
// unguessable part.
func NewToken(shard ShardID, secret [16]byte) InvocationID {
	return InvocationID(fmt.Sprintf("%04x-", uint16(shard)) + tokenText.EncodeToString(secret[:]))
}

// TokenShard returns the shard at which a callback token has its promise, and
// whether it may be a token at all.
func TokenShard(token InvocationID) (ShardID, bool) {
	if len(token) != tokenLen || token[4] != '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(token[:4]), 16, 16)
	if err == nil {
		_, err = tokenText.DecodeString(string(token[5:]))
	}
	return ShardID(n), err == nil
}
