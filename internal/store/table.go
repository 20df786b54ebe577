package store

import "github.com/situ-dev/situ/internal/store/layout"

// Table is the third byte of every key. Append only: the bytes are on disk.
type Table = layout.Table

// The tables of a shard. What their rows hold is their users' business.
const (
	Meta        = layout.Meta
	Objects     = layout.Objects
	Entries     = layout.Entries
	Mail        = layout.Mail
	Sheets      = layout.Sheets // of mail
	Marks       = layout.Marks  // of sheets
	Timers      = layout.Timers
	Outbox      = layout.Outbox
	Inbox       = layout.Inbox
	Invocations = layout.Invocations
	Expiry      = layout.Expiry
	Dead        = layout.Dead
	Spans       = layout.Spans // of chains
	Meter       = layout.Meter
	Pauses      = layout.Pauses
	Parked      = layout.Parked
	Redrives    = layout.Redrives
	Cancels     = layout.Cancels
	Promises    = layout.Promises
)
