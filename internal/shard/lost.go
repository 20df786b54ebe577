package shard

// lost gives a host up that has ended.
func (s *Shard) lost() {
	h, ok := s.host.(interface{ Why() error })
	s.host = nil
	if ok {
		if err := h.Why(); err != nil {
			s.core.DeadHost(err.Error())
			return
		}
	}
	s.core.LostHost(true)
}
