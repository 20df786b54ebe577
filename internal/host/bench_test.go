package host

import (
	"fmt"
	"testing"

	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// tally is the cheapest object there can be.
type tally struct{ n int }

func (c *tally) Load(*turn.State) error        { return nil }
func (c *tally) Run(*Turn) Outcome             { c.n++; return Outcome{Wrote: true} }
func (c *tally) Changes(ch *turn.Change) error { ch.Size = 8; return nil }

// BenchmarkRunner tells what the runner itself costs: one op is one task of a
// trivial handler, in frames of 64, of as many objects as the name says.
func BenchmarkRunner(b *testing.B) {
	for _, objects := range []int{64, 1} {
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			r := NewRunner(&Set{Types: map[string]*Type{"t": {Methods: map[string]*Method{"m": {}}, New: func() Instance { return &tally{} }}}}, Config{})
			defer r.Close()
			f := &turn.Frame{Seq: 1, Tasks: make([]turn.Task, 64)}
			for i := range f.Tasks {
				f.Tasks[i] = turn.Task{Slot: turn.Slot(1 + i%objects), Env: &wire.Envelope{To: wire.Address{Type: "t", Key: "k", Method: "m"}}}
				if i < objects {
					f.Tasks[i].Load = &turn.State{}
				}
			}
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(f.Tasks) {
				r.Submit(f)
				<-r.Reports()
				f = &turn.Frame{Seq: f.Seq + 1, Tasks: f.Tasks}
				if n == 0 {
					for i := range f.Tasks {
						f.Tasks[i].Load = nil
					}
				}
			}
		})
	}
}
