package flow

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	journal "github.com/situ-dev/situ/internal/flow"
	"github.com/situ-dev/situ/internal/wire"
)

// program is the code of a type of workflows.
type program struct {
	*methods
	code    func(*Flow, []byte) ([]byte, error)
	resolve func(*situ.Turn, *situ.Promise[situ.None], []byte)
	limit   int
	keep    time.Duration
	live    cache
}

// methods is what a type of workflows has beside its own method: what messages
// to itself are, and what is declared with it.
type methods struct {
	reply  situ.Method[situ.Reply[raw, ticket], situ.None]
	fired  situ.Method[ticket, situ.None]
	wake   situ.Method[ticket, situ.None]
	expire situ.Method[ticket, situ.None]

	info      situ.Method[situ.None, Info]
	journal   situ.Method[situ.None, []Line]
	cancel    situ.Method[situ.None, situ.None]
	terminate situ.Method[string, situ.None]
	resume    situ.Method[situ.None, situ.None]
	reset     situ.Method[int, situ.None]
	purge     situ.Method[situ.None, situ.None]

	declared []func(*program) situ.Binding[state]
}

var (
	mu    sync.Mutex
	known = map[*situ.Type]*methods{}
)

// methodsOf returns the methods of t. The first call declares them.
func methodsOf(t *situ.Type) *methods {
	mu.Lock()
	defer mu.Unlock()
	m := known[t]
	if m == nil {
		m = &methods{
			reply:  situ.NewMethod[situ.Reply[raw, ticket], situ.None](t, "flow-reply"),
			fired:  situ.NewMethod[ticket, situ.None](t, "flow-fired", situ.Internal, situ.Doc("A timer of the workflow.")),
			wake:   situ.NewMethod[ticket, situ.None](t, "flow-wake", situ.Internal, situ.Doc("Runs a step."), situ.Timeout(stepTimeout)),
			expire: situ.NewMethod[ticket, situ.None](t, "flow-expire", situ.Internal, situ.Doc("Forgets a workflow that was kept long enough.")),

			info:      situ.NewMethod[situ.None, Info](t, "flow-info", situ.ReadOnly, situ.Doc("How the workflow is, and what it waits for.")),
			journal:   situ.NewMethod[situ.None, []Line](t, "flow-journal", situ.ReadOnly, situ.Doc("What its code asked for, by number, and what came.")),
			cancel:    situ.NewMethod[situ.None, situ.None](t, "flow-cancel", situ.Doc("Asks the workflow to end: what its code waits for returns an error.")),
			terminate: situ.NewMethod[string, situ.None](t, "flow-terminate", situ.Doc("Ends the workflow without its code. The input says why.")),
			resume:    situ.NewMethod[situ.None, situ.None](t, "flow-resume", situ.Doc("Has a parked workflow try again.")),
			reset:     situ.NewMethod[int, situ.None](t, "flow-reset", situ.Doc("Takes the workflow back to before a command, by its number. What came later is forgotten.")),
			purge:     situ.NewMethod[situ.None, situ.None](t, "flow-purge", situ.Doc("Forgets a workflow that is over.")),
		}
		known[t] = m
	}
	return m
}

func (m *methods) declare(b func(*program) situ.Binding[state]) {
	mu.Lock()
	defer mu.Unlock()
	m.declared = append(m.declared, b)
}

// stepTimeout is how long a step may take.
const stepTimeout = 15 * time.Minute

// An Option changes how workflows of a type are run.
type Option func(*program)

// Limit sets how many entries a journal may have. Default 10,000.
func Limit(entries int) Option { return func(p *program) { p.limit = max(entries, 2) } }

// Keep sets how long a workflow is kept after its end, so that its result can be had: for
// that long its key means this workflow. Default 24 hours. 0 keeps it until it is purged.
func Keep(d time.Duration) Option { return func(p *program) { p.keep = d } }

