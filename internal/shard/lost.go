package shard

// lost gives a host up that has ended.
func (s *Shard) lost() {
	why := ""
	if h, ok := s.host.(interface{ Why() error }); ok {
		if err := h.Why(); err != nil {
			why = err.Error()
		}
	}
	s.host = nil
	s.core.DeadHost(why)
}
