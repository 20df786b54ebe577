package element

import (
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/turn"
)

// Counter is a number that is a row of its own. A nil Counter can be read, and
// is 0.
type Counter struct {
	n, saved                      int64
	changed, savedChanged, frozen bool
	size                          int
}

// Add adds n and returns the sum. It wraps around like any int64.
func (c *Counter) Add(n int64) int64 {
	noWrite(c.frozen)
	c.n += n
	c.changed = true
	return c.n
}

// Value returns the number.
func (c *Counter) Value() int64 {
	if c == nil {
		return 0
	}
	return c.n
}

// Load implements Tracked.
func (c *Counter) Load(_, value []byte) error {
	c.size = len(value)
	return codec.Decode(value, &c.n)
}

// Begin implements Tracked.
func (c *Counter) Begin(readOnly bool) {
	c.saved, c.savedChanged, c.frozen = c.n, c.changed, readOnly
}

// Rollback implements Tracked.
func (c *Counter) Rollback(codec.Traits) bool {
	c.n, c.changed = c.saved, c.savedChanged
	return true
}

// Collect implements Tracked.
func (c *Counter) Collect(field string, _ codec.Traits, into *turn.Change) error {
	if !c.changed {
		return nil
	}
	v, err := codec.Encode(c.n)
	if err != nil {
		return err
	}
	c.changed, c.size = false, len(v)
	into.Entries = append(into.Entries, turn.Entry{Field: field, Value: v})
	return nil
}

// Bytes implements Tracked.
func (c *Counter) Bytes() int { return c.size }

// Reset implements Tracked.
func (c *Counter) Reset() { *c = Counter{} }
