package lane_test

import (
	"slices"
	"testing"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker/lane"
)

// stage is a host whose reports the test makes.
type stage struct {
	frames  chan *turn.Frame
	reports chan *turn.Report
}

func (s *stage) Submit(f *turn.Frame)         { s.frames <- f }
func (s *stage) Cancel(uint64, int)           {}
func (s *stage) Reports() <-chan *turn.Report { return s.reports }

// names returns what the tasks of a frame call, in order.
func names(f *turn.Frame) (all []string) {
	for i := range f.Tasks {
		all = append(all, f.Tasks[i].Env.To.Method)
	}
	return all
}

// taker takes a result with a function.
type taker func(*turn.Result)

func (t taker) Take(res *turn.Result) { t(res) }

// A function for which a frame had no time is the first of the next: those who
// call again and again would else come before it for ever.
func TestSkippedComesFirst(t *testing.T) {
	s := &stage{frames: make(chan *turn.Frame, 1), reports: make(chan *turn.Report)}
	a := lane.New(s)
	over := make(chan struct{})
	go func() { a.Serve(); close(over) }()
	defer func() { close(s.reports); <-over }()
	run := func(name string, later func(*turn.Result)) {
		if res, err := a.Run(&wire.Envelope{Kind: wire.Call, To: wire.Address{Method: name}}, 0, 1, taker(later)); res != nil || err != nil {
			t.Fatalf("%s: %v, %v", name, res, err)
		}
	}
	ignore := func(*turn.Result) {}
	again := make(chan struct{})
	run("first", ignore)
	f := <-s.frames
	run("quick", func(*turn.Result) { run("quick", ignore); close(again) })
	run("slow", ignore)
	run("slower", ignore)
	s.reports <- &turn.Report{Frame: f.Seq, Results: []turn.Result{{Outcome: turn.Done}}}
	f = <-s.frames
	if got, want := names(f), []string{"quick", "slow", "slower"}; !slices.Equal(got, want) {
		t.Fatalf("a frame of %v, want %v", got, want)
	}
	run("newcomer", ignore)
	s.reports <- &turn.Report{Frame: f.Seq, Results: []turn.Result{{Index: 0, Outcome: turn.Done}, {Index: 1, Outcome: turn.Skipped}, {Index: 2, Outcome: turn.Skipped}}}
	f = <-s.frames
	if got, want := names(f), []string{"slow", "slower", "newcomer"}; !slices.Equal(got, want) {
		t.Errorf("the next frame is of %v, want %v", got, want)
	}
	<-again
	s.reports <- &turn.Report{Frame: f.Seq, Results: []turn.Result{{Index: 0, Outcome: turn.Done}, {Index: 1, Outcome: turn.Done}, {Index: 2, Outcome: turn.Done}}}
	if got, want := names(<-s.frames), []string{"quick"}; !slices.Equal(got, want) {
		t.Errorf("the last frame is of %v, want %v", got, want)
	}
}
