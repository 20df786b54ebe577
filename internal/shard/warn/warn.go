// Package warn logs warnings of a shard, but not too many: what goes wrong often
// must not bury the rest. It never asks for the time.
package warn

import (
	"log/slog"

	"github.com/situ-dev/situ/internal/wire"
)

// most is how many lines there may be in a second.
const most = 10

// Log is where warnings go.
type Log struct {
	To     *slog.Logger
	second wire.Time
	count  int // of warnings in it
}

// Warn logs a warning at time now, or counts it.
func (l *Log) Warn(now wire.Time, msg string, args ...any) {
	if now /= 1e9; now != l.second {
		if l.count > most {
			l.To.Warn("more warnings were left out", "count", l.count-most)
		}
		l.second, l.count = now, 0
	}
	if l.count++; l.count <= most {
		l.To.Warn(msg, args...)
	}
}
