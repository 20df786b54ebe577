package layout

// What is in a data directory. A segment, of the log or with values, is named by
// package wal.
const (
	IdentityFile = "situ.json" // what the directory is
	LockFile     = "LOCK"
	MarksFile    = "situ.hwm" // the high-water marks
	PebbleDir    = "pebble"
	LogDir       = "log"
	ValuesDir    = "values"
	MakingFile   = "situ.creating" // there while the directory is being made
	AcceptFile   = "situ.accept"   // made by a person who accepts a loss
	TableFile    = "situ.sst"      // a table that Pebble has not taken yet
)
