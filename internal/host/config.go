package host

import (
	"log/slog"
	"time"
)

// Config says how a Runner runs turns. Its zero value works.
type Config struct {
	// Patience is how long a handler may run before the tasks behind it go on
	// without it, on another goroutine. Default 2 ms.
	Patience time.Duration
	// Slice is how long a frame may take before the rest of its tasks is given
	// back, so that what has run can be committed. Default 5 ms.
	Slice time.Duration
	// Timeout is how long a handler may run at all when its method does not
	// say: after it, its context is cancelled and the turn counts as failed.
	// Default 1 minute; negative is never (for a debugger).
	Timeout time.Duration
	// Grace is how long a handler may take to return after its context was
	// cancelled before its object is given up and loaded anew. Default 1 s.
	Grace time.Duration
	// MaxState bounds an object's state, in bytes. Default 16 MiB.
	MaxState int
	// Verify checks that read-only methods write nothing, at the price of
	// encoding the state twice. For tests and development.
	Verify bool
	// Log receives what handlers log. Default: discarded.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Patience == 0 {
		c.Patience = 2 * time.Millisecond
	}
	if c.Slice == 0 {
		c.Slice = 5 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Grace == 0 {
		c.Grace = time.Second
	}
	if c.MaxState == 0 {
		c.MaxState = 16 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