// Workflow hosts workflows: objects of type t whose method run is code that may
// wait. Everything else that is declared for t is a [Signal], [Query] or [Update].
func Workflow[I, O any](t *situ.Type, run situ.Method[I, O], code func(*Flow, I) (O, error), options ...Option) situ.Component {
	p := &program{methods: methodsOf(t), limit: 10_000, keep: 24 * time.Hour}
	for _, o := range options {
		o(p)
	}
	p.code = func(f *Flow, input []byte) ([]byte, error) {
		var in I
		if err := codec.Decode(input, &in); err != nil {
			return nil, &situ.Error{Kind: fault.Unfit.String(), Message: "the input of the workflow does not fit: " + err.Error()}
		}
		out, err := code(f, in)
		if err != nil {
			return nil, err
		}
		b, err := codec.Encode(&out)
		if len(b) > maxBody {
			return nil, tooLarge(len(b))
		}
		return b, err
	}
	p.resolve = func(t *situ.Turn, c *situ.Promise[situ.None], result []byte) {
		var out O
		if err := codec.Decode(result, &out); err != nil {
			situ.Reject(t, c, error(&situ.Error{Kind: fault.Unfit.String(), Message: "the result of the workflow does not fit: " + err.Error()}))
			return
		}
		situ.Resolve(t, (*situ.Promise[O])(c), out)
	}
	bindings := append(p.control(), situ.On(run, func(s *state, t *situ.Turn, in I) (out O, err error) {
		input, err := codec.EncodeSorted(&in)
		if err != nil {
			return out, err
		}
		var c situ.Promise[situ.None]
		out, err = situ.Hold(t, (*situ.Promise[O])(&c))
		if e, ok := errors.AsType[*situ.Error](err); ok { // it would wait for itself
			return out, e
		}
		p.start(s, t, input, c)
		return out, err
	}))
	mu.Lock()
	defer mu.Unlock()
	for _, b := range p.declared {
		bindings = append(bindings, b(p))
	}
	return situ.Object(t, bindings...).WhenClosed(p.live.clear)
}

// start starts a workflow for caller c, or has c wait for the one that there is.
func (p *program) start(s *state, t *situ.Turn, input []byte, c situ.Promise[situ.None]) {
	s.p = p
	switch {
	case s.Status != "" && string(s.Input) != string(input) && s.Run == 0:
		situ.Reject(t, &c, &situ.Error{Kind: fault.Conflict.String(), Code: "started",
			Message: "the workflow " + t.Key() + " was started with another input: use another key, or purge it when it is over"})
		return
	case s.Status.over() && s.Fail != nil:
		situ.Reject(t, &c, errorOf(s.Fail))
		return
	case s.Status.over():
		p.resolve(t, &c, s.Result)
		return
	}
	if c.Waiting() {
		s.Callers = append(s.Callers, c)
	}
	if s.Status == "" {
		s.Path = t.Waiters()
		s.begin(t, input)
		s.advance(t)
	}
}

// control returns what every workflow can do beside its own method.
func (p *program) control() []situ.Binding[state] {
	none := situ.None{}
	return []situ.Binding[state]{
		situ.On(p.reply, func(s *state, t *situ.Turn, r situ.Reply[raw, ticket]) (situ.None, error) {
			p.at(s).result(t, r.Carry.ID, r.Value, r.Err())
			return none, nil
		}),
		situ.On(p.fired, func(s *state, t *situ.Turn, k ticket) (situ.None, error) {
			p.at(s).result(t, k.ID, nil, nil)
			return none, nil
		}),
		situ.On(p.wake, func(s *state, t *situ.Turn, k ticket) (situ.None, error) {
			p.at(s).woken(t, k)
			return none, nil
		}),
		situ.On(p.expire, func(s *state, t *situ.Turn, k ticket) (situ.None, error) {
			if s.Status.over() && k.Gen == s.Gen {
				t.Delete()
			}
			return none, nil
		}),
		situ.On(p.info, func(s *state, t *situ.Turn, _ situ.None) (Info, error) { return p.at(s).tell(), p.exists(s, t) }),
		situ.On(p.journal, func(s *state, t *situ.Turn, _ situ.None) ([]Line, error) { return s.lines(), p.exists(s, t) }),
		situ.On(p.cancel, func(s *state, t *situ.Turn, _ situ.None) (situ.None, error) { return none, p.at(s).askToEnd(t) }),
		situ.On(p.terminate, func(s *state, t *situ.Turn, why string) (situ.None, error) { return none, p.at(s).kill(t, why) }),
		situ.On(p.resume, func(s *state, t *situ.Turn, _ situ.None) (situ.None, error) { return none, p.at(s).tryAgain(t) }),
		situ.On(p.reset, func(s *state, t *situ.Turn, n int) (situ.None, error) { return none, p.at(s).resetTo(t, n) }),
		situ.On(p.purge, func(s *state, t *situ.Turn, _ situ.None) (situ.None, error) {
			if err := p.exists(s, t); err != nil {
				return none, err
			}
			if !s.Status.over() {
				return none, conflict("the workflow %s is %s: cancel or terminate it first", t.Key(), s.Status)
			}
			t.Delete()
			return none, nil
		}),
	}
}

