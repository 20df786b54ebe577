package durable

// Event is a line of the history. What came with it is in the operation, save
// what a failed attempt left, which the next one replaces.
type Event struct {
	Type    string       `json:"type"`
	At      int64        `json:"at"`
	ID      string       `json:"id,omitempty"`
	Attempt int          `json:"attempt,omitempty"` // of a step
	Delay   int64        `json:"delay,omitempty"`   // seconds to the next one
	Error   *ErrorObject `json:"error,omitempty"`
	Begun   int64        `json:"begun,omitempty"` // of an invocation
	Request string       `json:"request,omitempty"`
}

// note appends a line to the history.
func (s *State) note(now int64, typ string, op *Operation) {
	e := Event{Type: typ, At: now, ID: op.ID}
	if op.Type == Step {
		e.Attempt = op.Attempt
		if op.Status == Pending {
			e.Delay, e.Error = (op.Due-now)/1000, op.Error
		}
	}
	s.Events.Append(e)
}

// invoked appends that an invocation has ended.
func (s *State) invoked(now int64, request string, failed *ErrorObject) {
	s.Events.Append(Event{Type: "InvocationCompleted", At: now, Begun: s.BegunAt, Request: request, Error: failed})
}

// eventWord returns how the names of events say a status.
func eventWord(status string) string {
	switch status {
	case Succeeded:
		return "Succeeded"
	case TimedOut:
		return "TimedOut"
	case Stopped:
		return "Stopped"
	case Cancelled:
		return "Cancelled"
	}
	return "Failed"
}

// eventType returns how they say a type.
func eventType(typ string) string {
	switch typ {
	case Context:
		return "Context"
	case Step:
		return "Step"
	case Wait:
		return "Wait"
	case Callback:
		return "Callback"
	case ChainedInvoke:
		return "ChainedInvoke"
	}
	return "Execution"
}
