package schedule

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/cron"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// What to do about runs that were missed, and about those that overlap.
const (
	Skip  = "skip"
	One   = "one"
	All   = "all"
	Allow = "allow"
)

// Bounds of a schedule.
const (
	maxJitter  = 24 * time.Hour
	maxCatchUp = 1000
	maxRate    = 1000
	maxRunning = 100 // runs of one schedule at a time
)

// Plan is a checked spec.
type Plan struct {
	Target wire.Address

	rule      *cron.Rule // nil for At
	at        time.Time
	start     time.Time
	end       time.Time
	jitter    time.Duration
	tolerance time.Duration
	pause     time.Duration // between runs that are caught up with
	most      int
	retry     *situ.Retry
}

// Compile checks the spec of the schedule with that name. An interval without a
// start counts from anchor. The error is of kind fault.Invalid, and says which field
// is wrong and why.
func Compile(name string, s *api.ScheduleSpec, anchor time.Time) (p *Plan, err error) {
	p = &Plan{at: s.At, start: s.Start, end: s.End, most: 100, pause: 100 * time.Millisecond, tolerance: time.Minute}
	if p.Target, err = ParseTarget(s.Target); err != nil {
		return nil, err
	}
	if len(s.Input) > 0 && !json.Valid(s.Input) {
		return nil, invalid(name, "the input is not JSON")
	}
	if err := p.when(name, s, anchor); err != nil {
		return nil, err
	}
	if jitter, err := span(name, "jitter", s.Jitter, 0, maxJitter); err != nil {
		return nil, err
	} else if p.jitter = cron.Jitter(name, jitter); s.Tolerance != "" {
		if p.tolerance, err = span(name, "tolerance", s.Tolerance, 0, math.MaxInt64); err != nil {
			return nil, err
		}
	}
	if err := oneOf(name, "missed", s.Missed, Skip, One, All); err != nil {
		return nil, err
	}
	if err := oneOf(name, "overlap", s.Overlap, Allow, Skip); err != nil {
		return nil, err
	}
	if err := p.catchUp(name, s); err != nil {
		return nil, err
	}
	return p, p.retries(name, s.Retry)
}

// when takes the times of a spec.
func (p *Plan) when(name string, s *api.ScheduleSpec, anchor time.Time) error {
	given := 0
	for _, is := range []bool{s.Cron != "", s.Every != "", !s.At.IsZero()} {
		if is {
			given++
		}
	}
	if given != 1 {
		return invalid(name, "it has %d of cron, every and at, and wants one: when is it to run?", given)
	}
	if s.Zone != "" && s.Cron == "" {
		return invalid(name, "a zone goes with cron: an interval has none, and an instant says its own")
	}
	if !s.Start.IsZero() && !s.End.IsZero() && s.End.Before(s.Start) {
		return invalid(name, "it ends at %s, before it starts", s.End.Format(time.RFC3339))
	}
	zone, err := cron.Zone(s.Zone)
	if err != nil {
		return err
	}
	if !s.Start.IsZero() {
		anchor = s.Start
	}
	switch {
	case s.Cron != "":
		p.rule, err = cron.Parse(s.Cron, zone, anchor)
	case s.Every != "":
		var d time.Duration
		if d, err = span(name, "every", s.Every, cron.MinEvery, math.MaxInt64); err == nil {
			p.rule, err = cron.Every(d, anchor)
		}
	}
	return err
}

func (p *Plan) catchUp(name string, s *api.ScheduleSpec) error {
	c := s.CatchUp
	if c == nil {
		return nil
	}
	if s.Missed != All {
		return invalid(name, "catchUp goes with missed: all")
	}
	if c.Most < 0 || c.Most > maxCatchUp {
		return invalid(name, "catchUp.most is %d; it can be 1 to %d", c.Most, maxCatchUp)
	}
	if c.PerSecond != 0 && (c.PerSecond < 0.001 || c.PerSecond > maxRate) {
		return invalid(name, "catchUp.perSecond is %v; it can be 0.001 to %d", c.PerSecond, maxRate)
	}
	if c.Most > 0 {
		p.most = c.Most
	}
	if c.PerSecond > 0 {
		p.pause = time.Duration(float64(time.Second) / c.PerSecond)
	}
	return nil
}

