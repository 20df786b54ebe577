package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/wire"
)

// keepLinks is the least number of links a shard keeps; a flush may let it
// keep more, and it drops them this many at a time.
const keepLinks = 256

const linkVersion = 1

// link is one row of the commit chain: table 'c', key the sequence in eight
// big-endian bytes. It is written in the batch it describes.
type link struct {
	first wire.Seq // the lowest sequence whose link must still be there
	prev  uint64   // hash of the link before
	hash  uint64   // of prev, shard, sequence and the batch's own operations
}

var errLink = errors.New("malformed chain row")

func (l link) append(b []byte) []byte {
	b = append(b, linkVersion)
	b = binary.BigEndian.AppendUint64(b, l.prev)
	b = binary.BigEndian.AppendUint64(b, l.hash)
	return binary.AppendUvarint(b, uint64(l.first))
}

func decodeLink(p []byte) (link, error) {
	if len(p) < 18 || p[0] != linkVersion {
		return link{}, errLink
	}
	first, n := binary.Uvarint(p[17:])
	if n != len(p)-17 || first == 0 || (n > 1 && p[len(p)-1] == 0) {
		return link{}, errLink
	}
	return link{wire.Seq(first), binary.BigEndian.Uint64(p[1:]), binary.BigEndian.Uint64(p[9:])}, nil
}

// linkHash binds a batch to its place. xxhash64: the chain guards against
// damage, stale files and our own bugs, not against an adversary, who could
// rewrite the whole directory anyway; it costs 0.1 ms per MiB.
func linkHash(prev uint64, shard wire.ShardID, seq wire.Seq, ops []byte) uint64 {
	var head [18]byte
	binary.BigEndian.PutUint64(head[:], prev)
	binary.BigEndian.PutUint16(head[8:], uint16(shard))
	binary.BigEndian.PutUint64(head[10:], uint64(seq))
	d := xxhash.New()
	d.Write(head[:])
	d.Write(ops)
	return d.Sum64()
}

// tip is what a shard knows of its own chain.
type tip struct {
	last  wire.Seq // 0: no commit yet
	hash  uint64   // of last
	first wire.Seq // lowest kept; 1 at the start
}

// readChain walks the links of a shard: they must run from the first that
// the last one names to the last, without a gap, each naming the hash of the
// one before. It returns the tip and the hash of the link at want, if kept.
func readChain(db pebble.Reader, shard wire.ShardID, want wire.Seq) (t tip, at *uint64, err error) {
	t.first = 1
	lo, hi := bounds(shard, tableChain, nil, nil)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return t, nil, err
	}
	defer func() { _ = it.Close() }()
	var l link
	var low wire.Seq
	for ok := it.First(); ok; ok = it.Next() {
		if len(it.Key()) != prefixLen+8 {
			return t, nil, problemf(shard, t.last, "a chain row has a key of %d bytes", len(it.Key()))
		}
		seq := wire.Seq(binary.BigEndian.Uint64(it.Key()[prefixLen:]))
		next, err := decodeLink(it.Value())
		switch {
		case err != nil:
			return t, nil, problemf(shard, seq, "the chain row of commit %d is malformed", seq)
		case low != 0 && seq != t.last+1:
			return t, nil, problemf(shard, t.last+1, "commits %d to %d are missing", t.last+1, seq-1)
		case low != 0 && next.prev != l.hash:
			return t, nil, problemf(shard, seq, "commit %d does not follow commit %d: its previous hash is %016x, not %016x",
				seq, t.last, next.prev, l.hash)
		}
		if low == 0 {
			low = seq
		}
		l, t.last, t.hash, t.first = next, seq, next.hash, next.first
		if seq == want {
			h := next.hash
			at = &h
		}
	}
	if err := it.Error(); err != nil {
		return t, nil, err
	}
	if low != 0 && low != t.first {
		return t, nil, problemf(shard, min(low, t.first), "%s", firstText(low, t.first))
	}
	return t, at, nil
}

func firstText(low, first wire.Seq) string {
	if low > first {
		return fmt.Sprintf("commits %d to %d are missing", first, low-1)
	}
	return fmt.Sprintf("chain rows from commit %d are back though all before %d were dropped: a later commit is lost", low, first)
}
