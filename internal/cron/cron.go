// Package cron says when a schedule is due: by a cron expression in a time
// zone, by an interval, or once. It is pure: it never reads the clock, and
// starts nothing.
//
// What an expression asks for are times of the wall clock; which instants those
// are, when clocks are changed, is defined here, and nowhere left to chance:
//
//   - An expression whose hours begin with '*' means a rhythm: it is due whenever
//     the clock shows one of its times. What the clock leaves out is left out, and
//     what it shows twice is due twice.
//   - Any other means times of the day: each is due once, at the first instant at which
//     the clock shows it or a later time. So 02:30 in a night that has no 02:30 is due
//     when the clock jumps, at 03:00; and in a night that has it twice, the first time only.
package cron

import (
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/cronexpr"

	"github.com/situ-dev/situ/internal/fault"
)

// MinEvery is the shortest interval, and the unit of all times.
const MinEvery = time.Second

// A Rule is a parsed expression. It is not safe for concurrent use.
type Rule struct {
	text   string
	every  time.Duration        // of an interval; else 0
	anchor time.Time            // of an interval: what it counts from
	expr   *cronexpr.Expression // of wall times, without a zone
	rhythm bool                 // due whenever the clock shows it
	zone   *time.Location
}

// named are the expressions that have names.
var named = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// Parse parses a cron expression: five fields (minute, hour, day of the month,
// month, day of the week), or six with seconds in front, or a name such as
// @daily, or "@every 90s". Zone is where its wall clock hangs; nil is UTC. An interval
// counts from anchor, in whole seconds.
//
// The error is of kind fault.Invalid, and says what is wrong with which field;
// an expression that no day ever fits is one.
func Parse(text string, zone *time.Location, anchor time.Time) (*Rule, error) {
	if zone == nil {
		zone = time.UTC
	}
	r := &Rule{text: text, zone: zone}
	line := strings.ToLower(strings.TrimSpace(text))
	if rest, ok := strings.CutPrefix(line, "@every"); ok {
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil {
			return nil, invalid(text, "@every wants a duration such as 90s or 1h30m")
		}
		return Every(d, anchor)
	}
	if line == "@reboot" {
		return nil, invalid(text, "@reboot has no meaning here: a platform that starts anew goes on with what was")
	}
	if strings.HasPrefix(line, "@") {
		full, ok := named[line]
		if !ok {
			return nil, invalid(text, "there is no such name: there is @yearly, @monthly, @weekly, @daily, @hourly, and @every 90s")
		}
		line = full
	}
	fields := strings.Fields(line)
	switch len(fields) {
	case 5:
		fields = append([]string{"0"}, fields...)
	case 6:
	default:
		return nil, invalid(text, "it has %d fields, and wants five: minute, hour, day of the month, month, day of the week; or six, with seconds in front", len(fields))
	}
	for i, f := range fields {
		if err := checkField(text, i, f); err != nil {
			return nil, err
		}
	}
	days, err := weekdays(text, fields[5])
	if err != nil {
		return nil, err
	}
	fields[5] = days
	if r.expr, err = cronexpr.Parse(strings.Join(fields, " ") + " *"); err != nil {
		return nil, invalid(text, "%v", err)
	}
	r.rhythm = strings.HasPrefix(fields[2], "*")
	if r.expr.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, invalid(text, "it never fires: no day is like that")
	}
	return r, nil
}

// Every returns the rule of an interval of d, which counts from anchor. The
// error is of kind fault.Invalid.
func Every(d time.Duration, anchor time.Time) (*Rule, error) {
	if d < MinEvery || d%time.Second != 0 {
		return nil, invalid(d.String(), "an interval is a whole number of seconds, at least one")
	}
	return &Rule{text: "@every " + d.String(), every: d, anchor: anchor.Truncate(time.Second), zone: time.UTC}, nil
}

// units are the names of the fields, with the largest number of each.
var units = []struct {
	name string
	most int
}{{"second", 59}, {"minute", 59}, {"hour", 23}, {"day of the month", 31}, {"month", 12}, {"day of the week", 7}}

// checkField finds what the parser would let pass as something else than was
// meant: lists with holes, ranges that run backwards, numbers that are too large.
func checkField(text string, i int, field string) error {
	for part := range strings.SplitSeq(field, ",") {
		if part == "" {
			return invalid(text, "the field of the %s has a list with nothing between two commas: %q", units[i].name, field)
		}
		span, _, _ := strings.Cut(part, "/")
		from, to, isRange := strings.Cut(span, "-")
		a, errA := strconv.Atoi(from)
		if errA == nil && (a < 0 || a > units[i].most) {
			return invalid(text, "the field of the %s is %q, and %d is the most it can be", units[i].name, field, units[i].most)
		}
		b, errB := strconv.Atoi(to)
		if isRange && errA == nil && errB == nil && a > b {
			return invalid(text, "the field of the %s has a range that runs backwards: %q; write it as two, with a comma", units[i].name, part)
		}
	}
	return nil
}

