package store

import (
	"encoding/binary"

	"github.com/situ-dev/situ/internal/wire"
)

// Table is the third byte of every key. Append only: the bytes are on disk.
type Table byte

// The tables of a shard. What their rows hold is their users' business.
const (
	Meta        Table = 's'
	Objects     Table = 'o'
	Entries     Table = 'e'
	Mail        Table = 'm'
	Timers      Table = 't'
	Outbox      Table = 'x'
	Inbox       Table = 'r'
	Invocations Table = 'i'
	Expiry      Table = 'z'
	Dead        Table = 'd'

	tableChain Table = 'c' // written by Commit only
)

// String returns the name of the table.
func (t Table) String() string {
	switch t {
	case Meta:
		return "meta"
	case Objects:
		return "objects"
	case Entries:
		return "entries"
	case Mail:
		return "mail"
	case Timers:
		return "timers"
	case Outbox:
		return "outbox"
	case Inbox:
		return "inbox"
	case Invocations:
		return "invocations"
	case Expiry:
		return "expiry"
	case Dead:
		return "dead"
	case tableChain:
		return "chain"
	}
	return "table " + string(rune(t))
}

const prefixLen = 3

func putPrefix(p []byte, s wire.ShardID, t Table) {
	binary.BigEndian.PutUint16(p, uint16(s))
	p[2] = byte(t)
}

// rowKey returns a full key.
func rowKey(s wire.ShardID, t Table, key []byte) []byte {
	p := make([]byte, prefixLen+len(key))
	putPrefix(p, s, t)
	copy(p[prefixLen:], key)
	return p
}

// bounds returns the full keys of the range [from, to) of a table; a nil to
// is the table's end.
func bounds(s wire.ShardID, t Table, from, to []byte) (lo, hi []byte) {
	if to == nil {
		return rowKey(s, t, from), rowKey(s, t+1, nil)
	}
	return rowKey(s, t, from), rowKey(s, t, to)
}

func chainKey(s wire.ShardID, seq wire.Seq) []byte {
	return rowKey(s, tableChain, binary.BigEndian.AppendUint64(nil, uint64(seq)))
}
