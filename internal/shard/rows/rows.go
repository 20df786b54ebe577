// Package rows is the layout of a shard's rows: what the keys and values of
// each table are. It reads and writes nothing; its formats are on disk, and
// golden files hold them.
package rows

import (
	"encoding/binary"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// The rows of a shard, by table (see store.Table). Keys:
//
//	objects      type 0 key
//	entries      type 0 key 0 field 0 element
//	mail         seq
//	sheets       seq of the first message
//	marks        seq of the first message of the sheet
//	timers       due seq
//	outbox       dst(2) first seq of the segment
//	inbox        src(2)
//	invocations  id
//	expiry       when id
//	dead         seq
//	promises     id
//
// Numbers are big endian, so that their order is the order of bytes. Types,
// keys and fields have no zero byte. Values are fields of wire.Encoder, but
// for an object's: a version byte, the time of the change (8 bytes), the size
// of the whole state (uvarint), and the CBOR of the root.
const objectVersion = 1

// pinnedVersion is that of the row of an object that stays with a version of its
// program, whose name it has before the root.
const pinnedVersion = 2

func ObjectKey(id wire.ObjectID) []byte {
	return AppendObjectKey(make([]byte, 0, len(id.Type)+len(id.Key)+2), id)
}

func AppendObjectKey(k []byte, id wire.ObjectID) []byte {
	k = append(k, id.Type...)
	k = append(k, 0)
	return append(k, id.Key...)
}

// EntriesOf returns the range of keys of an object's entries.
func EntriesOf(id wire.ObjectID) (from, to []byte) {
	from = append(ObjectKey(id), 0)
	to = append(ObjectKey(id), 1)
	return from, to
}

func AppendEntryKey(k []byte, id wire.ObjectID, e turn.Entry) []byte {
	k = AppendObjectKey(k, id)
	k = append(k, 0)
	k = append(k, e.Field...)
	k = append(k, 0)
	return append(k, e.Key...)
}

// SplitEntry returns the field and element of an entry's key after its
// object's prefix (from EntriesOf).
func SplitEntry(rest []byte) (field string, element []byte, ok bool) {
	for i, c := range rest {
		if c == 0 {
			return string(rest[:i]), rest[i+1:], true
		}
	}
	return "", nil, false
}

func SeqKey(s wire.Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(s)) }

// SplitSeq returns the number in a SeqKey of table t. The errors of this and of
// the other Split functions are of kind fault.Corrupt, and name the table.
func SplitSeq(t store.Table, k []byte) (wire.Seq, error) {
	if len(k) != 8 {
		return 0, wrongLength(t, k)
	}
	return wire.Seq(binary.BigEndian.Uint64(k)), nil
}

func wrongLength(t store.Table, k []byte) error {
	return fault.New(fault.Corrupt, "rows.key", "", "the table of %v has a key of %d bytes, which cannot be: %x", t, len(k), k)
}

func TimerKey(due wire.Time, s wire.Seq) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(due)), uint64(s))
}

// SplitTimer returns the parts of a TimerKey.
func SplitTimer(k []byte) (due wire.Time, s wire.Seq, err error) {
	if len(k) != 16 {
		return 0, 0, wrongLength(store.Timers, k)
	}
	return wire.Time(binary.BigEndian.Uint64(k)), wire.Seq(binary.BigEndian.Uint64(k[8:])), nil
}

func ShardKey(id wire.ShardID) []byte { return binary.BigEndian.AppendUint16(nil, uint16(id)) }

// SplitShard returns the shard of a ShardKey of table t.
func SplitShard(t store.Table, k []byte) (wire.ShardID, error) {
	if len(k) != 2 {
		return 0, wrongLength(t, k)
	}
	return wire.ShardID(binary.BigEndian.Uint16(k)), nil
}

func OutboxKey(dst wire.ShardID, first wire.Seq) []byte {
	return binary.BigEndian.AppendUint64(ShardKey(dst), uint64(first))
}

// SplitOutbox returns the parts of an OutboxKey.
func SplitOutbox(k []byte) (dst wire.ShardID, first wire.Seq, err error) {
	if len(k) != 10 {
		return 0, 0, wrongLength(store.Outbox, k)
	}
	return wire.ShardID(binary.BigEndian.Uint16(k)), wire.Seq(binary.BigEndian.Uint64(k[2:])), nil
}

