// Package schedule is the platform's schedules: what calls objects and functions
// by the clock. Each is an object, written with the SDK like a user's: its
// times are durable timers, messages that it sends to itself, so none is lost and
// none comes twice. Doors call it; it never asks for the time, and knows nothing of
// the programs whose methods it calls.
package schedule

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// Type is the type of schedules; the key is the schedule's name.
var Type = situ.NewType("situ.schedule", situ.Doc("Calls an object or a function by the clock."))

// What can be asked of a schedule.
var (
	Put     = situ.NewMethod[api.ScheduleSpec, api.Schedule](Type, "put", situ.Doc("Makes or changes the schedule. The same once more changes nothing."))
	Declare = situ.NewMethod[api.ScheduleSpec, api.Schedule](Type, "declare", situ.Doc("As put, for what a program declares: it leaves alone what was changed since it declared the same."))
	Info    = situ.NewMethod[situ.None, api.Schedule](Type, "info", situ.ReadOnly, situ.Doc("How the schedule is doing."))
	Pause   = situ.NewMethod[situ.None, api.Schedule](Type, "pause", situ.Doc("Begins no more runs until it is resumed."))
	Resume  = situ.NewMethod[situ.None, api.Schedule](Type, "resume", situ.Doc("Goes on. What came meanwhile is not caught up with."))
	Run     = situ.NewMethod[situ.None, api.Schedule](Type, "run", situ.Doc("Begins a run now, beside those of the clock."))
	Remove  = situ.NewMethod[bool, situ.None](Type, "remove", situ.Doc("Forgets the schedule; with true, only if a program declared it. Runs that go on go on."))

	tick  = situ.NewMethod[ticket, situ.None](Type, "tick", situ.Internal, situ.Doc("The timer of the schedule."))
	ended = situ.NewMethod[situ.Reply[cbor.RawMessage, ticket], situ.None](Type, "ended")
)

// ticket says what a message to itself is for: which timer, or which run. Both are
// random, so that none of an earlier life of the schedule is taken for one of this.
type ticket struct {
	ID uint64 `json:"id"`
}

// maxRuns is how many runs that have ended are kept.
const maxRuns = 20

// state is what a schedule is on disk.
type state struct {
	Spec     api.ScheduleSpec           `json:"spec"`
	Declared *api.ScheduleSpec          `json:"declared,omitempty"` // what the program declared last
	Changed  time.Time                  `json:"changed"`
	Cursor   time.Time                  `json:"cursor"`          // all up to here was dealt with
	Timer    uint64                     `json:"timer,omitempty"` // the one that counts, 0 is none
	Running  map[uint64]api.ScheduleRun `json:"running,omitempty"`
	Runs     []api.ScheduleRun          `json:"runs,omitempty"` // the oldest first
	Begun    int                        `json:"begun,omitempty"`
	Missed   int                        `json:"missed,omitempty"`
	Skipped  int                        `json:"skipped,omitempty"`

	plan *Plan // of Spec
}

// Component hosts schedules.
func Component() situ.Component {
	done := func(s *state, t *situ.Turn) (api.Schedule, error) { return s.tell(t.Key(), t.Now()), nil }
	existing := func(f func(*state, *situ.Turn)) func(*state, *situ.Turn, situ.None) (api.Schedule, error) {
		return func(s *state, t *situ.Turn, _ situ.None) (api.Schedule, error) {
			if err := s.exists(t); err != nil {
				return api.Schedule{}, err
			}
			f(s, t)
			return done(s, t)
		}
	}
	none := situ.None{}
	return situ.Object(Type,
		situ.On(Put, func(s *state, t *situ.Turn, spec api.ScheduleSpec) (api.Schedule, error) {
			if err := s.put(t, spec); err != nil {
				return api.Schedule{}, err
			}
			return done(s, t)
		}),
		situ.On(Declare, func(s *state, t *situ.Turn, spec api.ScheduleSpec) (api.Schedule, error) {
			if err := s.declare(t, spec); err != nil {
				return api.Schedule{}, err
			}
			return done(s, t)
		}),
		situ.On(Info, existing(func(*state, *situ.Turn) {})),
		situ.On(Pause, existing(func(s *state, _ *situ.Turn) { s.Spec.Paused, s.Timer = true, 0 })),
		situ.On(Resume, existing(func(s *state, t *situ.Turn) {
			if s.Spec.Paused {
				s.Spec.Paused = false
				s.Cursor = later(s.Cursor, t.Now())
				s.arm(t, time.Time{})
			}
		})),
		situ.On(Run, existing(func(s *state, t *situ.Turn) { s.begin(t, t.Now(), true) })),
		situ.On(Remove, func(s *state, t *situ.Turn, declared bool) (situ.None, error) {
			if err := s.exists(t); err != nil {
				return none, err
			}
			if !declared || s.Declared != nil {
				t.Delete()
			}
			return none, nil
		}),
		situ.On(tick, func(s *state, t *situ.Turn, k ticket) (situ.None, error) {
			s.tick(t, k)
			return none, nil
		}),
		situ.On(ended, func(s *state, t *situ.Turn, r situ.Reply[cbor.RawMessage, ticket]) (situ.None, error) {
			s.ended(t, r.Carry, r.Err())
			return none, nil
		}))
}

