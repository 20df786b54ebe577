// Package meter is what is counted of each method and function, and what that
// costs. It is pure: it counts nothing by itself.
package meter

import (
	"time"

	"github.com/situ-dev/situ/internal/wire"
)

// Counts is what was counted of one method or function. Times are in
// nanoseconds.
type Counts struct {
	Turns   uint64 // that took effect
	Errors  uint64 // of those, answered with an error
	Retries uint64 // runs that failed and were made again
	Dead    uint64 // messages that were given up
	Active  uint64 // time of all runs

	// Of calls in chains that have a record, once they are answered:
	Calls uint64
	Wall  uint64 // from when they were made to their answer
	Sync  uint64 // from their first run to their answer
	Own   uint64 // of their runs, and of the later turns that took answers for them
}

// Add adds d to c.
func (c *Counts) Add(d *Counts) {
	to := c.fields()
	for i, v := range d.fields() {
		*to[i] += *v
	}
}

// Zero reports whether nothing was counted.
func (c *Counts) Zero() bool { return *c == Counts{} }

// fields are the numbers of c by their number on disk, from 1. Append only.
func (c *Counts) fields() [9]*uint64 {
	return [...]*uint64{&c.Turns, &c.Errors, &c.Retries, &c.Dead, &c.Active, &c.Calls, &c.Wall, &c.Sync, &c.Own}
}

// Append appends the encoding of c.
func Append(b []byte, c *Counts) []byte {
	e := wire.Encoder{Buf: b}
	for i, v := range c.fields() {
		e.Int(byte(i+1), *v)
	}
	return e.Buf
}

// Decode decodes what Append made. The error is of kind fault.Corrupt.
func Decode(b []byte) (c Counts, err error) {
	all := c.fields()
	d := wire.Decoder{Buf: b}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		if n >= 1 && int(n) <= len(all) {
			*all[n-1] = d.Int()
		}
	}
	return c, d.Err()
}

// Hour returns the hour, counted from 1970, that t is in.
func Hour(t wire.Time) uint32 { return uint32(t / wire.Time(time.Hour)) }

// Line is the counts of one method, or of one function, whose Type is "".
type Line struct {
	Type, Method string
	Counts
}