// at returns s, knowing its program.
func (p *program) at(s *state) *state { s.p = p; return s }

func (p *program) exists(s *state, t *situ.Turn) error {
	if s.Status == "" {
		return &situ.Error{Kind: fault.NotFound.String(), Code: "not-started", Message: "there is no workflow " + t.Key() + ": start it first"}
	}
	return nil
}

func conflict(format string, args ...any) error {
	return &situ.Error{Kind: fault.Conflict.String(), Message: fmt.Sprintf(format, args...)}
}

// askToEnd delivers the wish that the workflow ends.
func (s *state) askToEnd(t *situ.Turn) error {
	if err := s.p.exists(s, t); err != nil || s.Status.over() || s.Stop {
		return err
	}
	s.Stop = true
	s.event(t, journal.Entry{Kind: journal.Cancelled})
	return nil
}

// kill ends the workflow. It looks neither at its code nor at its journal.
func (s *state) kill(t *situ.Turn, why string) error {
	if err := s.p.exists(s, t); err != nil || s.Status.over() {
		return err
	}
	if why == "" {
		why = "no reason was given"
	}
	s.Status, s.Reason = Terminated, ""
	s.Fail = &wire.Failure{Kind: fault.Canceled.String(), Code: "terminated", Message: "the workflow was terminated: " + why}
	s.close(t)
	return nil
}

// tryAgain has parked code go on.
func (s *state) tryAgain(t *situ.Turn) error {
	if err := s.p.exists(s, t); err != nil {
		return err
	}
	if s.Status != Parked {
		return conflict("the workflow %s is %s, not parked", t.Key(), s.Status)
	}
	s.Status, s.Reason, s.Waking = Running, "", 0
	s.advance(t)
	return nil
}

// resetTo forgets the journal from command n on, and has the code go on from there.
func (s *state) resetTo(t *situ.Turn, n int) error {
	if err := s.p.exists(s, t); err != nil {
		return err
	}
	at, commands := -1, 0
	for i, e := range s.Journal.All() {
		if e.Kind.Command() {
			if commands == n {
				at = i
			}
			commands++
		}
	}
	if at < 0 {
		return &situ.Error{Kind: fault.Invalid.String(), Message: fmt.Sprintf("the journal has commands 0 to %d, and no %d: flow-journal lists them", commands-1, n)}
	}
	s.drop()
	s.refuseUpdates(t, "the workflow was reset before it took the update: make it again")
	s.Journal.Truncate(at)
	s.Bytes = 0
	for _, e := range s.Journal.All() {
		s.Bytes += e.Size()
	}
	s.Status, s.Reason, s.Waking, s.Stop, s.Warned = Running, "", 0, false, false
	s.Result, s.Fail, s.Ended = nil, nil, time.Time{}
	s.Gen++
	s.advance(t)
	return nil
}

// Info tells of a workflow.
type Info struct {
	Status  Status    `json:"status"`
	Reason  string    `json:"reason,omitempty"`  // why it is parked
	Warning string    `json:"warning,omitempty"` // why it will be: its journal is half full
	Run     int       `json:"run,omitempty"`
	Entries int       `json:"entries"` // of its journal
	Limit   int       `json:"limit"`   // of entries
	Bytes   int       `json:"bytes"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	Waits   []string  `json:"waits,omitempty"`   // commands without a result, with their numbers
	Callers int       `json:"callers,omitempty"` // who wait for its end
}

func (s *state) tell() Info {
	var j journal.Journal
	for _, e := range s.Journal.All() {
		j.Add(e)
	}
	return Info{s.Status, s.Reason, s.half(), s.Run, s.Journal.Len(), s.p.limit, s.Bytes, s.Began, s.Ended, j.Open(), len(s.Callers)}
}
