package worker

import (
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/frugal"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker/check"
	"github.com/situ-dev/situ/internal/workproto"
)

// FuzzReport lets a worker report anything on two frames, one after another:
// a report is refused, or one that a shard can apply, whose results and changes
// are of the frame.
func FuzzReport(f *testing.F) {
	for _, rep := range []*turn.Report{
		{Frame: 1, Results: []turn.Result{{Outcome: turn.Done}, {Index: 1, Outcome: turn.Detached}, {Index: 2, Outcome: turn.Done}}, Changes: []turn.Change{{Slot: 1, Root: []byte{0xa0}}}},
		{Frame: 1, Late: true, Results: []turn.Result{{Index: 1, Outcome: turn.Panicked, Unloaded: true, Fail: &wire.Failure{Kind: "timeout"}}}},
	} {
		b, _ := workproto.AppendReport(nil, rep, workproto.MaxFrame)
		f.Add(b[5:], b[5:])
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		frame := &turn.Frame{Seq: 1, Tasks: []turn.Task{{Slot: 1, Env: &wire.Envelope{}}, {Slot: 2, Env: &wire.Envelope{}}, {Env: &wire.Envelope{}, Copy: true}}}
		l := &link{s: &session{pool: &Pool{quarantine: newQuarantine(nil)}}, check: check.Checker{Shards: 4, MaxState: 1 << 20}, open: map[uint64]*flight{}}
		l.current, l.open[1] = 1, &flight{frame: frame, sent: len(frame.Tasks)}
		for _, b := range [][]byte{first, second} {
			rep := &turn.Report{}
			var last bool
			var err error
			frugal.Check(t, len(b), func() { rep = &turn.Report{}; last, err = workproto.DecodeReport(rep, b) })
			if err == nil {
				err = l.accept(rep, last)
			}
			if err != nil {
				if !fault.Is(err, fault.Corrupt) {
					t.Errorf("an error of another kind: %v", err)
				}
				return
			}
			for _, r := range rep.Results {
				if last && (r.Index < 0 || r.Index >= len(frame.Tasks)) {
					t.Errorf("a result of task %d", r.Index)
				}
			}
			for _, c := range rep.Changes {
				if last && c.Slot != 1 && c.Slot != 2 {
					t.Errorf("a change of slot %d", c.Slot)
				}
			}
		}
	})
}
