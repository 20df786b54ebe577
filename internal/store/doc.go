// Package store keeps the rows of the shards of one node: the newest in a log
// and in memory, the others in the tables of a Pebble database. What was
// acknowledged is there after a crash, or the store says which file lost it and
// does not open.
//
// It owns the data directory: its identity, the key layout (two bytes of
// shard, one byte of table, then the caller's key), the chain of commits of
// each shard and the high-water marks that prove its end. The shard loop
// writes and reads through it, one writer per shard; the server opens and
// closes it; `situ doctor` calls Check.
//
// It never decides what a row means, never repairs and never truncates:
// damage is an error of kind fault.Corrupt that names file, shard and
// sequence. DESIGN.md in this directory says what is checked by what.
package store
