package wire

// Lineage is what an envelope has of the chain that it is work for, and of who waits
// for it. Most envelopes have none, so it is apart from them. It may be of
// several envelopes: it is never changed, but replaced by Amend.
type Lineage struct {
	// Chain is the recorded call from outside that this is work for, "" if there is
	// none: what a turn sends is of the chain that the turn is of.
	Chain    InvocationID
	Trace    string // W3C traceparent, "" is none
	Span     *Span  // its place in the tree of its chain; nil if it has no chain
	Asked    *Asked // of a reply: which call it answers
	Deadline Time   // of the chain, or of this call if that is sooner: not run after; 0 is none
	Beat     Time   // of a call of a Token: how long it may be silent, in nanoseconds; 0 is for ever
	// Path is who waits for the answer and cannot be seen in Back, oldest first: objects
	// that hold their caller meanwhile, and workflows.
	Path  Waiters
	Guard bool // the deadline is of this call: its callback is answered then at the latest
	// Free says that it cleans up after a chain that was cancelled, and is run all the same: a
	// failure that a continuation is told of, and what follows from it.
	Free bool
	// Stick, of a call of a function, decides which version runs it: the same for the
	// same. 0 leaves that to its chain.
	Stick uint64
}

// Some returns l for an envelope: nil if it says nothing.
func (l Lineage) Some() *Lineage {
	if l.Chain == "" && l.Trace == "" && l.Span == nil && l.Asked == nil && l.Deadline == 0 && l.Beat == 0 && len(l.Path) == 0 && !l.Guard && !l.Free && l.Stick == 0 {
		return nil
	}
	some := l // what is not kept is not allocated
	return &some
}

// Amend gives env a lineage of its own, as it was, to be changed by who called.
func (env *Envelope) Amend() *Lineage {
	l := new(Lineage)
	if env.Lineage != nil {
		*l = *env.Lineage
	}
	env.Lineage = l
	return l
}

// Chain returns that of env's lineage, "" if it has none.
func (env *Envelope) Chain() InvocationID {
	if env.Lineage == nil {
		return ""
	}
	return env.Lineage.Chain
}

// Trace returns that of env's lineage, "" if it has none.
func (env *Envelope) Trace() string {
	if env.Lineage == nil {
		return ""
	}
	return env.Lineage.Trace
}

// Span returns that of env's lineage, nil if it has none.
func (env *Envelope) Span() *Span {
	if env.Lineage == nil {
		return nil
	}
	return env.Lineage.Span
}

// Asked returns that of env's lineage, nil if it has none.
func (env *Envelope) Asked() *Asked {
	if env.Lineage == nil {
		return nil
	}
	return env.Lineage.Asked
}

// Stick returns that of env's lineage, 0 if it has none.
func (env *Envelope) Stick() uint64 {
	if env.Lineage == nil {
		return 0
	}
	return env.Lineage.Stick
}

// Deadline returns that of env's lineage, 0 if it has none.
func (env *Envelope) Deadline() Time {
	if env.Lineage == nil {
		return 0
	}
	return env.Lineage.Deadline
}

// Beat returns that of env's lineage, 0 if it has none.
func (env *Envelope) Beat() Time {
	if env.Lineage == nil {
		return 0
	}
	return env.Lineage.Beat
}

// Path returns that of env's lineage, nil if it has none.
func (env *Envelope) Path() Waiters {
	if env.Lineage == nil {
		return nil
	}
	return env.Lineage.Path
}

// Guard returns that of env's lineage, false if it has none.
func (env *Envelope) Guard() bool {
	if env.Lineage == nil {
		return false
	}
	return env.Lineage.Guard
}

// Free returns that of env's lineage, false if it has none.
func (env *Envelope) Free() bool {
	if env.Lineage == nil {
		return false
	}
	return env.Lineage.Free
}

// lineage returns env's, made if there is none, while env is decoded.
func (env *Envelope) lineage() *Lineage {
	if env.Lineage == nil {
		env.Lineage = new(Lineage)
	}
	return env.Lineage
}
