package flow

import (
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	journal "github.com/situ-dev/situ/internal/flow"
	"github.com/situ-dev/situ/internal/wire"
)

// Status says how a workflow is. The texts are on disk, and part of the API.
type Status string

// How a workflow is.
const (
	Running    Status = "running"    // its code is to go on, now or when what it waits for comes
	Parked     Status = "parked"     // its code cannot go on, for a reason: see Info
	Completed  Status = "completed"  // its code returned a result
	Failed     Status = "failed"     // its code returned an error
	Terminated Status = "terminated" // it was ended from outside, without its code
)

func (s Status) over() bool { return s == Completed || s == Failed || s == Terminated }

// state is what a workflow is on disk.
type state struct {
	Status  Status                          `json:"status,omitempty"`
	Reason  string                          `json:"reason,omitempty"` // why it is parked
	Input   []byte                          `json:"input,omitempty"`  // CBOR
	Result  []byte                          `json:"result,omitempty"` // CBOR
	Fail    *wire.Failure                   `json:"fail,omitempty"`
	Began   time.Time                       `json:"began,omitzero"` // this run
	Ended   time.Time                       `json:"ended,omitzero"`
	Run     int                             `json:"run,omitempty"`  // how often it was continued as new
	Gen     int                             `json:"gen,omitempty"`  // what its messages to itself are for; changes when it is begun, reset or over
	Last    int                             `json:"last,omitempty"` // ID of a command. Both count from a random number: one that had this key may be remembered by messages
	Bytes   int                             `json:"bytes,omitempty"`
	Waking  int                             `json:"waking,omitempty"` // a wake is on its way for code that has seen that much, less 1
	Stop    bool                            `json:"stop,omitempty"`   // it was asked to end
	Warned  bool                            `json:"warned,omitempty"` // its journal was half full, which was logged
	Callers []situ.Promise[situ.None]       `json:"callers,omitempty"`
	Path    []string                        `json:"path,omitempty"`    // who waited when it was begun, itself last: what it calls must not wait for them
	Updates map[int]situ.Promise[situ.None] `json:"updates,omitempty"` // who waits for which event
	Journal situ.List[journal.Entry]        `json:"journal"`

	p  *program
	co *coroutine // in memory, perhaps
}

// append adds a line to the journal on disk.
func (s *state) append(e journal.Entry) {
	s.Journal.Append(e)
	s.Bytes += e.Size()
}

// begin starts a run.
func (s *state) begin(t *situ.Turn, input []byte) {
	s.drop()
	s.Status, s.Reason, s.Input, s.Began = Running, "", input, t.Now()
	s.Journal.Truncate(0)
	s.Bytes, s.Waking, s.Stop, s.Warned = 0, 0, false, false
	if s.Gen == 0 {
		s.Gen = 1 + t.Rand().IntN(1<<48)
		s.Last = s.Gen
	}
	s.Gen++
}

// event takes what came from outside, and lets the code go on.
func (s *state) event(t *situ.Turn, e journal.Entry) {
	e.At = t.Now().UnixNano()
	if s.Status == Running {
		s.enter(t).f.j.Add(e)
	}
	s.append(e)
	s.advance(t)
}

// What a journal may hold is well below what the state of an object may be: a
// turn that would make it larger is refused, and what it brought is lost.
const (
	maxBytes = 8 << 20 // in all
	maxBody  = 1 << 20 // of one line; what is larger becomes an error
)

// lost is how often a turn was run in vain, because its code took too long or
// ended its worker, before the workflow is parked.
const lost = 3

// full returns why the journal takes no more of the code, "" if it does.
func (s *state) full(t *situ.Turn) string {
	n, most := s.Journal.Len(), s.p.limit
	if why := s.half(); why != "" && !s.Warned {
		s.Warned = true
		t.Log().Warn("a workflow will be parked: "+why, "entries", n, "limit", most, "bytes", s.Bytes)
	}
	if n < most && s.Bytes < maxBytes {
		return ""
	}
	return fmt.Sprintf("its journal has %d entries and %d bytes, and %d and %d are allowed: terminate it, or resume it with code that has a higher flow.Limit; "+
		"code that returns flow.ContinueAsNew in time begins a new journal", n, s.Bytes, most, maxBytes)
}

