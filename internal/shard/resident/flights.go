package resident

import (
	"iter"

	"github.com/situ-dev/situ/internal/wire"
)

// Flights is the frames that are out, or of which tasks run on, by number.
type Flights map[uint64]*Flight

// Run is a task that runs: which of a frame, and since when.
type Run struct {
	Program *Program
	Frame   uint64
	Index   int
	Since   wire.Time
}

// Of returns the tasks of a chain that run, with their messages.
func (f Flights) Of(chain wire.InvocationID) iter.Seq2[Run, *wire.Envelope] {
	return func(yield func(Run, *wire.Envelope) bool) {
		for seq, fl := range f {
			for i := range fl.Tasks {
				env := fl.Tasks[i].Env
				if env != nil && env.Chain() == chain && !yield(Run{fl.Program, seq, i, fl.Frame.Now}, env) {
					return
				}
			}
		}
	}
}
