package host

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// Runs that keep the processor for long let others go first in between: with
// one processor, who wants it has it after each of them, and need not wait
// until the frame ends or Go's scheduler interrupts, after 10 ms.
func TestLongRunsLetOthersGoFirst(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var others atomic.Int64
	var seen []int64
	set := &Set{Functions: map[string]*Function{"toil": {Method: Method{Name: "toil"}, Run: func(*Turn) Outcome {
		seen = append(seen, others.Load())
		for began := time.Now(); time.Since(began) < 4*longRun; {
			continue
		}
		return Outcome{}
	}}}}
	r := NewRunner(set, Config{Patience: time.Minute, Slice: time.Minute})
	defer r.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				others.Add(1)
				runtime.Gosched()
			}
		}
	}()
	f := &turn.Frame{Seq: 1}
	for i := range 10 {
		f.Tasks = append(f.Tasks, turn.Task{Env: &wire.Envelope{Seq: wire.Seq(i + 1), To: wire.Address{Method: "toil"}}})
	}
	r.Submit(f)
	rep := <-r.Reports()
	close(stop)
	<-stopped
	for i, res := range rep.Results {
		if res.Outcome != turn.Done {
			t.Fatalf("%d: %+v", i, res)
		}
	}
	between := 0
	for i := 1; i < len(seen); i++ {
		if seen[i] > seen[i-1] {
			between++
		}
	}
	if between < 7 { // the collector, for one, may come in their place
		t.Error(fmt.Sprint("others came rarely between two runs: ", seen))
	}
}