func ExpiryKey(at wire.Time, id wire.InvocationID) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(at)), id...)
}

// SplitExpiry returns the parts of an ExpiryKey.
func SplitExpiry(k []byte) (at wire.Time, id wire.InvocationID, err error) {
	if len(k) < 8 {
		return 0, "", wrongLength(store.Expiry, k)
	}
	return wire.Time(binary.BigEndian.Uint64(k)), wire.InvocationID(k[8:]), nil
}

// Object is the decoded value of a row of the objects table.
type Object struct {
	Modified wire.Time
	Size     int    // bytes of the whole state
	Root     []byte // CBOR
	Pin      string // the program that it stays with, "" for none
}

// AppendObjectHead appends what comes before the root in an object's row. Pin is the
// name of the program that it stays with, "" for none.
func AppendObjectHead(b []byte, modified wire.Time, size int, pin string) []byte {
	version := byte(objectVersion)
	if pin != "" {
		version = pinnedVersion
	}
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(modified))
	b = binary.AppendUvarint(b, uint64(size))
	if pin != "" {
		b = append(binary.AppendUvarint(b, uint64(len(pin))), pin...)
	}
	return b
}

func DecodeObject(b []byte) (Object, error) {
	if len(b) < 10 || b[0] != objectVersion && b[0] != pinnedVersion {
		return Object{}, fault.New(fault.Corrupt, "rows.object", "", "an object's row has an unknown version or is cut short")
	}
	size, n := binary.Uvarint(b[9:])
	if n <= 0 {
		return Object{}, fault.New(fault.Corrupt, "rows.object", "", "an object's row is cut short")
	}
	o := Object{Modified: wire.Time(binary.BigEndian.Uint64(b[1:])), Size: int(size), Root: b[9+n:]}
	if b[0] == pinnedVersion {
		length, n := binary.Uvarint(o.Root)
		if n <= 0 || length > uint64(len(o.Root)-n) {
			return Object{}, fault.New(fault.Corrupt, "rows.object", "", "the name in an object's row is cut short")
		}
		o.Pin, o.Root = string(o.Root[n:n+int(length)]), o.Root[n+int(length):]
	}
	return o, nil
}

// Segment is a run of messages from one shard to another. Their numbers in the
// channel are dense, from First on. It is also a row of the outbox. Without
// messages it is a question: did all before First arrive?
type Segment struct {
	From   wire.ShardID
	First  wire.Seq
	Envs   []*wire.Envelope
	Oldest wire.Seq // the first that the sender still has, 0 if that is not told
}

// Last returns the number of the last message.
func (s Segment) Last() wire.Seq { return s.First + wire.Seq(len(s.Envs)) - 1 }

func AppendSegment(b []byte, envs []*wire.Envelope) []byte {
	e := wire.Encoder{Buf: b}
	e.Int(1, uint64(len(envs)))
	for _, env := range envs {
		e.Nested(2, func(e *wire.Encoder) { e.Buf = wire.AppendEnvelope(e.Buf, env) })
	}
	return e.Buf
}

func DecodeSegment(b []byte) ([]*wire.Envelope, error) {
	var envs []*wire.Envelope
	d := wire.Decoder{Buf: b}
	want := uint64(0)
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			want = d.Int()
		case 2:
			env, err := wire.DecodeEnvelope(d.Raw())
			if err != nil {
				return nil, err
			}
			envs = append(envs, env)
		}
	}
	if d.Err() == nil && want != uint64(len(envs)) {
		return nil, fault.New(fault.Corrupt, "rows.segment", "", "a segment says %d messages and has %d", want, len(envs))
	}
	return envs, d.Err()
}

// maxSheet is how far apart the numbers of a sheet may be.
const maxSheet = 1 << 20

// AppendSheet appends a row of the sheets: messages in the order of their
// numbers. The row's key is the number of the first.
func AppendSheet(b []byte, envs []*wire.Envelope) []byte {
	e := wire.Encoder{Buf: b}
	e.Int(1, uint64(len(envs)))
	for _, env := range envs {
		e.Int(2, uint64(env.Seq-envs[0].Seq))
		e.Nested(3, func(e *wire.Encoder) { e.Buf = wire.AppendEnvelope(e.Buf, env) })
	}
	return e.Buf
}