// weekdays writes the ranges of a field of days as lists: the parser takes FRI-SUN
// for Friday and Saturday, and SUN-SUN for the whole week.
func weekdays(text, field string) (string, error) {
	parts := strings.Split(field, ",")
	for i, part := range parts {
		span, step, stepped := strings.Cut(part, "/")
		from, to, isRange := strings.Cut(span, "-")
		if !isRange {
			continue
		}
		a, okA := weekday(from)
		b, okB := weekday(to)
		if b == 0 && a > 0 {
			b = 7 // a week that ends on Sunday
		}
		by := 1
		if stepped {
			by, _ = strconv.Atoi(step)
		}
		if !okA || !okB || by < 1 || a > b {
			return "", invalid(text, "the field of the day of the week has %q, which is no range such as MON-FRI or 1-5", part)
		}
		var list []string
		for day := a; day <= b; day += by {
			list = append(list, strconv.Itoa(day%7))
		}
		parts[i] = strings.Join(list, ",")
	}
	return strings.Join(parts, ","), nil
}

// weekday returns the number of a day, 0 to 7, given by number or name.
func weekday(s string) (int, bool) {
	for i := range 7 {
		if name := strings.ToLower(time.Weekday(i).String()); s == name || s == name[:3] {
			return i, true
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n <= 7
}

func invalid(text, format string, args ...any) error {
	return fault.New(fault.Invalid, "cron", strconv.Quote(text), format, args...)
}

// String returns the expression as it was given.
func (r *Rule) String() string { return r.text }

// Next returns the first time after t at which the rule is due, the zero time if
// there is none: rules end with the year 2099.
func (r *Rule) Next(t time.Time) time.Time {
	if r.every > 0 {
		return r.nextOfInterval(t)
	}
	p := periodOf(t, r.zone)
	if at := r.within(p, p.wall(t)); !at.IsZero() {
		return at
	}
	for range 10_000 { // there are two in most years, at most
		if p.end.IsZero() {
			return time.Time{}
		}
		shown := p.highest()
		p = periodOf(p.end, r.zone)
		at := r.enter(p, shown)
		switch {
		case !at.IsZero():
			return at.In(r.zone)
		case p.start.Year() > 2100:
			return time.Time{}
		}
	}
	return time.Time{}
}

func (r *Rule) nextOfInterval(t time.Time) time.Time {
	if t.Before(r.anchor) {
		return r.anchor
	}
	whole := t.Unix() - r.anchor.Unix() // a Duration would end after 292 years
	step := int64(r.every / time.Second)
	return time.Unix(r.anchor.Unix()+(whole/step+1)*step, 0).In(r.zone)
}

// within returns the first time of the rule in period p after wall time w.
func (r *Rule) within(p period, w time.Time) time.Time {
	if !r.rhythm {
		if shown := p.before(); w.Before(shown) {
			w = shown.Add(-time.Nanosecond) // what was shown before is over
		}
	}
	next := r.expr.Next(w)
	if next.IsZero() {
		return time.Time{}
	}
	at := p.instant(next)
	if !p.end.IsZero() && !at.Before(p.end) {
		return time.Time{}
	}
	return at.In(r.zone)
}

// enter returns the first time of the rule in a period that has just begun. Shown
// is the latest that the clock has shown before.
func (r *Rule) enter(p period, shown time.Time) time.Time {
	first := p.wall(p.start)
	if !r.rhythm && shown.Before(first) {
		// The clock jumps over (shown, first): what is there is due now.
		if next := r.expr.Next(shown.Add(-time.Nanosecond)); !next.IsZero() && !next.After(first) {
			return p.start
		}
	}
	return r.within(p, first.Add(-time.Nanosecond))
}

// Latest returns the last time of the rule that is after from and not after to, the
// zero time if there is none.
func (r *Rule) Latest(from, to time.Time) time.Time {
	for back := time.Minute; ; back *= 2 {
		since := to.Add(-back)
		if !since.After(from) || back > 200*365*24*time.Hour {
			since = from
		}
		if next := r.Next(since); !next.IsZero() && !next.After(to) {
			for {
				after := r.Next(next)
				if after.IsZero() || after.After(to) {
					return next
				}
				next = after
			}
		}
		if since.Equal(from) {
			return time.Time{}
		}
	}
}
