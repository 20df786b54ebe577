package situ

import (
	"fmt"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

type tally struct {
	N, Max int64
	Last   string
}

// BenchmarkTurn tells what a turn costs from frame to report, with decoding of
// the input, encoding of the answer and, once a frame and object, of the state.
// One op is one turn, in frames of 64.
func BenchmarkTurn(b *testing.B) {
	typ := NewType("tally")
	add := NewMethod[int64, int64](typ, "add")
	deny := NewMethod[int64, int64](typ, "deny")
	send := NewMethod[int64, int64](typ, "send")
	denied := Errorf("no", "no")
	flat := Object(typ,
		On(add, func(s *tally, _ *Turn, n int64) (int64, error) { s.N += n; return s.N, nil }),
		On(deny, func(s *tally, _ *Turn, n int64) (int64, error) { s.N += n; return 0, denied }),
		On(send, func(s *tally, t *Turn, n int64) (int64, error) { Send(t, add.To("x", n)); return 0, nil }))
	boxType := NewType("box")
	set := NewMethod[int64, int64](boxType, "set")
	box := Object(boxType, On(set, func(s *flatBox, _ *Turn, n int64) (int64, error) { s.Codes.Set("k", int(n)); return n, nil }))
	for _, c := range []struct {
		name    string
		objects int
		call    Call[int64]
	}{
		{"add/objects=64", 64, add.To("k", 5)}, {"add/objects=1", 1, add.To("k", 5)}, {"error/objects=1", 1, deny.To("k", 5)},
		{"send/objects=64", 64, send.To("k", 5)}, {"map/objects=64", 64, set.To("k", 5)},
	} {
		b.Run(c.name, func(b *testing.B) {
			set, err := Assemble(flat, box)
			if err != nil {
				b.Fatal(err)
			}
			r := host.NewRunner(set, host.Config{Patience: time.Hour, Slice: time.Hour}) // whatever else the machine does
			defer r.Close()
			f := &turn.Frame{Tasks: make([]turn.Task, 64)}
			for i := range f.Tasks {
				f.Tasks[i] = turn.Task{Slot: turn.Slot(1 + i%c.objects), Env: &wire.Envelope{Kind: wire.Call, To: c.call.to, Body: c.call.in,
					Back: &wire.Callback{Kind: wire.ToInvocation, Format: wire.JSON}}}
				if i < c.objects {
					f.Tasks[i].Load = &turn.State{}
				}
			}
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(f.Tasks) {
				r.Submit(f)
				if rep := <-r.Reports(); rep.Results[63].Outcome != turn.Done {
					b.Fatal(fmt.Sprint(rep.Results[63]))
				}
				f = &turn.Frame{Seq: f.Seq + 1, Tasks: f.Tasks}
				for i := 0; n == 0 && i < len(f.Tasks); i++ {
					f.Tasks[i].Load = nil
				}
			}
		})
	}
}