// half returns a warning if the journal is half full, "" before.
func (s *state) half() string {
	n, most := s.Journal.Len(), s.p.limit
	if s.Status.over() || n < most/2 && s.Bytes < maxBytes/2 {
		return ""
	}
	return fmt.Sprintf("its journal has %d of %d entries and %d of %d bytes: have its code return flow.ContinueAsNew, or raise flow.Limit", n, most, s.Bytes, maxBytes)
}

// advance lets the code go on as far as it can.
func (s *state) advance(t *situ.Turn) {
	if s.Status != Running {
		return
	}
	reason := s.full(t)
	if reason == "" && t.Attempt() >= lost {
		reason = fmt.Sprintf("its code was run %d times, and took too long or ended its worker", lost)
	}
	if reason != "" {
		s.park(t, reason)
		return
	}
	co := s.enter(t)
	defer co.release()
	over, why := co.goOn()
	switch {
	case why != nil:
		s.broken(t, why)
	case over:
		s.answer(t, co.f)
		s.end(t, co)
	default:
		if co.f.settling {
			s.settle(t, co.f)
		}
		s.answer(t, co.f)
		s.keep(co)
	}
}

// goOn lets the code run, and hear of what has come, until it ends or waits for
// what has not come.
func (co *coroutine) goOn() (over bool, why error) {
	f := co.f
	co.stands = true
	for {
		if _, more := co.next(); !more {
			if co.why == nil {
				co.why = f.j.Left("the end")
			}
			return true, co.why
		}
		if f.settling {
			return false, f.j.Left("a step")
		}
		e, ok := f.j.Deliver()
		if !ok {
			return false, f.j.Left("a wait for what has not come")
		}
		f.hear(e)
	}
}

// hear lets the code's state follow an event.
func (f *Flow) hear(e journal.Entry) {
	f.now = e.Time()
	switch e.Kind {
	case journal.Cancelled:
		f.cancelled = true
	case journal.Updated:
		h := f.updates[e.Name]
		var a answer
		if h == nil {
			a.err = &situ.Error{Kind: fault.NotFound.String(), Message: "the code of the workflow takes no update " + e.Name + " at this point"}
		} else {
			a.v, a.err = h(e.Body)
		}
		f.answers[f.j.Told()-1] = a
	}
}

// answer tells those who made the updates that were delivered.
func (s *state) answer(t *situ.Turn, f *Flow) {
	for n, a := range f.answers { // in any order: each is another's
		p, ok := s.Updates[n]
		if !ok {
			continue // an earlier run of the code told it
		}
		delete(s.Updates, n)
		if a.err != nil {
			situ.Reject(t, &p, a.err)
		} else {
			situ.Resolve(t, (*situ.Promise[any])(&p), a.v)
		}
	}
}

// settle has a step run when all before it is durable.
func (s *state) settle(t *situ.Turn, f *Flow) {
	if seen := f.j.Seen() + 1; s.Waking != seen {
		s.Waking = seen
		situ.Send(t, s.p.wake.To(f.key, ticket{Gen: s.Gen, Seen: seen}).Settled())
	}
}

// woken is the turn in which a step may be run.
func (s *state) woken(t *situ.Turn, k ticket) {
	if s.Status != Running || k.Gen != s.Gen || k.Seen != s.Waking {
		return
	}
	s.Waking = 0
	s.enter(t).f.durable = k.Seen
	s.advance(t)
}

// broken deals with code that did not end well.
func (s *state) broken(t *situ.Turn, why error) {
	if p, ok := errors.AsType[*panicked](why); ok && t.Attempt() < 2 {
		panic(p.v) // the platform tries it again, a little later
	}
	s.park(t, why.Error())
}

// park notes that the code cannot go on.
func (s *state) park(t *situ.Turn, reason string) {
	s.drop()
	s.Status, s.Reason = Parked, reason
	t.Log().Warn("a workflow is parked", "reason", reason)
}

