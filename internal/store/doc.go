// Package store keeps the rows of the shards of one node in a log, memtables
// and the tables of one Pebble database, so that what was acknowledged is
// there after a crash, or the store says which file lost it and does not open.
//
// It owns the data directory. What is in there is known by the packages below
// it: the log (wal), the newest rows (memtable), large values (far), the chain
// of commits of each shard (chain) and the marks that prove its end (mark). The
// shard loop writes and reads through it, one writer per shard; the server
// opens and closes it; `situ doctor` calls Check.
//
// It never decides what a row means, never repairs and never truncates:
// damage is an error of kind fault.Corrupt that names file, shard and
// sequence. DESIGN.md in this directory says what is checked by what.
package store
