package worker

import (
	"bytes"
	"io"
	"log/slog"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/frugal"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
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
		l := &link{s: &session{}, check: checker{shards: 4, maxState: 1 << 20}, open: map[uint64]*flight{}}
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

// FuzzLines prints anything, in two pieces: where it is cut makes no
// difference, and what is kept is bounded.
func FuzzLines(f *testing.F) {
	f.Add([]byte("plain\n{\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"INFO\",\"msg\":\"m\",\"n\":1}\nfatal error: x\r\nrest"), 9)
	f.Add(bytes.Repeat([]byte("long"), maxLine/2), maxLine)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		show := func(parts ...[]byte) string {
			var out bytes.Buffer
			l := &lines{log: slog.New(slog.NewJSONHandler(io.MultiWriter(&out), nil)), out: &out}
			for _, p := range parts {
				if n, err := l.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
			}
			if len(l.buf) > maxLine+16 || len(l.last) > 200 {
				t.Errorf("%d and %d bytes are kept", len(l.buf), len(l.last))
			}
			return out.String()
		}
		at = max(0, min(at, len(text)))
		if whole, cut := show(text), show(text[:at], text[at:]); whole != cut {
			t.Errorf("got  %q\nwant %q", cut, whole)
		}
	})
}
