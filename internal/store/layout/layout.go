// Package layout is where things are in a data directory: the names of its
// files, and the keys of rows in the database. It says nothing of what a row
// holds.
package layout

import (
	"bytes"
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
	Sheets      Table = 'h' // of mail
	Marks       Table = 'k' // of sheets
	Timers      Table = 't'
	Outbox      Table = 'x'
	Inbox       Table = 'r'
	Invocations Table = 'i'
	Expiry      Table = 'z'
	Dead        Table = 'd'
	Spans       Table = 'n' // of chains
	Meter       Table = 'u'
	Pauses      Table = 'P'
	Parked      Table = 'K' // what arrived for what is paused
	Redrives    Table = 'J' // of dead letters
	Cancels     Table = 'N' // of chains
	Promises    Table = 'p'

	Tip Table = 'c' // up to where the shard's rows are in tables; see package chain
)

// Tables is all tables of a shard whose rows commits write.
var Tables = []Table{Meta, Objects, Entries, Mail, Sheets, Marks, Timers, Outbox, Inbox, Invocations, Expiry, Dead, Promises, Spans, Meter,
	Pauses, Parked, Redrives, Cancels}

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
	case Sheets:
		return "sheets"
	case Marks:
		return "marks"
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
	case Spans:
		return "spans"
	case Meter:
		return "meter"
	case Pauses:
		return "pauses"
	case Parked:
		return "parked"
	case Redrives:
		return "redrives"
	case Cancels:
		return "cancels"
	case Promises:
		return "promises"
	case Tip:
		return "tip"
	}
	return "table " + string(rune(t))
}

// A full key is the shard, the table, and the key. Memtables leave out the
// shard: they are of one. These are the bytes of the shard, and of both.
const (
	ShardLen  = 2
	PrefixLen = 3
)

// AppendKey appends a full key.
func AppendKey(b []byte, s wire.ShardID, t Table, key []byte) []byte {
	return append(append(binary.BigEndian.AppendUint16(b, uint16(s)), byte(t)), key...)
}

// Key returns a full key.
func Key(s wire.ShardID, t Table, key []byte) []byte {
	return AppendKey(make([]byte, 0, PrefixLen+len(key)), s, t, key)
}

// Bounds returns the full keys of the range [from, to) of a table; a nil to
// is the table's end. A range that ends before it begins is empty: Pebble
// must not see one.
func Bounds(s wire.ShardID, t Table, from, to []byte) (lo, hi []byte) {
	if to == nil {
		return Key(s, t, from), Key(s, t+1, nil)
	}
	if bytes.Compare(to, from) < 0 {
		to = from
	}
	return Key(s, t, from), Key(s, t, to)
}

// The rows that are of no shard: what a start has to know of files. No
// directory has so many shards.
const (
	NoShard wire.ShardID = 0xffff
	First   Table        = 'f' // the first segment of the log that is not in tables as a whole
	Values  Table        = 'v' // for each file with far values, by its number: its size, and how much of it is live
	Far     Table        = 'w' // for each table with far values: how many rows have one
)
