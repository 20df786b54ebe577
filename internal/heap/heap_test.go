package heap

import (
	"runtime"
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

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live, scan uint64 // MiB
		want       int
	}{{0, 0, percent}, {10, 0, percent}, {64, 0, percent}, {128, 0, 200}, {1000, 1000, percent}, {1000, 500, percent}, {1000, 250, percent / 2}, {1000, 1, leastPercent}, {2000, 0, leastPercent}} {
		if got := percentFor(c.live<<20, c.scan<<20); got != c.want {
			t.Errorf("%d MiB, %d of them with pointers: %d, want %d", c.live, c.scan, got, c.want)
		}
	}
}

// TestFollow: a heap of bytes without pointers gets less room from the next collection on,
// and its old room back when it is gone.
func TestFollow(t *testing.T) {
	was := debug.SetGCPercent(percent)
	defer debug.SetGCPercent(was)
	looked := make(chan int, 1)
	tu := &tuner{now: percent}
	once := func(want int) {
		t.Helper()
		runtime.SetFinalizer(&struct{ t *tuner }{tu}, func(mark *struct{ t *tuner }) {
			mark.t.look()
			looked <- mark.t.now
		})
		runtime.GC()
		if got := <-looked; got < want || got > want+5 {
			t.Errorf("percent %d, want %d", got, want)
		}
		if got := debug.SetGCPercent(tu.now); got != tu.now {
			t.Errorf("the collector has %d, want %d", got, tu.now)
		}
	}
	large := make([]byte, leastRoom) // it is never touched
	once(leastPercent)
	runtime.KeepAlive(large)
	once(percent)
}
