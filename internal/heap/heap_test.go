package heap

import (
	"runtime/debug"
	"testing"
)

func TestTune(t *testing.T) {
	gc, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() { debug.SetGCPercent(gc); debug.SetMemoryLimit(limit) }()
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	Tune()
	if got := debug.SetGCPercent(100); got != percent {
		t.Errorf("GC percent %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != physical()/5*2 || got < 64<<20 {
		t.Errorf("memory limit %d of %d", got, physical())
	}
	debug.SetGCPercent(70)
	t.Setenv("GOGC", "70")
	Tune()
	if got := debug.SetGCPercent(100); got != 70 {
		t.Errorf("GOGC was overruled: %d", got)
	}
}

func TestAtMost(t *testing.T) {
	limit := debug.SetMemoryLimit(256 << 20)
	defer debug.SetMemoryLimit(limit)
	if got := AtMost(2<<30, 4); got != 64<<20 {
		t.Errorf("a quarter of 256 MiB is %d", got)
	}
	if got := AtMost(1<<20, 4); got != 1<<20 {
		t.Errorf("1 MiB of 256 MiB is %d", got)
	}
}
