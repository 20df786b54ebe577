package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/space"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

// usage is what a file with far values is good for.
type usage struct {
	size uint64 // of the file
	live uint64 // bytes of values that rows in tables name
}

func (u usage) append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, u.size), u.live)
}

// usages is what is known of the far values of rows in tables.
type usages struct {
	files map[uint64]*usage // by their number
	rows  map[Table]uint64  // how many rows have one: without, nothing need be looked up
}

func newUsages() usages { return usages{map[uint64]*usage{}, map[Table]uint64{}} }

func (us usages) clone() usages {
	c := usages{make(map[uint64]*usage, len(us.files)), maps.Clone(us.rows)}
	for n, u := range us.files {
		v := *u
		c.files[n] = &v
	}
	return c
}

func (us usages) numbers() []uint64 { return slices.Sorted(maps.Keys(us.files)) }

// size returns the bytes of all the files.
func (us usages) size() (n uint64) {
	for _, u := range us.files {
		n += u.size
	}
	return n
}

func (us usages) of(number uint64) *usage {
	u := us.files[number]
	if u == nil {
		u = &usage{}
		us.files[number] = u
	}
	return u
}

// ended notes a segment of the log in which nothing is written any more. Until
// then it has no size.
func (us usages) ended(s wal.Segment) { us.of(s.Number).size = s.Size }

// add counts a row of table t in, and sub counts it out.
func (us usages) add(t Table, r ref) {
	us.of(r.number).live += uint64(r.size)
	us.rows[t]++
}

func (us usages) sub(t Table, r ref) {
	if u := us.files[r.number]; u != nil {
		u.live -= min(u.live, uint64(r.size))
	}
	us.rows[t] -= min(us.rows[t], 1)
}

var errUsage = errors.New("malformed row of the files with values")

// readUsages reads what is known of far values.
func readUsages(db pebble.Reader) (usages, error) {
	us := newUsages()
	err := layout.Each(db, layout.Values, func(key, v []byte) error {
		size, n := binary.Uvarint(v)
		if n <= 0 || len(key) != 8 {
			return errUsage
		}
		live, m := binary.Uvarint(v[n:])
		if m != len(v)-n {
			return errUsage
		}
		us.files[binary.BigEndian.Uint64(key)] = &usage{size, live}
		return nil
	})
	if err != nil {
		return us, err
	}
	return us, layout.Each(db, layout.Far, func(key, v []byte) error {
		if len(key) != 1 || len(v) != 8 {
			return errUsage
		}
		us.rows[Table(key[0])] = binary.BigEndian.Uint64(v)
		return nil
	})
}

const (
	// moveAtMost is how many bytes of values one generation moves, unless a
	// single file has more.
	moveAtMost = 64 << 20
	// moveAfter is how many generations a segment of the log is left alone: most of what does
	// not live for long has died by then.
	moveAfter = 4
)

// collect removes the files that are not needed any more. Of a file of which
// less than half is live, the values that are move to another.
func (s *Store) collect() error {
	var done, sparse []uint64
	moved := uint64(0)
	for _, n := range s.live.numbers() {
		switch u := s.live.files[n]; {
		case u.size == 0: // the log goes on in it
		case u.live == 0:
			done = append(done, n)
		case u.live < u.size/2 && (moved == 0 || moved+u.live <= moveAtMost) && s.generations >= s.since[n]+moveAfter:
			sparse = append(sparse, n)
			moved += u.live
		}
	}
	for _, n := range done {
		delete(s.live.files, n)
		delete(s.since, n)
	}
	s.files.retire(done)
	if len(sparse) == 0 || !s.disk.Spare(moved) {
		return nil
	}
	if err := s.move(sparse); err != nil {
		s.log.Error("store: values could not be moved out of files that are mostly dead", "error", err)
	}
	return nil
}

// movedRow is a row whose value is elsewhere now.
type movedRow struct {
	full []byte
	ref  ref
}

// move writes the live values of files into a new one, and lets their rows
// name that. Rows that were replaced meanwhile are in memtables, which come first.
func (s *Store) move(numbers []uint64) error {
	n := s.nextValues
	s.nextValues++
	w, err := wal.Create(wal.Options{FS: s.opts.FS, Dir: s.files.vals, ID: s.id.Short(), Category: space.MayFail, Ahead: s.ahead()}, n)
	if err != nil {
		return err
	}
	live := s.live.clone()
	live.of(n | inValues)
	var rows []movedRow
	for _, from := range numbers {
		if err == nil {
			err = s.moveFrom(w, from, n|inValues, live, &rows)
			var damage *wal.Damage
			if errors.As(err, &damage) { // it stays, for what can be read
				s.log.Error("store: values stay in a damaged file", "error", err)
				err = nil
			}
		}
	}
	size, e := w.Finish()
	if err = errors.Join(err, e); err != nil {
		return errors.Join(err, s.opts.FS.Remove(s.files.path(n|inValues)))
	}
	live.of(n | inValues).size = uint64(size)
	slices.SortFunc(rows, func(a, b movedRow) int { return bytes.Compare(a.full, b.full) })
	err = s.ingest(func(t *tableWriter) {
		for _, r := range rows {
			t.put(r.full, appendKind(t.value[:0], memtable.Far, r.ref.append(nil)))
		}
		t.usages(live, s.live)
	})
	if err != nil {
		return errors.Join(err, s.opts.FS.Remove(s.files.path(n|inValues)))
	}
	s.live = live
	s.moved.Add(live.of(n | inValues).live)
	for _, from := range numbers {
		if live.of(from).live > 0 { // rows name values that cannot be found
			s.since[from] = math.MaxInt - moveAfter
			continue
		}
		delete(s.since, from)
		delete(s.live.files, from)
		s.files.retire([]uint64{from})
	}
	return nil
}

func (s *Store) moveFrom(w *wal.Writer, from, to uint64, live usages, rows *[]movedRow) error {
	dir, number := s.files.place(from)
	return wal.Each(s.opts.FS, dir, s.id.Short(), number, int64(live.of(from).size), func(at int64, r wal.Record) error {
		return each(r.Body, func(c change) error {
			if c.kind != memtable.Far {
				return nil
			}
			full := append(binary.BigEndian.AppendUint16(nil, uint16(r.Shard)), c.key...)
			old, ok := s.farRow(full)
			if !ok || old.number != from || old.at != uint64(at)+uint64(c.at) {
				return nil
			}
			b := &Batch{buf: s.newBuf(len(c.value) + len(c.key) + 32)}
			b.Set(Table(c.key[0]), c.key[1:], c.value)
			put, err := w.Write(&wal.Record{Shard: r.Shard, Seq: wire.Seq(len(*rows) + 1)}, b.buf)
			if err != nil {
				return err
			}
			moved := ref{to, uint64(put) + uint64(len(b.buf)-wal.HeadSize-len(c.value)), uint32(len(c.value)), c.sum}
			live.sub(Table(c.key[0]), old)
			live.add(Table(c.key[0]), moved)
			*rows = append(*rows, movedRow{full, moved})
			return nil
		})
	})
}
