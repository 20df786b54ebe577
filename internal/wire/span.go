package wire

func (s *Span) encode(e *Encoder) {
	e.Int(1, uint64(s.ID))
	e.Int(2, uint64(s.Parent))
	e.Int(3, uint64(s.Begun))
	e.Int(4, uint64(s.Active))
	if s.Left {
		e.Int(5, 1)
	}
}

func (s *Span) decode(d *Decoder) {
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			s.ID = SpanID(d.Int())
		case 2:
			s.Parent = SpanID(d.Int())
		case 3:
			s.Begun = Time(d.Int())
		case 4:
			s.Active = Time(d.Int())
		case 5:
			s.Left = d.Int() != 0
		}
	}
}

// MaxTail is how many calls are remembered that handed one callback on: of a
// longer row of them, the ones in the middle are not.
const MaxTail = 16

func (a *Asked) encode(e *Encoder) {
	e.Int(1, uint64(a.By))
	e.Int(2, uint64(a.Call))
	e.String(3, a.Type)
	e.String(4, a.Method)
	e.Int(5, uint64(a.Made))
	e.Int(6, uint64(a.Begun))
	e.String(8, a.Trace)
	if a.Tail != nil {
		at := e.open(7)
		a.Tail.encode(e)
		e.close(at)
	}
}

func (a *Asked) decode(d *Decoder, depth int) {
	if depth >= MaxTail {
		d.fail("calls are nested too deep")
		return
	}
	for n, ok := d.Next(); ok; n, ok = d.Next() {
		switch n {
		case 1:
			a.By = SpanID(d.Int())
		case 2:
			a.Call = SpanID(d.Int())
		case 3:
			a.Type = intern(d.Raw())
		case 4:
			a.Method = intern(d.Raw())
		case 5:
			a.Made = Time(d.Int())
		case 6:
			a.Begun = Time(d.Int())
		case 7:
			a.Tail = new(Asked)
			d.nested(func(in *Decoder) { a.Tail.decode(in, depth+1) })
		case 8:
			a.Trace = d.Text()
		}
	}
}

// Top returns the first of the calls that have one callback: whose callback it
// was made as.
func (a *Asked) Top() *Asked {
	for a != nil && a.Tail != nil {
		a = a.Tail
	}
	return a
}

// trace returns the trace that the answer belongs to, "" if that is not known.
func (a *Asked) trace() string {
	if a == nil {
		return ""
	}
	return a.Top().Trace
}

// Len returns how many calls have one callback.
func (a *Asked) Len() (n int) {
	for ; a != nil; a = a.Tail {
		n++
	}
	return n
}
