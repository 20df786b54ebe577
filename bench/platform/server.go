package platform

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/bench/proc"
	"github.com/situ-dev/situ/bench/report"
	"github.com/situ-dev/situ/internal/fault"
)

// Server is a platform with its HTTP door in a process of its own.
type Server struct {
	*situ.Client
	Addr string
	proc *proc.Proc
	pids []int
}

// hello is what the process says when it takes calls.
type hello struct {
	Addr string
	PIDs []int
}

// State is what a server tells of itself.
type State struct {
	Figures
	HeapAlloc uint64 // bytes of the platform's process
	Err       string `json:",omitempty"`
}

// question is what a server is asked.
type question struct {
	Collect bool // garbage first, and give memory back
}

// Role is the server as a role ("server") of a child process. In mode Embedded
// it hosts components.
func Role(components ...situ.Component) proc.Role {
	return func(ctx context.Context, conn *proc.Conn) (err error) {
		var c Config
		if err := conn.Get(&c); err != nil {
			return err
		}
		c.Components = components
		p, err := Open(ctx, c)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		own, ok := p.(interface{ Addr() string })
		if !ok {
			d, err := openDoor(p)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			own = d
		}
		if err := conn.Put(hello{own.Addr(), p.PIDs()}); err != nil {
			return err
		}
		for {
			var q question
			if conn.Get(&q) != nil { // there are no more questions
				return nil
			}
			if err := conn.Put(state(ctx, p, q)); err != nil {
				return err
			}
		}
	}
}

func state(ctx context.Context, p Platform, q question) (s State) {
	if q.Collect {
		debug.FreeOSMemory()
		debug.FreeOSMemory() // what the first one only finished with
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.HeapAlloc = m.HeapAlloc
	var err error
	if s.Figures, err = p.Figures(ctx); err != nil {
		s.Err = err.Error()
	}
	return s
}

// Serve starts a server process, with environ added to its environment, and
// returns when it takes calls. Close or Kill it.
func Serve(c Config, environ ...string) (*Server, error) {
	p, err := proc.Start("server", c, environ...)
	if err != nil {
		return nil, err
	}
	var h hello
	if err := p.Get(&h); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return &Server{situ.NewClient("http://" + h.Addr), h.Addr, p, h.PIDs}, nil
}

// State returns what the platform did, after a collection of garbage if that
// is wanted. Only one goroutine may ask.
func (s *Server) State(collect bool) (st State, err error) {
	if err := s.proc.Put(question{collect}); err != nil {
		return st, fmt.Errorf("ask the server: %w", err)
	}
	if err := s.proc.Get(&st); err != nil {
		return st, err
	}
	if st.Err != "" {
		err = fault.New(fault.Internal, "bench", "figures of the server", "%s", st.Err)
	}
	return st, err
}

// Quiet waits until nothing is queued or unacknowledged: two readings in turn
// say so, with no turn in between. Look, if it is not nil, is called with what
// is read.
func (s *Server) Quiet(ctx context.Context, look func(State)) error {
	var before State
	for first := true; ; first = false {
		now, err := s.State(false)
		if err != nil {
			return err
		}
		if look != nil {
			look(now)
		}
		if !first && now.Pending == 0 && before.Pending == 0 && now.Turns == before.Turns {
			return nil
		}
		before = now
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Usage returns the CPU time and the resident memory of the server's
// processes.
func (s *Server) Usage() (cpu time.Duration, rss int64) { return report.Usage(s.pids...) }

// Peak returns the most resident memory that one of the processes had, in
// bytes.
func (s *Server) Peak() (most int64) {
	for _, pid := range s.pids {
		most = max(most, report.Peak(pid))
	}
	return most
}

// Close ends the server in order. It may be called twice.
func (s *Server) Close() error {
	s.Client.Close()
	return s.proc.Close()
}

// Kill ends it with SIGKILL.
func (s *Server) Kill() error {
	defer s.Client.Close()
	return s.proc.Kill()
}
