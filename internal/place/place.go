// Package place says where an object lives. It is pure: the same object and
// the same number of shards give the same shard, on every machine and in
// every release, because data on disk lies where this package put it.
package place

import (
	"github.com/cespare/xxhash/v2"

	"github.com/situ-dev/situ/internal/wire"
)

// Shard returns the shard that object o belongs to, of shards 0 to shards-1.
// It panics if shards is not between 1 and 65536, which is a programmer's
// error: the number is fixed when the data directory is made and checked then.
//
// The shard is xxHash64 with seed 0 of the bytes of the type, one zero byte
// and the bytes of the key, as an unsigned number, modulo shards. Names of
// types have no zero byte, so no two objects hash the same bytes. Changing any
// of this would lose sight of stored objects; testdata/placement.golden fixes
// it.
func Shard(o wire.ObjectID, shards int) wire.ShardID {
	if shards < 1 || shards > 1<<16 {
		panic("place: the number of shards must be between 1 and 65536")
	}
	return wire.ShardID(hash(o) % uint64(shards))
}

// hash returns the hash of the object's name, without allocating for names
// that are short. Nearly all are, and clearing a buffer for the longest costs
// more than hashing a usual one.
func hash(o wire.ObjectID) uint64 {
	const short = 64
	if len(o.Type)+1+len(o.Key) <= short {
		var b [short]byte
		n := copy(b[:], o.Type)
		n++ // the zero byte
		n += copy(b[n:], o.Key)
		return xxhash.Sum64(b[:n])
	}
	var zero [1]byte
	var d xxhash.Digest
	d.Reset()
	d.WriteString(o.Type)
	d.Write(zero[:])
	d.WriteString(o.Key)
	return d.Sum64()
}
