package cron

import (
	"time"

	"github.com/cespare/xxhash/v2"
)

// Jitter returns by how much the schedule with that name is late each time: the
// same each time, from 0 to below most, in milliseconds. It spreads schedules that
// are due at the same time.
func Jitter(name string, most time.Duration) time.Duration {
	if most < time.Millisecond {
		return 0
	}
	return time.Duration(xxhash.Sum64String(name)%uint64(most/time.Millisecond)) * time.Millisecond
}
