package shard

import (
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/core"
	"github.com/situ-dev/situ/internal/wire"
)

// Call takes a call from outside. Done is called once, on the shard's
// goroutine, and must not block: with a response that is durable, or with an
// error. Leave says that the caller does not wait any more. An error of Call
// itself is a refusal at the door; then done is not called, and leave is nil.
func (s *Shard) Call(r *wire.Request, done func(*wire.Response, error)) (leave func(), err error) {
	if err := s.Full(r); err != nil {
		return nil, err
	}
	w := &core.Waiter{Done: done}
	if !s.post(request{r, w}) {
		return nil, stopped(r.To.String())
	}
	return w.Leave, nil
}

// Full returns the refusal, of kind fault.Busy, of a call that would not be
// taken now, and nil if the shard is to be asked. It does not look at the body.
func (s *Shard) Full(r *wire.Request) error {
	if crowds := s.crowds.Load(); crowds != nil {
		return crowds.Refuse(r)
	}
	return nil
}

// tellCrowds tells the door which calls are not taken now, so that many who
// are refused do not keep the shard from its work.
func (s *Shard) tellCrowds() {
	if crowds, changed := s.core.Crowds(); changed {
		s.crowds.Store(crowds)
	}
	s.gates.Store(int32(s.core.Control().Pauses.Functions()))
}

func stopped(on string) error {
	return fault.New(fault.Unavailable, "call", on, "the platform is shutting down")
}
