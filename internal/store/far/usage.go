package far

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/wal"
)

// Usage is what a file with far values is good for.
type Usage struct {
	Size uint64 // of the file; 0: the log goes on in it
	Live uint64 // bytes of values that rows in tables name
}

// Append appends the encoding of u.
func (u Usage) Append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, u.Size), u.Live)
}

// Usages is what is known of the far values of rows in tables.
type Usages struct {
	Files map[uint64]*Usage       // by their number
	Rows  map[layout.Table]uint64 // how many rows have one: without, nothing need be looked up
}

// NewUsages returns those of no rows.
func NewUsages() Usages { return Usages{map[uint64]*Usage{}, map[layout.Table]uint64{}} }

// Clone returns a copy that shares nothing with us.
func (us Usages) Clone() Usages {
	c := Usages{make(map[uint64]*Usage, len(us.Files)), maps.Clone(us.Rows)}
	for n, u := range us.Files {
		v := *u
		c.Files[n] = &v
	}
	return c
}

// Numbers returns the numbers of the files, ascending.
func (us Usages) Numbers() []uint64 { return slices.Sorted(maps.Keys(us.Files)) }

// Size returns the bytes of all the files.
func (us Usages) Size() (n uint64) {
	for _, u := range us.Files {
		n += u.Size
	}
	return n
}

// Of returns the usage of a file, and makes one if there is none.
func (us Usages) Of(number uint64) *Usage {
	u := us.Files[number]
	if u == nil {
		u = &Usage{}
		us.Files[number] = u
	}
	return u
}

// Ended notes a segment of the log in which nothing is written any more. Until
// then it has no size.
func (us Usages) Ended(s wal.Segment) { us.Of(s.Number).Size = s.Size }

// Add counts a row of table t in.
func (us Usages) Add(t layout.Table, r Ref) {
	us.Of(r.Number).Live += uint64(r.Size)
	us.Rows[t]++
}

// Sub counts a row of table t out.
func (us Usages) Sub(t layout.Table, r Ref) {
	if u := us.Files[r.Number]; u != nil {
		u.Live -= min(u.Live, uint64(r.Size))
	}
	us.Rows[t] -= min(us.Rows[t], 1)
}

var errUsage = errors.New("malformed row of the files with values")

// ReadUsages reads what is known of far values. Its errors are those of db, and one for
// rows that it does not understand.
func ReadUsages(db pebble.Reader) (Usages, error) {
	us := NewUsages()
	err := layout.Each(db, layout.Values, func(key, v []byte) error {
		size, n := binary.Uvarint(v)
		if n <= 0 || len(key) != 8 {
			return errUsage
		}
		live, m := binary.Uvarint(v[n:])
		if m != len(v)-n {
			return errUsage
		}
		us.Files[binary.BigEndian.Uint64(key)] = &Usage{size, live}
		return nil
	})
	if err != nil {
		return us, err
	}
	return us, layout.Each(db, layout.Far, func(key, v []byte) error {
		if len(key) != 1 || len(v) != 8 {
			return errUsage
		}
		us.Rows[layout.Table(key[0])] = binary.BigEndian.Uint64(v)
		return nil
	})
}
