// Package dead keeps the dead letters of one shard: messages that were given
// up, until somebody has them run again or removes them. Each is a row. Package
// core drives it from its goroutine.
package dead

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
	ScanReverse(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// Letters is the dead letters of one shard.
type Letters struct {
	rows  Rows
	count int
	fresh []*wire.DeadLetter // not rows yet
	going []wire.Seq         // to go with the next Seal
	flown []wire.Seq         // in the commit under way
	bound []wire.Seq         // letters that become rows with that
}

// New returns the dead letters of a shard, to be read from committed.
func New(committed Rows) *Letters { return &Letters{rows: committed} }

// ID names a dead letter of a shard.
func ID(shard wire.ShardID, seq wire.Seq) string { return fmt.Sprintf("%d-%d", shard, seq) }

// Open counts the rows, and returns the highest arrival number among them.
func (l *Letters) Open() (last wire.Seq, err error) {
	err = l.rows.Scan(store.Dead, nil, nil, func(k, _ []byte) (bool, error) {
		seq, err := rows.SplitSeq(store.Dead, k)
		last = max(last, seq)
		l.count++
		return true, err
	})
	return last, err
}

// Len returns how many there are, with those that are not committed.
func (l *Letters) Len() int { return l.count }

// Bury keeps a message that was given up, and why. Halts says that its object is
// paused for it.
func (l *Letters) Bury(env *wire.Envelope, why *wire.Failure, now wire.Time, halts bool) {
	l.fresh = append(l.fresh, &wire.DeadLetter{Envelope: env, Reason: why, At: now, Halts: halts})
	l.count++
}

// Take takes a committed letter out: its row goes with the next Seal. The error
// is of kind fault.NotFound if there is none, or if it is gone.
func (l *Letters) Take(id string) (*wire.DeadLetter, error) {
	none := fault.New(fault.NotFound, "dead letter", id, "there is no such dead letter")
	_, num, ok := strings.Cut(id, "-")
	n, err := strconv.ParseUint(num, 10, 64)
	if !ok || err != nil {
		return nil, none
	}
	seq := wire.Seq(n)
	b, ok, err := l.rows.Get(store.Dead, rows.SeqKey(seq))
	if err != nil {
		return nil, err
	}
	if !ok || slices.Contains(l.going, seq) || slices.Contains(l.flown, seq) {
		return nil, none
	}
	d, err := rows.DecodeDead(id, b)
	if err != nil {
		return nil, err
	}
	l.going = append(l.going, seq)
	l.count--
	return d, nil
}

// Dirty reports whether there is a reason to commit.
func (l *Letters) Dirty() bool { return len(l.fresh)+len(l.going) > 0 }

// Seal writes into the commit what has come and what goes.
func (l *Letters) Seal(w *store.Batch) {
	l.bound = l.bound[:0]
	for _, d := range l.fresh {
		l.bound = append(l.bound, d.Envelope.Seq)
		w.Set(store.Dead, rows.SeqKey(d.Envelope.Seq), rows.EncodeDead(d))
	}
	for _, seq := range l.going {
		w.Delete(store.Dead, rows.SeqKey(seq))
	}
	clear(l.fresh)
	l.fresh = l.fresh[:0]
	l.going, l.flown = l.flown[:0], l.going
}

// Committed says that the commit sealed last is durable.
func (l *Letters) Committed() { l.flown, l.bound = l.flown[:0], l.bound[:0] }

// Last returns the arrival number of the newest letter, 0 if there is none.
func (l *Letters) Last() (last wire.Seq, err error) {
	for _, d := range l.fresh {
		last = max(last, d.Envelope.Seq)
	}
	err = l.rows.ScanReverse(store.Dead, nil, nil, func(k, _ []byte) (bool, error) {
		seq, err := rows.SplitSeq(store.Dead, k)
		last = max(last, seq)
		return false, err
	})
	return last, err
}

// Choose takes up to n letters out that match f, in the order of their numbers,
// and calls fn for each: those after one number and up to another. It looks at
// most at so many rows, and returns up to which number it has looked and how many
// it took. Letters that are not committed yet end it before them.
func (l *Letters) Choose(f *wire.DeadFilter, after, upto wire.Seq, n, most int, fn func(*wire.DeadLetter)) (at wire.Seq, took int, err error) {
	end := upto + 1
	for _, d := range l.fresh {
		end = min(end, d.Envelope.Seq)
	}
	for _, d := range l.bound {
		end = min(end, d)
	}
	var chosen []*wire.DeadLetter
	taken := map[wire.Seq]bool{}
	for _, seq := range slices.Concat(l.going, l.flown) {
		if seq > after {
			taken[seq] = true
		}
	}
	at, looked := after, 0
	err = l.rows.Scan(store.Dead, rows.SeqKey(after+1), rows.SeqKey(max(end, after+1)), func(k, v []byte) (bool, error) {
		seq, err := rows.SplitSeq(store.Dead, k)
		if err != nil {
			return false, err
		}
		if len(chosen) == n || looked == most {
			end = 0 // there is more
			return false, nil
		}
		at, looked = seq, looked+1
		if taken[seq] {
			return true, nil
		}
		d, err := rows.DecodeDead(ID(0, seq), slices.Clone(v))
		if err == nil && f.Match(d) {
			d.Envelope.Seq = seq
			chosen = append(chosen, d)
		}
		return true, err
	})
	if err != nil {
		return at, 0, err
	}
	if end == upto+1 {
		at = upto
	}
	for _, d := range chosen {
		l.going = append(l.going, d.Envelope.Seq)
		l.count--
		fn(d)
	}
	return at, len(chosen), nil
}