func (p *Plan) retries(name string, r *api.ScheduleRetry) error {
	if r == nil {
		return nil
	}
	if r.Attempts < 0 || r.Attempts > 10_000 {
		return invalid(name, "retry.attempts is %d; it can be 1 to 10,000", r.Attempts)
	}
	backoff, err := span(name, "retry.backoff", r.Backoff, 0, math.MaxInt64)
	if err != nil {
		return err
	}
	most, err := span(name, "retry.maxBackoff", r.MaxBackoff, 0, math.MaxInt64)
	policy := situ.RetryPolicy(r.Attempts, backoff, most)
	p.retry = &policy
	return err
}

// span parses a duration between least and most; "" is 0.
func span(name, field, text string, least, most time.Duration) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, invalid(name, "%s is %q, which is no duration such as 90s or 1h30m", field, text)
	}
	if d < least || d > most {
		return 0, invalid(name, "%s is %s; it can be %s to %s", field, text, least, most)
	}
	return d, nil
}

func oneOf(name, field, text string, known ...string) error {
	for _, k := range known {
		if text == k || text == "" {
			return nil
		}
	}
	return invalid(name, "%s is %q; it can be %s", field, text, strings.Join(known, ", "))
}

// ParseTarget understands type/key.method and the name of a function. The error is of
// kind fault.Invalid.
func ParseTarget(text string) (to wire.Address, err error) {
	typ, rest, object := strings.Cut(text, "/")
	if !object {
		if err := wire.CheckName("function", text); err != nil {
			return to, target(text, err)
		}
		return wire.Address{Method: text}, nil
	}
	i := strings.LastIndexByte(rest, '.')
	if i < 0 {
		return to, target(text, fmt.Errorf("it names no method: write type/key.method"))
	}
	to = wire.Address{Type: typ, Key: rest[:i], Method: rest[i+1:]}
	for _, err := range []error{wire.CheckName("type", to.Type), wire.CheckKey(to.Key), wire.CheckName("method", to.Method)} {
		if err != nil {
			return to, target(text, err)
		}
	}
	return to, nil
}

func target(text string, err error) error { return fault.Wrap(fault.Invalid, "target", text, err) }

func invalid(name, format string, args ...any) error {
	return fault.New(fault.Invalid, "schedule", name, format, args...)
}

// Next returns the first time of the schedule after t, without its jitter; the zero
// time if there is none.
func (p *Plan) Next(t time.Time) time.Time {
	if !p.start.IsZero() && t.Before(p.start) {
		t = p.start.Add(-1)
	}
	next := p.at
	if p.rule != nil {
		next = p.rule.Next(t)
	} else if !next.After(t) {
		return time.Time{}
	}
	if !p.end.IsZero() && next.After(p.end) {
		return time.Time{}
	}
	return next
}

// Preview returns the next n times after t at which calls are made, jitter included.
func (p *Plan) Preview(t time.Time, n int) (times []time.Time) {
	for ; n > 0; n-- {
		if t = p.Next(t); t.IsZero() {
			return times
		}
		times = append(times, t.Add(p.jitter))
	}
	return times
}

// latest returns the last time after from and not after to, the zero time if there is none.
func (p *Plan) latest(from, to time.Time) time.Time {
	if !p.start.IsZero() && from.Before(p.start) {
		from = p.start.Add(-1)
	}
	if !p.end.IsZero() && to.After(p.end) {
		to = p.end
	}
	switch {
	case !from.Before(to):
		return time.Time{}
	case p.rule != nil:
		return p.rule.Latest(from, to)
	case p.at.After(from) && !p.at.After(to):
		return p.at
	}
	return time.Time{}
}

// maxCount is as far as missed runs are counted.
const maxCount = 10_000

// count counts the times after from and not after to, to at most most.
func (p *Plan) count(from, to time.Time, most int) (n int) {
	for n < most {
		if from = p.Next(from); from.IsZero() || from.After(to) {
			return n
		}
		n++
	}
	return n
}

// newest returns the time before the newest n of those after from and not after to, which
// are more than n.
func (p *Plan) newest(from, to time.Time, n int) time.Time {
	for back := time.Minute; ; back *= 2 {
		since := to.Add(-back)
		if !since.After(from) || back > 200*365*24*time.Hour {
			since = from
		}
		ring, seen := make([]time.Time, n+1), 0 // the last n+1 of those that there are
		for t := p.Next(since); !t.IsZero() && !t.After(to); t = p.Next(t) {
			ring[seen%len(ring)] = t
			seen++
		}
		if seen > n {
			return ring[seen%len(ring)]
		}
		if since.Equal(from) {
			return from
		}
	}
}
