package durable

import "fmt"

// Begin begins the invocation with number run and gives it a token; that of an
// earlier try is not good any more. It reports false if that run is over, and
// returns the operations that were changed since the last one.
func (s *State) Begin(now, run int64, nonce func() string) (updated []string, ok bool) {
	if s.Status != Running || !s.Busy || run != s.Run {
		return nil, false
	}
	s.Begun++
	s.BegunAt = now
	s.Fresh = append(append(s.Fresh, s.Told...), s.Dirty...)
	s.Told, s.Dirty = nil, nil // the event has them: nobody replays without taking notice
	s.Used, s.UsedClient, s.Answered = "", "", nil
	s.issue(nonce)
	return s.Fresh, true
}

// Answer is what a handler returned.
type Answer struct {
	Status string       `json:"Status"`
	Result *string      `json:"Result"`
	Error  *ErrorObject `json:"Error"`
}

// Returned ends the invocation with number run. Failed is why it came to no
// answer, nil if it did.
func (s *State) Returned(now, run int64, request string, a Answer, failed *ErrorObject) Effects {
	var fx Effects
	if s.Status != Running || !s.Busy || run != s.Run {
		return fx
	}
	s.Busy, s.Token, s.Used, s.UsedClient, s.Answered = false, "", "", "", nil
	if failed == nil {
		s.Fresh = nil
	}
	s.invoked(now, request, failed)
	switch {
	case failed != nil:
		s.fails(now, failed, &fx)
	case a.Status == Succeeded:
		if text(a.Result) == "" && s.Result != nil {
			a.Result = s.Result // it came with a checkpoint
		}
		s.end(now, Succeeded, a.Result, nil, &fx)
	case a.Status == Failed:
		s.end(now, Failed, nil, a.Error, &fx)
	case a.Status == Pending && len(s.Dirty)+len(s.Told) > 0:
		s.wake(&fx) // something happened that it may not have seen
	case a.Status == Pending && s.Open > 0:
		s.Failures = 0
	case a.Status == Pending:
		s.fails(now, NewError("Durable.NothingPending", "the handler says that it waits, but nothing does that it could wait for"), &fx)
	default:
		s.end(now, Failed, nil, NewError("Durable.InvalidAnswer",
			"the handler returned no Status of SUCCEEDED, FAILED or PENDING: is it made with withDurableExecution?"), &fx)
	}
	return fx
}

// Lost says that the invocation with number run was given up because the
// platform stops: it is made again, and that does not count.
func (s *State) Lost(now, run int64) Effects {
	if s.Status != Running || !s.Busy || run != s.Run {
		return Effects{}
	}
	s.Busy, s.Token, s.Used, s.UsedClient, s.Answered = false, "", "", "", nil
	return Effects{Timers: []Timer{{Kind: OfRun, ID: fmt.Sprint(s.Run), At: now}}}
}

// fails has an invocation that came to nothing made again after a pause, or
// ends the execution if there were too many.
func (s *State) fails(now int64, why *ErrorObject, fx *Effects) {
	s.Failures++
	if s.Failures >= MaxFailures {
		s.end(now, Failed, nil, why, fx)
		return
	}
	pause := min(int64(firstPause)<<(s.Failures-1), longestPause)
	fx.Timers = append(fx.Timers, Timer{Kind: OfRun, ID: fmt.Sprint(s.Run), At: now + pause})
}

// Fire says that the time of a timer has come.
func (s *State) Fire(now int64, t Timer) Effects {
	var fx Effects
	if s.Status != Running {
		return fx
	}
	switch t.Kind {
	case OfExecution:
		if now >= s.Started+1000*s.Timeout { // else it is that of an execution which had this name and is forgotten
			s.end(now, TimedOut, nil, nil, &fx)
		}
	case OfRun:
		if t.ID == fmt.Sprint(s.Run) && !s.Busy {
			s.wake(&fx)
		}
	case OfOperation:
		if op, ok := s.Ops.Get(t.ID); ok {
			s.due(now, op, &fx)
		}
	}
	return fx
}

// Forgets reports whether t is the timer at which the execution is forgotten.
func (s *State) Forgets(now int64, t Timer) bool {
	return t.Kind == OfMemory && s.ARN != "" && s.Status != Running && now >= s.Ended+s.Retention*24*3600*1000
}