// DecodeSheet is the reverse of AppendSheet.
func DecodeSheet(first wire.Seq, b []byte) ([]*wire.Envelope, error) {
	var envs []*wire.Envelope
	d := wire.Decoder{Buf: b}
	want, at, next := uint64(0), uint64(0), uint64(0)
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			want = d.Int()
		case 2:
			at = d.Int()
		case 3:
			env, err := wire.DecodeEnvelope(d.Raw())
			if err != nil {
				return nil, err
			}
			if at < next || at > maxSheet {
				return nil, fault.New(fault.Corrupt, "rows.sheet", "", "message %d of a sheet is out of order", len(envs)+1)
			}
			env.Seq, next = first+wire.Seq(at), at+1
			envs = append(envs, env)
			at = 0
		}
	}
	if d.Err() == nil && (want != uint64(len(envs)) || want == 0) {
		return nil, fault.New(fault.Corrupt, "rows.sheet", "", "a sheet says %d messages and has %d", want, len(envs))
	}
	return envs, d.Err()
}

func EncodeInvocation(v *wire.Invocation) []byte {
	var e wire.Encoder
	e.String(1, v.To.Type)
	e.String(2, v.To.Key)
	e.String(3, v.To.Method)
	e.Int(4, uint64(v.Created))
	e.Int(5, uint64(v.Finished))
	e.Int(6, uint64(v.Expires))
	e.Bytes(7, v.Digest)
	e.Int(8, uint64(v.Body.Format))
	e.Bytes(9, v.Body.Data)
	if v.Fail != nil {
		e.Nested(10, func(e *wire.Encoder) { e.Buf = wire.AppendFailure(e.Buf, v.Fail) })
	}
	e.String(20, v.URL)
	return e.Buf
}

func DecodeInvocation(id wire.InvocationID, b []byte) (*wire.Invocation, error) {
	v := &wire.Invocation{ID: id}
	d := wire.Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			v.To.Type = d.Text()
		case 2:
			v.To.Key = d.Text()
		case 3:
			v.To.Method = d.Text()
		case 4:
			v.Created = wire.Time(d.Int())
		case 5:
			v.Finished = wire.Time(d.Int())
		case 6:
			v.Expires = wire.Time(d.Int())
		case 7:
			v.Digest = d.Raw()
		case 8:
			v.Body.Format = wire.Format(d.Int())
		case 9:
			v.Body.Data = d.Raw()
		case 10:
			f, err := wire.DecodeFailure(d.Raw())
			if err != nil {
				return nil, err
			}
			v.Fail = f
		case 20:
			v.URL = d.Text()
		}
	}
	return v, d.Err()
}

func EncodeDead(d *wire.DeadLetter) []byte {
	var e wire.Encoder
	e.Nested(1, func(e *wire.Encoder) { e.Buf = wire.AppendEnvelope(e.Buf, d.Envelope) })
	if d.Reason != nil {
		e.Nested(2, func(e *wire.Encoder) { e.Buf = wire.AppendFailure(e.Buf, d.Reason) })
	}
	e.Int(3, uint64(d.At))
	if d.Halts {
		e.Int(4, 1)
	}
	return e.Buf
}

func DecodeDead(id string, b []byte) (*wire.DeadLetter, error) {
	v := &wire.DeadLetter{ID: id}
	d := wire.Decoder{Buf: b}
	var err error
	for n, ok := d.Next(); ok && err == nil; n, ok = d.Next() {
		switch n {
		case 1:
			v.Envelope, err = wire.DecodeEnvelope(d.Raw())
		case 2:
			v.Reason, err = wire.DecodeFailure(d.Raw())
		case 3:
			v.At = wire.Time(d.Int())
		case 4:
			v.Halts = d.Int() != 0
		}
	}
	if err == nil {
		err = d.Err()
	}
	if err == nil && v.Envelope == nil {
		err = fault.New(fault.Corrupt, "rows.dead", id, "a dead letter has no message")
	}
	return v, err
}