func (s *state) there() bool { return s.Spec.Target != "" }

func (s *state) exists(t *situ.Turn) error {
	if s.there() {
		return nil
	}
	return fault.New(fault.NotFound, "schedule", t.Key(), "there is no such schedule")
}

// put makes the schedule what spec says.
func (s *state) put(t *situ.Turn, spec api.ScheduleSpec) error {
	if s.there() && Same(&s.Spec, &spec) {
		return nil
	}
	plan, err := Compile(t.Key(), &spec, t.Now())
	if err != nil {
		return err
	}
	now := t.Now()
	switch next := plan.Next(now); {
	case !next.IsZero():
	case !spec.At.IsZero() && !spec.At.After(now):
		return invalid(t.Key(), "at is %s, which is past: it would never run", spec.At.Format(time.RFC3339))
	default:
		return invalid(t.Key(), "it never fires: none of its times is between now, its start and its end")
	}
	s.Spec, s.plan, s.Changed, s.Cursor = spec, plan, now, now
	s.arm(t, time.Time{})
	return nil
}

// declare is put, for a program that says the same each time that it begins.
func (s *state) declare(t *situ.Turn, spec api.ScheduleSpec) error {
	if s.Declared != nil && s.there() && Same(s.Declared, &spec) {
		return nil
	}
	if err := s.put(t, spec); err != nil {
		return err
	}
	s.Declared = &spec
	return nil
}

// Same reports whether two specs say the same.
func Same(a, b *api.ScheduleSpec) bool {
	x, y := canonical(*a), canonical(*b)
	return reflect.DeepEqual(x, y)
}

// canonical writes a spec so that two that say the same are equal.
func canonical(s api.ScheduleSpec) api.ScheduleSpec {
	var b bytes.Buffer
	if json.Compact(&b, s.Input) == nil {
		s.Input = b.Bytes()
	}
	s.At, s.Start, s.End = s.At.UTC(), s.Start.UTC(), s.End.UTC()
	if s.Missed == "" {
		s.Missed = One
	}
	if s.Overlap == "" {
		s.Overlap = Allow
	}
	return s
}

// rules returns the plan of the spec.
func (s *state) rules(key string) (*Plan, error) {
	if s.plan == nil {
		var err error
		if s.plan, err = Compile(key, &s.Spec, s.Changed); err != nil {
			return nil, err
		}
	}
	return s.plan, nil
}

