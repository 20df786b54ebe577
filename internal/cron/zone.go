package cron

import (
	"strings"
	"time"
	_ "time/tzdata" // a machine without zoneinfo knows the zones, too

	"github.com/situ-dev/situ/internal/fault"
)

// Zone returns the zone with that IANA name; "" is UTC. The error is of kind
// fault.Invalid.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if strings.EqualFold(name, "local") {
		return nil, fault.New(fault.Invalid, "zone", name, "say which zone is meant: each machine has another local one")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, "zone", name, "it is not the name of a time zone: those are written Europe/Berlin, America/New_York, UTC")
	}
	return zone, nil
}

// A period is a span of time in which a zone has one offset from UTC. Wall times are
// written as times in UTC.
type period struct {
	start, end time.Time // zero: for ever
	offset     time.Duration
	zone       *time.Location
}

func periodOf(t time.Time, zone *time.Location) period {
	t = t.In(zone)
	_, offset := t.Zone()
	p := period{offset: time.Duration(offset) * time.Second, zone: zone}
	p.start, p.end = t.ZoneBounds()
	return p
}

// wall returns what the clock shows at t.
func (p period) wall(t time.Time) time.Time { return t.UTC().Add(p.offset) }

// instant returns when the clock shows w, if that is in p.
func (p period) instant(w time.Time) time.Time { return w.Add(-p.offset) }

// longest is how far back clocks have ever been turned, with some room: what a clock
// has shown before a period is found in the periods that end so shortly before.
const longest = 48 * time.Hour

// before returns the latest that the clock showed before p began.
func (p period) before() (shown time.Time) {
	if p.start.IsZero() {
		return shown
	}
	for q := periodOf(p.start.Add(-1), p.zone); ; q = periodOf(q.start.Add(-1), p.zone) {
		if w := q.wall(q.end); w.After(shown) {
			shown = w
		}
		if q.start.IsZero() || p.start.Sub(q.start) > longest {
			return shown
		}
	}
}

// highest returns the latest that the clock shows until p ends.
func (p period) highest() time.Time {
	shown := p.wall(p.end)
	if before := p.before(); before.After(shown) {
		return before
	}
	return shown
}
