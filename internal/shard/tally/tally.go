// Package tally counts, for one shard, what its turns did, by method and hour.
// Counts of turns are written with their effects: after a crash they are exact.
// Those of turns that have no effect, such as reading ones, are written within
// a second.
//
// Package core drives it from its goroutine. It never asks for the time.
package tally

import (
	"slices"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/meter"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// Rows is what is read of the shard's committed state.
type Rows interface {
	Get(t store.Table, key []byte) ([]byte, bool, error)
	Scan(t store.Table, from, to []byte, fn func(key, value []byte) (bool, error)) error
}

// FlushEvery is how long counts may wait that no commit takes along.
const FlushEvery = wire.Time(1e9)

// keepHours is how long the counts of an hour are kept apart. Then they are
// added to those of hour 0, which stands for all that was before.
const keepHours = 92 * 24

// Tally is the counters of one shard.
type Tally struct {
	rows   Rows
	cells  map[name]*Cell
	fast   map[*host.MethodManifest]*Cell
	last   *host.MethodManifest
	lastTo *Cell
	dirty  []*Cell
	since  wire.Time // when the first of dirty was counted; 0 is none
	fold   wire.Time // when to look for old hours
	old    [][]byte  // keys of old hours, to go with the next Seal
	buf    []byte
}

type name struct{ typ, method string }

// Cell is the counters of one method or function.
type Cell struct {
	name   name
	counts meter.Counts // since the row was read
	base   meter.Counts // of the row of the hour
	hour   uint32       // of base and counts, 0: not read yet
	dirty  bool
}

// New returns the counters of a shard, to be read from committed.
func New(committed Rows) *Tally {
	return &Tally{rows: committed, cells: map[name]*Cell{}, fast: map[*host.MethodManifest]*Cell{}}
}

// Program says that methods have other descriptions now.
func (t *Tally) Program() { clear(t.fast); t.last, t.lastTo = nil, nil }

// Of returns the counters of what to names; m, if there is one, describes it.
func (t *Tally) Of(m *host.MethodManifest, to wire.Address, now wire.Time) *meter.Counts {
	if m == nil {
		return t.Named(to.Type, to.Method, now)
	}
	c := t.lastTo
	if m != t.last {
		if c = t.fast[m]; c == nil {
			c = t.cell(to.Type, to.Method)
			t.fast[m] = c
		}
		t.last, t.lastTo = m, c
	}
	if !c.dirty {
		t.touch(c, now)
	}
	return &c.counts
}

// Named returns the counters of a method of a type, or of a function.
func (t *Tally) Named(typ, method string, now wire.Time) *meter.Counts {
	c := t.cell(typ, method)
	if !c.dirty {
		t.touch(c, now)
	}
	return &c.counts
}

func (t *Tally) cell(typ, method string) *Cell {
	c := t.cells[name{typ, method}]
	if c == nil {
		c = &Cell{name: name{typ, method}}
		t.cells[c.name] = c
	}
	return c
}

func (t *Tally) touch(c *Cell, now wire.Time) {
	c.dirty = true
	t.dirty = append(t.dirty, c)
	if t.since == 0 {
		t.since = now
	}
}

// NextFlush returns when what no commit has taken along is to be written; 0 is
// never.
func (t *Tally) NextFlush() wire.Time {
	if t.since == 0 {
		return 0
	}
	return t.since + FlushEvery
}

// Due reports whether there is a reason to commit: counts that have waited
// long enough.
func (t *Tally) Due(now wire.Time) bool {
	return t.since != 0 && now >= t.since+FlushEvery || len(t.old) > 0
}

// Hurry makes what was counted a reason to commit.
func (t *Tally) Hurry() {
	if t.since != 0 {
		t.since = 1
	}
}

// Seal writes into the commit what was counted, as of the hour of now.
func (t *Tally) Seal(w *store.Batch, now wire.Time) error {
	hour := meter.Hour(now)
	for _, c := range t.dirty {
		if c.hour != hour {
			base, err := t.read(hour, c.name)
			if err != nil {
				return err
			}
			c.base, c.hour = base, hour
		}
		c.base.Add(&c.counts)
		c.counts, c.dirty = meter.Counts{}, false
		t.buf = meter.Append(t.buf[:0], &c.base)
		w.Set(store.Meter, rows.MeterKey(hour, c.name.typ, c.name.method), t.buf)
	}
	t.dirty, t.since = t.dirty[:0], 0
	return t.sealOld(w)
}

func (t *Tally) read(hour uint32, n name) (meter.Counts, error) {
	v, _, err := t.rows.Get(store.Meter, rows.MeterKey(hour, n.typ, n.method))
	if err != nil {
		return meter.Counts{}, err
	}
	return meter.Decode(v)
}

// Look looks, once an hour, for hours that are to be kept apart no longer.
func (t *Tally) Look(now wire.Time) error {
	if now < t.fold {
		return nil
	}
	t.fold, t.old = now+3600e9, t.old[:0]
	hour := meter.Hour(now)
	if hour <= keepHours {
		return nil
	}
	return t.rows.Scan(store.Meter, rows.MeterKey(1, "", "")[:4], rows.MeterKey(hour-keepHours, "", "")[:4], func(k, _ []byte) (bool, error) {
		t.old = append(t.old, slices.Clone(k))
		return len(t.old) < 10_000, nil
	})
}

// sealOld adds old hours to hour 0.
func (t *Tally) sealOld(w *store.Batch) error {
	sums := map[name]*meter.Counts{}
	for _, k := range t.old {
		_, typ, method, err := rows.SplitMeter(k)
		if err != nil {
			return err
		}
		n := name{typ, method}
		if sums[n] == nil {
			before, err := t.read(0, n)
			if err != nil {
				return err
			}
			sums[n] = &before
		}
		v, _, err := t.rows.Get(store.Meter, k)
		if err != nil {
			return err
		}
		one, err := meter.Decode(v)
		if err != nil {
			return err
		}
		sums[n].Add(&one)
		w.Delete(store.Meter, k)
	}
	for n, sum := range sums {
		w.Set(store.Meter, rows.MeterKey(0, n.typ, n.method), meter.Append(nil, sum))
	}
	t.old = t.old[:0]
	return nil
}
