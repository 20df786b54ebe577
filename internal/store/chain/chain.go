// Package chain follows the commits of a shard through the log: each is one more than
// the one before it, and names its hash. It knows where the chain ends in tables, and
// says what is missing or is another commit than it should be.
package chain

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/problem"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// Tip is where a chain of commits ends: the number of the last commit, 0 for
// none, and its hash.
type Tip struct {
	Last wire.Seq
	Hash uint64
}

const tipVersion = 1

var errTip = errors.New("malformed tip of a shard")

// Append appends the encoding of t.
func (t Tip) Append(b []byte) []byte {
	b = append(b, tipVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Last))
	return binary.BigEndian.AppendUint64(b, t.Hash)
}

// DecodeTip is the reverse of Append. It fails for what Append does not write.
func DecodeTip(b []byte) (Tip, error) {
	if len(b) != 17 || b[0] != tipVersion {
		return Tip{}, errTip
	}
	return Tip{wire.Seq(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint64(b[9:])}, nil
}

// ReadTip returns up to where the rows of a shard are in tables; the errors are those of db and
// of DecodeTip.
func ReadTip(db pebble.Reader, shard wire.ShardID) (Tip, error) {
	v, c, err := db.Get(layout.Key(shard, layout.Tip, nil))
	if errors.Is(err, pebble.ErrNotFound) {
		return Tip{}, nil
	}
	if err != nil {
		return Tip{}, err
	}
	defer func() { _ = c.Close() }()
	return DecodeTip(v)
}

// Chain follows the commits of one shard through the log. Shard, Tables and Want are
// set before the first record.
type Chain struct {
	Shard  wire.ShardID
	Tables Tip      // what is in tables
	Want   wire.Seq // the commit whose hash is asked for
	Count  uint64   // of records

	seen Tip // the last record
	any  bool
	at   *uint64 // the hash of Want, if it was seen
}

// Next takes a record: the first must follow what is in tables, or be in there, and each
// names the hash of the one before it. It returns whether the record is not in tables.
func (c *Chain) Next(r wal.Record) (fresh bool, p *problem.Problem) {
	before := c.seen
	if !c.any {
		before = c.Tables
		if r.Seq <= c.Tables.Last { // the first may be in there
			before = Tip{r.Seq - 1, r.Prev}
		}
	}
	switch {
	case r.Seq > before.Last+1:
		return false, problem.New(r.Shard, before.Last+1, "commits %d to %d are missing", before.Last+1, r.Seq-1)
	case r.Seq <= before.Last:
		return false, problem.New(r.Shard, r.Seq, "commit %d is in the log again behind commit %d", r.Seq, before.Last)
	case r.Prev != before.Hash:
		return false, problem.New(r.Shard, r.Seq, "commit %d does not follow commit %d: its previous hash is %016x, not %016x",
			r.Seq, before.Last, r.Prev, before.Hash)
	case r.Seq == c.Tables.Last && r.Hash != c.Tables.Hash:
		return false, problem.New(r.Shard, r.Seq, "commit %d is another one (hash %016x) in the log than in the tables (%016x)",
			r.Seq, r.Hash, c.Tables.Hash)
	}
	c.seen, c.any = Tip{r.Seq, r.Hash}, true
	c.Count++
	if r.Seq == c.Want {
		h := r.Hash
		c.at = &h
	}
	return r.Seq > c.Tables.Last, nil
}

// End returns the tip of the shard.
func (c *Chain) End() (Tip, *problem.Problem) {
	if c.any && c.seen.Last >= c.Tables.Last {
		return c.seen, nil
	}
	if c.any {
		return c.Tables, problem.New(c.Shard, c.seen.Last+1, "commits %d to %d are in tables and missing in the log", c.seen.Last+1, c.Tables.Last)
	}
	return c.Tables, nil
}

// HashOf returns the hash of the commit that was asked for, or nil if nobody knows it.
func (c *Chain) HashOf(t Tip) *uint64 {
	if c.at == nil && c.Want == t.Last {
		return &t.Hash
	}
	return c.at
}
