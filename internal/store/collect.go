package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/situ-dev/situ/internal/store/body"
	"github.com/situ-dev/situ/internal/store/database"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/store/space"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

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
func (s *Store) collect() {
	var done, sparse []uint64
	moved := uint64(0)
	for _, n := range s.live.Numbers() {
		switch u := s.live.Files[n]; {
		case u.Size == 0: // the log goes on in it
		case u.Live == 0:
			done = append(done, n)
		case u.Live < u.Size/2 && (moved == 0 || moved+u.Live <= moveAtMost) && s.generations >= s.since[n]+moveAfter:
			sparse = append(sparse, n)
			moved += u.Live
		}
	}
	for _, n := range done {
		delete(s.live.Files, n)
		delete(s.since, n)
	}
	s.files.Retire(done, s.keep)
	if len(sparse) == 0 || !s.disk.Spare(moved) {
		return
	}
	if err := s.move(sparse); err != nil {
		s.log.Error("store: values could not be moved out of files that are mostly dead", "error", err)
	}
}

// keepAtMost is how many times as long as usual a segment of the log may be that is
// written over.
const keepAtMost = 2

// keep keeps a segment that nobody needs, to be written over.
func (s *Store) keep(path string) bool {
	return s.disk.Keep(path, keepAtMost*logPerTable*s.memTable)
}

// spare gives the log what was kept.
func (s *Store) spare() (path string, ok bool) {
	if path, ok = s.disk.Take(); ok {
		s.reused.Add(1)
	}
	return path, ok
}

// movedRow is a row whose value is elsewhere now.
type movedRow struct {
	full []byte
	ref  far.Ref
}

// move writes the live values of files into a new one, and lets their rows
// name that. Rows that were replaced meanwhile are in memtables, which come first.
func (s *Store) move(numbers []uint64) error {
	n := s.nextValues
	s.nextValues++
	w, err := wal.Create(wal.Options{FS: s.opts.FS, Dir: s.files.Values, ID: s.id.Short(), Category: space.MayFail, Ahead: s.ahead()}, n)
	if err != nil {
		return err
	}
	live := s.live.Clone()
	live.Of(n | far.InValues)
	var rows []movedRow
	for _, from := range numbers {
		if err == nil {
			err = s.moveFrom(w, from, n|far.InValues, live, &rows)
			var damage *wal.Damage
			if errors.As(err, &damage) { // it stays, for what can be read
				s.log.Error("store: values stay in a damaged file", "error", err)
				err = nil
			}
		}
	}
	size, e := w.Finish()
	if err = errors.Join(err, e); err != nil {
		return errors.Join(err, s.opts.FS.Remove(s.files.Path(n|far.InValues)))
	}
	live.Of(n | far.InValues).Size = uint64(size)
	slices.SortFunc(rows, func(a, b movedRow) int { return bytes.Compare(a.full, b.full) })
	err = s.ingest(func(t *database.Writer) {
		for _, r := range rows {
			t.Row(r.full, memtable.Far, r.ref.Append(nil))
		}
		t.Usages(live, s.live)
	})
	if err != nil {
		return errors.Join(err, s.opts.FS.Remove(s.files.Path(n|far.InValues)))
	}
	s.live = live
	s.moved.Add(live.Of(n | far.InValues).Live)
	for _, from := range numbers {
		if live.Of(from).Live > 0 { // rows name values that cannot be found
			s.since[from] = math.MaxInt - moveAfter
			continue
		}
		delete(s.since, from)
		delete(s.live.Files, from)
		s.files.Retire([]uint64{from}, s.keep)
	}
	return nil
}

func (s *Store) moveFrom(w *wal.Writer, from, to uint64, live far.Usages, rows *[]movedRow) error {
	dir, number := s.files.Place(from)
	return wal.Each(s.opts.FS, dir, s.id.Short(), number, int64(live.Of(from).Size), func(at int64, r wal.Record) error {
		return body.Each(r.Body, func(c body.Change) error {
			if c.Kind != memtable.Far {
				return nil
			}
			full := append(binary.BigEndian.AppendUint16(nil, uint16(r.Shard)), c.Key...)
			old, ok := database.FarRow(s.db, full)
			if !ok || old.Number != from || old.At != uint64(at)+uint64(c.At) {
				return nil
			}
			b := &Batch{buf: s.newBuf(len(c.Value) + len(c.Key) + 32)}
			b.Set(Table(c.Key[0]), c.Key[1:], c.Value)
			put, err := w.Write(&wal.Record{Shard: r.Shard, Seq: wire.Seq(len(*rows) + 1)}, b.buf)
			defer s.oldBuf(b.buf)
			if err != nil {
				return err
			}
			moved := far.Ref{Number: to, At: uint64(put) + uint64(len(b.buf)-wal.HeadSize-len(c.Value)), Size: uint32(len(c.Value)), Sum: c.Sum}
			live.Sub(Table(c.Key[0]), old)
			live.Add(Table(c.Key[0]), moved)
			*rows = append(*rows, movedRow{full, moved})
			return nil
		})
	})
}
