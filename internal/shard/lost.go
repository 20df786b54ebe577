package shard

// mortal is a Host that tells more of its end, when Reports is closed.
type mortal interface {
	// Why returns what ended it.
	Why() error
	// Reached reports whether user code may have got the frame with that
	// number, which is not reported.
	Reached(frame uint64) bool
}

// lost gives a host up that has ended.
func (s *Shard) lost() {
	c := s.core
	h, ok := s.host.(mortal)
	s.host = nil
	if !ok {
		c.LostHost(true)
		return
	}
	if c.Flying() && !h.Reached(c.Frame()) {
		c.Unsent()
	}
	if err := h.Why(); err != nil {
		c.DeadHost(err.Error())
		return
	}
	c.LostHost(true)
}
