package schedule

// Ticks returns how many timers of schedules have come in this process.
func Ticks() int64 { return ticks.Load() }