// due does what the time of an operation is for.
func (s *State) due(now int64, op Operation, fx *Effects) {
	before := op
	switch {
	case op.Type == Wait && op.Status == Started && now >= op.Due:
		op.Status, op.Ended = Succeeded, now
		s.note(now, "WaitSucceeded", &op)
	case op.Type == Step && op.Status == Pending && now >= op.Due:
		op.Status, op.Due = Ready, 0
	case op.Type == Callback && op.Status == Started:
		late := op.Due > 0 && now >= op.Due
		silent := op.Beat > 0 && now >= op.Beat
		if !late && !silent {
			if op.Every > 0 { // it gave a sign of life since
				fx.Timers = append(fx.Timers, Timer{OfOperation, op.ID, op.Beat})
			}
			return
		}
		op.Status, op.Ended = TimedOut, now
		if op.Error = NewError("Callback.Timeout", "nobody answered in time"); !late {
			op.Error = NewError("Callback.Heartbeat", "no heartbeat came in time")
		}
		s.note(now, "CallbackTimedOut", &op)
	default:
		return
	}
	s.change(&before, &op, fx)
}

// change stores what happened to an operation outside of the handler, and has
// the handler told.
func (s *State) change(before, after *Operation, fx *Effects) {
	s.set(before, after)
	s.touch(after.ID)
	s.wake(fx)
}

// guard returns the timers of a callback that was started now, and until when
// it must have a sign of life.
func (o *Operation) guard(now int64) (timers []Timer) {
	if o.Due > 0 {
		timers = append(timers, Timer{OfOperation, o.ID, o.Due})
	}
	if o.Every > 0 {
		o.Beat = now + 1000*o.Every
		timers = append(timers, Timer{OfOperation, o.ID, o.Beat})
	}
	return timers
}

// Reply is what somebody answers to a callback.
type Reply struct {
	ID, Nonce string
	Beat      bool // a sign of life, and no answer
	Result    *string
	Error     *ErrorObject // not nil: it failed
}

// Answer takes the answer to a callback.
func (s *State) Answer(now int64, r Reply) (Effects, error) {
	var fx Effects
	op, ok := s.Ops.Get(r.ID)
	switch {
	case !ok || op.Type != Callback || op.Nonce != r.Nonce || r.Nonce == "":
		return fx, &Error{NotFound, "there is no such callback (any more)"}
	case s.Status != Running:
		return fx, &Error{CallbackTimeout, "the execution that waited for this callback is over: " + s.Status}
	case op.Status == TimedOut:
		return fx, &Error{CallbackTimeout, "this callback has timed out: " + text(op.Error.Message)}
	case op.Status != Started:
		return fx, refuse("this callback was answered before: it is %s", op.Status)
	case int64(len(text(r.Result))+len(text(r.errorData())))+s.Bytes > MaxBytes:
		return fx, refuse("the execution holds more than %d MiB", MaxBytes>>20)
	}
	before := op
	if r.Beat {
		if op.Every == 0 {
			return fx, refuse("this callback has no heartbeat timeout: there is nothing to keep alive")
		}
		op.Beat = now + 1000*op.Every
		s.set(&before, &op)
		return fx, nil
	}
	op.Status, op.Ended, op.Result, op.Error = Succeeded, now, r.Result, r.Error
	if r.Error != nil {
		op.Status, op.Result = Failed, nil
	}
	s.note(now, "Callback"+eventWord(op.Status), &op)
	s.change(&before, &op, &fx)
	return fx, nil
}

func (r *Reply) errorData() *string {
	if r.Error == nil {
		return nil
	}
	return r.Error.Data
}

// Invoked takes what a chained invoke returned: the status is SUCCEEDED, FAILED,
// TIMED_OUT or STOPPED.
func (s *State) Invoked(now int64, id, status string, result *string, fail *ErrorObject) Effects {
	var fx Effects
	op, ok := s.Ops.Get(id)
	if !ok || op.Type != ChainedInvoke || op.Status != Started || s.Status != Running {
		return fx
	}
	if s.Bytes+int64(len(text(result))) > MaxBytes {
		status, result = Failed, nil
		fail = NewError("Durable.TooLarge", fmt.Sprintf("the execution holds more than %d MiB with this result", MaxBytes>>20))
	}
	before := op
	op.Status, op.Ended, op.Result, op.Error = status, now, result, fail
	s.note(now, "ChainedInvoke"+eventWord(status), &op)
	s.change(&before, &op, &fx)
	return fx
}