// end takes what the code returned.
func (s *state) end(t *situ.Turn, co *coroutine) {
	s.drop()
	if next, ok := errors.AsType[*again](co.err); ok {
		stop := s.Stop
		s.refuseUpdates(t, "the workflow continued as new before it took the update: make it again")
		s.begin(t, next.input)
		s.Run++
		if s.Stop = stop; stop {
			s.append(journal.Entry{Kind: journal.Cancelled, At: t.Now().UnixNano()})
		}
		for _, e := range co.f.j.Untaken() {
			s.append(e)
		}
		s.advance(t)
		return
	}
	s.Status, s.Result = Completed, co.out
	if co.err != nil {
		s.Status, s.Fail = Failed, failure(co.err)
	}
	s.close(t)
}

// close tells everybody that the workflow has ended.
func (s *state) close(t *situ.Turn) {
	s.drop()
	s.Ended = t.Now()
	s.Gen++
	for i := range s.Callers {
		if s.Fail != nil {
			situ.Reject(t, &s.Callers[i], errorOf(s.Fail))
		} else {
			s.p.resolve(t, &s.Callers[i], s.Result)
		}
	}
	s.Callers = nil
	s.refuseUpdates(t, "the workflow ended before it took the update")
	if s.p.keep > 0 {
		situ.Send(t, s.p.expire.To(t.Key(), ticket{Gen: s.Gen}).After(s.p.keep))
	}
}

// refuseUpdates answers those whose updates will not be delivered.
func (s *state) refuseUpdates(t *situ.Turn, why string) {
	for _, p := range s.Updates {
		situ.Reject(t, &p, conflict("%s", why))
	}
	s.Updates = nil
}

// command returns the number of the command with that ID, and whether there is
// one: it may be of an earlier run, or have been reset.
func (s *state) command(t *situ.Turn, id int) (n int, ok bool) {
	if s.Status == Running {
		n, ok = s.enter(t).f.j.Command(id)
		return n, ok
	}
	for _, e := range s.Journal.All() {
		switch {
		case e.Kind == journal.Asked && e.ID == id:
			return n, true
		case e.Kind.Command():
			n++
		}
	}
	return 0, false
}

// result takes the result of a command.
func (s *state) result(t *situ.Turn, id int, body []byte, fail error) {
	if s.Status != Running && s.Status != Parked {
		return
	}
	n, ok := s.command(t, id)
	if !ok { // it was asked for before a reset, or by an earlier run
		if s.co != nil && s.co.held {
			s.keep(s.co) // it was looked up there; a turn that ends lets go of it
		}
		return
	}
	e := journal.Entry{Kind: journal.Done, N: n, Body: body}
	if len(body) > maxBody {
		fail = tooLarge(len(body))
	}
	if fail != nil {
		e.Fail, e.Body = failure(fail), nil
	}
	s.event(t, e)
}

// panicked is a panic of the code.
type panicked struct {
	v     any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("its code panicked: %v\n\n%s", p.v, p.stack) }

// coroutine is code that stands somewhere. It runs on the goroutine that resumes it:
// control passes to and fro, nothing is parallel.
type coroutine struct {
	f    *Flow
	next func() (struct{}, bool)
	halt func()
	why  error // the code ended otherwise than by returning
	out  []byte
	err  error
	held bool // by a turn; else the cache may take it away

	stands bool // it waits for what has not come
}

// begin makes code ready to run from its beginning.
func (p *program) begin(s *state, t *situ.Turn) *coroutine {
	f := &Flow{key: t.Key(), run: s.Run, began: s.Began, now: s.Began, t: t, s: s, answers: map[int]answer{}}
	for _, e := range s.Journal.All() {
		f.j.Add(e)
	}
	co := &coroutine{f: f}
	input := s.Input
	co.next, co.halt = iter.Pull(func(yield func(struct{}) bool) {
		f.yield = yield
		defer func() {
			switch v := recover(); {
			case v == nil:
			case f.halted != nil:
				co.why = f.halted
			default:
				co.why = &panicked{v, debug.Stack()}
			}
		}()
		co.out, co.err = p.code(f, input)
		if _, next := errors.AsType[*again](co.err); co.err != nil && !next {
			co.err = f.compensate(co.err)
		}
	})
	return co
}

// release is called when a turn is over: one that panicked holds its coroutine.
func (co *coroutine) release() {
	if co.held {
		co.leave()
	}
}

// leave lets go of the code where it stands.
func (co *coroutine) leave() {
	if co.f.halted == nil {
		co.f.halted = errUnload
	}
	co.halt()
}
