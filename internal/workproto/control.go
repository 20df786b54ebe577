package workproto

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Version is that of the protocol. Both sides must have the same: a program
// is built with the engine that runs it.
const Version = 1

// Type says what a message is. Append only.
type Type uint8

// The types of messages.
const (
	TypeHello    Type = 1
	TypeWelcome  Type = 2
	TypeRefuse   Type = 3
	TypeAttach   Type = 4
	TypeShutdown Type = 5
	TypePing     Type = 6
	TypePong     Type = 7
	TypeTasks    Type = 8
	TypeReport   Type = 9
	TypeCancel   Type = 10
)

// String returns the type's name, for messages.
func (t Type) String() string {
	names := [...]string{"", "hello", "welcome", "refuse", "attach", "shutdown", "ping", "pong", "tasks", "report", "cancel"}
	if t == 0 || int(t) >= len(names) {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return names[t]
}

// Hello opens a control connection.
type Hello struct {
	Version  int
	PID      int
	Token    string // of the process that the engine started; "" of one started by hand
	Build    string // of the program, for people
	Manifest []byte // host.Manifest as JSON
}

// Welcome answers Hello: how many shards there are and how to run their turns.
type Welcome struct {
	Version  int
	Token    string // for the Attach of each shard's connection
	Shards   int
	MaxFrame int // bytes of the longest message
	Patience time.Duration
	Slice    time.Duration
	Timeout  time.Duration // negative: never
	Grace    time.Duration
	MaxState int
	Verify   bool
	Lanes    int // connections for functions, which are attached after those of the shards
}

// Refuse answers Hello when the program cannot be the worker.
type Refuse struct{ Why string }

// Attach opens the connection of a shard.
type Attach struct {
	Token string
	Shard wire.ShardID
}

// Shutdown asks the worker to finish what runs and to end.
type Shutdown struct{ Why string }

// Ping asks for a Pong with the same number.
type Ping struct{ N uint64 }

// Pong answers a Ping. Reported says of each connection, in the order of
// Attach, which frame was the last whose report has been sent, 0 for none.
type Pong struct {
	N        uint64
	Reported []uint64
}

// Cancel, on the connection of a shard, says that nobody needs the answer of a task
// any more that the worker has. It is told so, if it still runs.
type Cancel struct {
	Frame uint64
	Index int
}

// Message returns the whole message.
func (m *Cancel) Message() []byte { return End(Append(Begin(nil, m.Type()), m), 0) }

// A Message is one of the structs above.
type Message interface {
	Type() Type
	encode(*wire.Encoder)
}

// Type implements Message.
func (*Hello) Type() Type { return TypeHello }

// Type implements Message.
func (*Welcome) Type() Type { return TypeWelcome }

// Type implements Message.
func (*Refuse) Type() Type { return TypeRefuse }

// Type implements Message.
func (*Attach) Type() Type { return TypeAttach }

// Type implements Message.
func (*Shutdown) Type() Type { return TypeShutdown }

// Type implements Message.
func (*Ping) Type() Type { return TypePing }

// Type implements Message.
func (*Pong) Type() Type { return TypePong }

// Type implements Message.
func (*Cancel) Type() Type { return TypeCancel }

func (m *Hello) encode(e *wire.Encoder) {
	e.Int(1, uint64(m.Version))
	e.Int(2, uint64(m.PID))
	e.String(3, m.Token)
	e.String(4, m.Build)
	e.Bytes(5, m.Manifest)
}

func (m *Welcome) encode(e *wire.Encoder) {
	e.Int(1, uint64(m.Version))
	e.String(2, m.Token)
	e.Int(3, uint64(m.Shards))
	e.Int(4, uint64(m.MaxFrame))
	e.Int(5, uint64(m.Patience))
	e.Int(6, uint64(m.Slice))
	e.Int(7, uint64(m.Timeout))
	e.Int(8, uint64(m.Grace))
	e.Int(9, uint64(m.MaxState))
	if m.Verify {
		e.Int(10, 1)
	}
	e.Int(11, uint64(m.Lanes))
}

func (m *Refuse) encode(e *wire.Encoder) { e.String(1, m.Why) }

func (m *Attach) encode(e *wire.Encoder) {
	e.String(1, m.Token)
	e.Int(2, uint64(m.Shard))
}

func (m *Shutdown) encode(e *wire.Encoder) { e.String(1, m.Why) }
func (m *Ping) encode(e *wire.Encoder)     { e.Int(1, m.N) }

func (m *Pong) encode(e *wire.Encoder) {
	e.Int(1, m.N)
	var all []byte
	for _, n := range m.Reported {
		all = binary.AppendUvarint(all, n)
	}
	e.Bytes(2, all)
}

func (m *Cancel) encode(e *wire.Encoder) {
	e.Int(1, m.Frame)
	e.Int(2, uint64(m.Index))
}

// Append appends the body of m to buf.
func Append(buf []byte, m Message) []byte {
	e := wire.Encoder{Buf: buf}
	m.encode(&e)
	return e.Buf
}

// Decode decodes the body of a message of the control connection, an Attach, or a
// Cancel. Byte strings alias b. The error is of kind fault.Corrupt.
func Decode(t Type, b []byte) (Message, error) {
	d := wire.Decoder{Buf: b}
	var m Message
	var field func(n byte)
	switch t {
	case TypeHello:
		h := &Hello{}
		m, field = h, func(n byte) { h.field(n, &d) }
	case TypeWelcome:
		w := &Welcome{}
		m, field = w, func(n byte) { w.field(n, &d) }
	case TypeRefuse:
		r := &Refuse{}
		m, field = r, func(n byte) { text(n, &d, &r.Why) }
	case TypeAttach:
		a := &Attach{}
		m, field = a, func(n byte) { a.field(n, &d) }
	case TypeShutdown:
		s := &Shutdown{}
		m, field = s, func(n byte) { text(n, &d, &s.Why) }
	case TypePing:
		p := &Ping{}
		m, field = p, func(n byte) { number(n, &d, &p.N) }
	case TypePong:
		p := &Pong{}
		m, field = p, func(n byte) { p.field(n, &d) }
	case TypeCancel:
		c := &Cancel{}
		m, field = c, func(n byte) { c.field(n, &d) }
	default:
		return nil, corrupt("a message of %v where none is due", t)
	}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		field(n)
	}
	if d.Err() != nil {
		return nil, d.Err()
	}
	return m, nil
}

