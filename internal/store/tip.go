package store

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// tip is where a chain of commits ends: the number of the last commit, 0 for
// none, and its hash.
type tip struct {
	last wire.Seq
	hash uint64
}

const tipVersion = 1

var errTip = errors.New("malformed tip of a shard")

func (t tip) append(b []byte) []byte {
	b = append(b, tipVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(t.last))
	return binary.BigEndian.AppendUint64(b, t.hash)
}

func decodeTip(b []byte) (tip, error) {
	if len(b) != 17 || b[0] != tipVersion {
		return tip{}, errTip
	}
	return tip{wire.Seq(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint64(b[9:])}, nil
}

// readTip returns up to where the rows of a shard are in tables.
func readTip(db pebble.Reader, shard wire.ShardID) (tip, error) {
	v, c, err := db.Get(layout.Key(shard, layout.Tip, nil))
	if errors.Is(err, pebble.ErrNotFound) {
		return tip{}, nil
	}
	if err != nil {
		return tip{}, err
	}
	defer func() { _ = c.Close() }()
	return decodeTip(v)
}

// chain follows the commits of one shard through the log.
type chain struct {
	shard  wire.ShardID
	tables tip // what is in tables
	seen   tip // the last record
	any    bool
	count  uint64
	want   wire.Seq // the commit whose hash is asked for
	at     *uint64  // its hash, if it was seen
}

// next takes a record: the first must follow what is in tables, or be in there, and each
// names the hash of the one before it. It returns whether the record is not in tables.
func (c *chain) next(r wal.Record) (fresh bool, p *Problem) {
	before := c.seen
	if !c.any {
		before = c.tables
		if r.Seq <= c.tables.last { // the first may be in there
			before = tip{r.Seq - 1, r.Prev}
		}
	}
	switch {
	case r.Seq > before.last+1:
		return false, problemf(r.Shard, before.last+1, "commits %d to %d are missing", before.last+1, r.Seq-1)
	case r.Seq <= before.last:
		return false, problemf(r.Shard, r.Seq, "commit %d is in the log again behind commit %d", r.Seq, before.last)
	case r.Prev != before.hash:
		return false, problemf(r.Shard, r.Seq, "commit %d does not follow commit %d: its previous hash is %016x, not %016x",
			r.Seq, before.last, r.Prev, before.hash)
	case r.Seq == c.tables.last && r.Hash != c.tables.hash:
		return false, problemf(r.Shard, r.Seq, "commit %d is another one (hash %016x) in the log than in the tables (%016x)",
			r.Seq, r.Hash, c.tables.hash)
	}
	c.seen, c.any = tip{r.Seq, r.Hash}, true
	c.count++
	if r.Seq == c.want {
		h := r.Hash
		c.at = &h
	}
	return r.Seq > c.tables.last, nil
}

// end returns the tip of the shard.
func (c *chain) end() (tip, *Problem) {
	if c.any && c.seen.last >= c.tables.last {
		return c.seen, nil
	}
	if c.any {
		return c.tables, problemf(c.shard, c.seen.last+1, "commits %d to %d are in tables and missing in the log", c.seen.last+1, c.tables.last)
	}
	return c.tables, nil
}

// hashOf returns the hash of the commit that was asked for, or nil if nobody knows it.
func (c *chain) hashOf(t tip) *uint64 {
	if c.at == nil && c.want == t.last {
		return &t.hash
	}
	return c.at
}