// arm sets the timer for the next time after the cursor, but not before notBefore. It
// takes the place of any earlier one.
func (s *state) arm(t *situ.Turn, notBefore time.Time) {
	s.Timer = 0
	plan, err := s.rules(t.Key())
	if err != nil || s.Spec.Paused {
		return // Compile took it once; what is wrong is shown by Info
	}
	next := plan.Next(s.Cursor)
	if next.IsZero() {
		return
	}
	s.Timer = t.Rand().Uint64() | 1
	situ.Send(t, tick.To(t.Key(), ticket{s.Timer}).At(later(next.Add(plan.jitter), notBefore)).Unchained())
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ticks counts timers of schedules that are there, for tests.
var ticks atomic.Int64

// tick is the timer: it begins what is due.
func (s *state) tick(t *situ.Turn, k ticket) {
	if !s.there() {
		t.Delete() // of a schedule that was removed
		return
	}
	ticks.Add(1)
	plan, err := s.rules(t.Key())
	if k.ID != s.Timer || s.Spec.Paused || err != nil {
		return // the timer of what the schedule was before
	}
	until := t.Now().Add(-plan.jitter)
	last := plan.latest(s.Cursor, until)
	if last.IsZero() {
		s.arm(t, time.Time{}) // the clock was set back
		return
	}
	if s.Spec.Missed == All {
		s.catchUp(t, plan, last)
		return
	}
	// Of all that is due, the newest may be in time. The others were missed.
	if n := plan.count(s.Cursor, last, maxCount) - 1; n > 0 {
		s.miss(plan.Next(s.Cursor), n, "the platform did not run, or was late")
	}
	s.Cursor = last
	if late := until.Sub(last); s.Spec.Missed == Skip && late > plan.tolerance {
		s.miss(last, 1, "it was "+late.Round(time.Second).String()+" late")
	} else {
		s.begin(t, last, false)
	}
	s.arm(t, time.Time{})
}

// catchUp begins the first run that is due, and comes back soon if there are more.
func (s *state) catchUp(t *situ.Turn, plan *Plan, last time.Time) {
	if plan.count(s.Cursor, last, plan.most+1) > plan.most {
		first, from := plan.Next(s.Cursor), s.Cursor
		s.Cursor = plan.newest(s.Cursor, last, plan.most)
		s.miss(first, plan.count(from, s.Cursor, maxCount), "more were missed than are caught up with")
	}
	s.Cursor = plan.Next(s.Cursor)
	s.begin(t, s.Cursor, false)
	s.arm(t, t.Now().Add(plan.pause))
}

// miss notes runs that were not begun, the first of them at slot.
func (s *state) miss(slot time.Time, n int, why string) {
	s.Missed += n
	s.note(api.ScheduleRun{Slot: slot, Outcome: api.RunMissed, Count: n, Reason: why})
}

// begin begins a run.
func (s *state) begin(t *situ.Turn, slot time.Time, manual bool) {
	run := api.ScheduleRun{Slot: slot, Began: t.Now(), Outcome: api.RunRunning, Manual: manual}
	switch n := len(s.Running); {
	case n > 0 && s.Spec.Overlap == Skip:
		run.Reason = "the run before it was going on"
	case n >= maxRunning:
		run.Reason = "too many runs were going on"
	}
	if run.Reason != "" {
		run.Began, run.Outcome = time.Time{}, api.RunSkipped
		s.Skipped++
		s.note(run)
		return
	}
	plan, err := s.rules(t.Key())
	if err != nil {
		return
	}
	in := wire.Payload{}
	if len(s.Spec.Input) > 0 {
		in = wire.Payload{Format: wire.JSON, Data: s.Spec.Input}
	}
	call := situ.Addressed(plan.Target, in).Unchained()
	if plan.retry != nil {
		call = call.Retry(*plan.retry)
	}
	id := t.Rand().Uint64()
	if s.Running == nil {
		s.Running = map[uint64]api.ScheduleRun{}
	}
	s.Running[id] = run
	s.Begun++
	situ.Ask(t, call, ended, ticket{id})
}

// ended takes the answer of a run.
func (s *state) ended(t *situ.Turn, k ticket, err error) {
	if !s.there() {
		t.Delete()
		return
	}
	run, ok := s.Running[k.ID]
	if !ok {
		return // of a schedule of this name that was removed
	}
	delete(s.Running, k.ID)
	run.Ended, run.Outcome = t.Now(), api.RunDone
	if err != nil {
		run.Outcome, run.Reason = api.RunFailed, err.Error()
		if len(run.Reason) > 500 {
			run.Reason = run.Reason[:500]
		}
	}
	s.note(run)
}

// note keeps a run that has ended, or was none.
func (s *state) note(run api.ScheduleRun) {
	s.Runs = append(s.Runs, run)
	if n := len(s.Runs) - maxRuns; n > 0 {
		s.Runs = slices.Clone(s.Runs[n:])
	}
}

// tell describes the schedule.
func (s *state) tell(name string, now time.Time) api.Schedule {
	d := api.Schedule{Name: name, Spec: s.Spec, Status: api.ScheduleActive, Declared: s.Declared != nil, Changed: s.Changed,
		Runs: slices.Clone(s.Runs), Begun: s.Begun, Missed: s.Missed, Skipped: s.Skipped}
	slices.Reverse(d.Runs)
	for _, run := range s.Running {
		d.Running = append(d.Running, run)
	}
	slices.SortFunc(d.Running, func(a, b api.ScheduleRun) int { return a.Began.Compare(b.Began) })
	plan, err := s.rules(name)
	switch {
	case err != nil:
		d.Status = api.ScheduleOver
		return d
	case s.Spec.Paused:
		d.Status = api.SchedulePaused
		now = later(s.Cursor, now)
	default:
		now = s.Cursor
	}
	if d.Next = plan.Preview(now, 5); len(d.Next) == 0 && !s.Spec.Paused {
		d.Status = api.ScheduleOver
	}
	return d
}

// Tell describes the schedule with that name from its committed state, as CBOR. The error
// says that it is not one.
func Tell(name string, root []byte, now time.Time) (api.Schedule, error) {
	var s state
	if err := codec.Decode(root, &s); err != nil {
		return api.Schedule{}, err
	}
	return s.tell(name, now), nil
}