func text(n byte, d *wire.Decoder, s *string) {
	if n == 1 {
		*s = d.Text()
	}
}

func number(n byte, d *wire.Decoder, v *uint64) {
	if n == 1 {
		*v = d.Int()
	}
}

func (m *Hello) field(n byte, d *wire.Decoder) {
	switch n {
	case 1:
		m.Version = count(d)
	case 2:
		m.PID = count(d)
	case 3:
		m.Token = d.Text()
	case 4:
		m.Build = d.Text()
	case 5:
		m.Manifest = d.Raw()
	}
}

func (m *Welcome) field(n byte, d *wire.Decoder) {
	switch n {
	case 1:
		m.Version = count(d)
	case 2:
		m.Token = d.Text()
	case 3:
		m.Shards = count(d)
	case 4:
		m.MaxFrame = count(d)
	case 5:
		m.Patience = time.Duration(d.Int())
	case 6:
		m.Slice = time.Duration(d.Int())
	case 7:
		m.Timeout = time.Duration(d.Int())
	case 8:
		m.Grace = time.Duration(d.Int())
	case 9:
		m.MaxState = count(d)
	case 10:
		m.Verify = d.Int() != 0
	case 11:
		m.Lanes = count(d)
	}
}

func (m *Attach) field(n byte, d *wire.Decoder) {
	switch n {
	case 1:
		m.Token = d.Text()
	case 2:
		m.Shard = wire.ShardID(min(d.Int(), 1<<16-1))
	}
}

func (m *Cancel) field(n byte, d *wire.Decoder) {
	switch n {
	case 1:
		m.Frame = d.Int()
	case 2:
		m.Index = count(d)
	}
}

func (m *Pong) field(n byte, d *wire.Decoder) {
	switch n {
	case 1:
		m.N = d.Int()
	case 2:
		for rest := d.Raw(); len(rest) > 0; {
			v, size := binary.Uvarint(rest)
			if size <= 0 {
				return // it says nothing that can be used
			}
			m.Reported, rest = append(m.Reported, v), rest[size:]
		}
	}
}

// count returns the number just read, as an int that is not negative.
func count(d *wire.Decoder) int { return int(min(d.Int(), 1<<62)) }

func corrupt(format string, args ...any) error {
	return fault.New(fault.Corrupt, "workproto", "", format, args...)
}
