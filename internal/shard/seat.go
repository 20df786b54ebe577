package shard

import (
	"slices"

	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/shard/resident"
	"github.com/situ-dev/situ/internal/turn"
)

// seat is where the host of a program works for the shard. The loop hears the
// main program's itself; for each other a goroutine carries the reports to it.
type seat struct {
	program *core.Program
	host    Host          // nil while there is none
	quit    chan struct{} // closed to have the carrier end, nil if there is none
	gone    chan struct{} // closed when it has
}

// news is a report that was carried, nil for the end of the host it is from.
type news struct {
	seat *seat
	from Host
	rep  *turn.Report
}

// mortal is a Host that tells more of its end, when Reports is closed.
type mortal interface {
	// Why returns what ended it.
	Why() error
	// Reached reports whether user code may have got the frame with that
	// number, which is not reported.
	Reached(frame uint64) bool
}

type hostChange struct {
	program  string
	host     Host
	manifest *host.Manifest
	forget   bool
	done     chan struct{}
}

// weights say which parts of their deployments versions have.
type weights struct {
	of   map[string]float64
	done chan struct{}
}

// SetWeights says which parts of their deployments programs have that are versions,
// by their names. What they run is theirs to end; it returns when what comes goes to
// the others.
func (s *Shard) SetWeights(of map[string]float64) {
	done := make(chan struct{})
	if s.post(weights{of, done}) {
		<-done
	}
}

// Forget takes the host of a program away, as SetHost does, and forgets the program.
func (s *Shard) Forget(program string) {
	done := make(chan struct{})
	if s.post(hostChange{program: program, forget: true, done: done}) {
		<-done
	}
}

// SetHost makes the shard run the turns of a program on h, which can run what m
// says; nil takes the host away, and m says what waits for the next one. What the old host had not reported runs again.
// It returns when the shard no longer uses the old host. Other programs do not
// notice.
func (s *Shard) SetHost(program string, h Host, m *host.Manifest) {
	done := make(chan struct{})
	if s.post(hostChange{program: program, host: h, manifest: m, done: done}) {
		<-done
	}
}

// seat returns the seat of a program.
func (s *Shard) seat(program string) *seat {
	p := s.core.Program(program)
	for _, st := range s.seats {
		if st.program == p {
			return st
		}
	}
	st := &seat{program: p}
	s.seats = append(s.seats, st)
	return st
}

// change gives a program another host. It reports false if that must wait for
// the report of a frame.
func (s *Shard) change(v hostChange) bool {
	st := s.seat(v.program)
	if !s.leave(st) {
		return false
	}
	if st.host = v.host; v.host != nil {
		s.core.SetProgram(st.program, v.manifest)
		if st != s.main {
			st.quit, st.gone = make(chan struct{}), make(chan struct{})
			s.carry.Go(func() { s.bring(st, v.host, st.quit, st.gone) })
		}
	} else if v.manifest != nil {
		s.core.Announce(st.program, v.manifest)
	} else if v.forget {
		s.core.Forget(st.program)
		s.seats = slices.DeleteFunc(s.seats, func(other *seat) bool { return other == st })
	}
	close(v.done)
	return true
}

// bring carries the reports of a host to the loop, until quit is closed or the
// loop has ended.
func (s *Shard) bring(st *seat, h Host, quit, gone chan struct{}) {
	defer close(gone)
	for {
		var rep *turn.Report
		select {
		case rep = <-h.Reports():
		case <-quit:
			return
		case <-s.over:
			return
		}
		select {
		case s.news <- news{st, h, rep}:
		case <-s.over:
			return
		}
		if rep == nil {
			return
		}
	}
}

// reports returns the channel on which the loop hears the host itself.
func (st *seat) reports() <-chan *turn.Report {
	if st.host == nil {
		return nil
	}
	return st.host.Reports()
}

// heard takes a report, nil for the end of the host.
func (s *Shard) heard(st *seat, rep *turn.Report) {
	if rep == nil {
		s.lost(st)
		return
	}
	s.core.Apply(rep)
}

// submit gives a frame to each host that has none and for which there is
// something to run. It reports whether there was any.
func (s *Shard) submit() (any bool) {
	for _, st := range s.seats {
		if st.host == nil {
			continue
		}
		if f := s.core.NextFrame(st.program); f != nil {
			st.host.Submit(f)
			any = true
		}
	}
	return any
}

// end tells a turn that runs that nobody needs its answer.
func (s *Shard) end(e resident.Run) {
	for _, st := range s.seats {
		if st.program == e.Program && st.host != nil {
			st.host.Cancel(e.Frame, e.Index)
		}
	}
}

// leave gives the host of a program up, in peace if it lives: then a frame that
// is out comes back first.
func (s *Shard) leave(st *seat) bool {
	if st.program.Flying && st.quit != nil {
		return false // its carrier brings the report, or that it has ended
	}
	if st.quit != nil {
		close(st.quit)
		s.hearOut(st.gone)
		st.quit, st.gone = nil, nil
	}
	for st.host != nil {
		select {
		case rep := <-st.host.Reports():
			s.heard(st, rep)
			continue
		default:
		}
		if st.program.Flying {
			return false
		}
		st.host = nil
		s.core.LostHost(st.program, false)
	}
	return true
}

// hearOut takes what carriers bring until one of them is gone.
func (s *Shard) hearOut(gone <-chan struct{}) {
	for {
		select {
		case n := <-s.news:
			s.told(n)
		case <-gone:
			return
		}
	}
}

// told takes news, unless they are of a host that was given up meanwhile.
func (s *Shard) told(n news) {
	if n.seat.host == n.from {
		s.heard(n.seat, n.rep)
	}
}

// lost gives a host up that has ended.
func (s *Shard) lost(st *seat) {
	c, p := s.core, st.program
	h, ok := st.host.(mortal)
	st.host, st.quit, st.gone = nil, nil, nil
	if !ok {
		c.LostHost(p, true)
		return
	}
	if p.Flying && !h.Reached(p.Frame) {
		c.Unsent(p)
	}
	if err := h.Why(); err != nil {
		c.DeadHost(p, err.Error())
		return
	}
	c.LostHost(p, true)
}
