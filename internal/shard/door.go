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
	if err := s.Full(r.To); err != nil {
		return nil, err
	}
	w := &core.Waiter{Done: done}
	if !s.post(request{r, w}) {
		return nil, stopped(r.To.String())
	}
	return w.Leave, nil
}

// Full returns the refusal of a call to an object that takes none now, and nil
// if the object is to be asked.
func (s *Shard) Full(to wire.Address) error {
	if crowds := s.crowds.Load(); crowds != nil && !to.Function() {
		if _, full := (*crowds)[to.Object()]; full {
			return core.Crowded(to)
		}
	}
	return nil
}

// tellCrowds tells the door which objects take no calls now, so that many who
// are refused do not keep the shard from its work.
func (s *Shard) tellCrowds() {
	crowds, changed := s.core.Crowds()
	switch {
	case !changed:
	case len(crowds) == 0:
		s.crowds.Store(nil)
	default:
		s.crowds.Store(&crowds)
	}
}

func stopped(on string) error {
	return fault.New(fault.Unavailable, "call", on, "the platform is shutting down")
}
