package drive

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
	"github.com/situ-dev/situ/examples/airline/passenger"
)

// Report is what a check found.
type Report struct {
	Flights    int `json:"flights"`
	Cancelled  int `json:"cancelled"`
	Passengers int `json:"passengers"`
	Booked     int `json:"booked"` // still on their first flight
	Rebooked   int `json:"rebooked"`
	Stranded   int `json:"stranded"`
	Refusals   int `json:"refusals"` // seats that were asked for in vain
	// Faults counts what is wrong, and Wrong describes the first few.
	Faults int      `json:"faults"`
	Wrong  []string `json:"wrong,omitempty"`
}

// String says it in a line.
func (r Report) String() string {
	s := fmt.Sprintf("%d flights, %d cancelled; %d passengers: %d as booked, %d rebooked, %d stranded; %d refusals",
		r.Flights, r.Cancelled, r.Passengers, r.Booked, r.Rebooked, r.Stranded, r.Refusals)
	if r.Faults == 0 {
		return s + "; all is well"
	}
	return fmt.Sprintf("%s; %d FAULTS, first: %s", s, r.Faults, r.Wrong[0])
}

// check is one check under way.
type check struct {
	Report
	mu       sync.Mutex
	listings map[string]flight.Listing
	on       map[string]flight.Seated // passenger to flight number and seat
	strands  int                      // that flights counted
	read     int
	total    int
	progress Progress
}

func (c *check) wrong(format string, args ...any) {
	c.Faults++
	if len(c.Wrong) < 20 {
		c.Wrong = append(c.Wrong, fmt.Sprintf(format, args...))
	}
}

// Check reads every flight and every passenger, and checks that each passenger
// is in exactly one manifest or stranded, that manifests agree with the
// passengers' records, that no flight is over its seats, that cancelled
// flights are empty, and that just the flights to cancel are cancelled
// (cancelled false: none is).
func (a Airline) Check(ctx context.Context, p situ.Caller, cancelled bool, progress Progress) (Report, error) {
	c := &check{listings: map[string]flight.Listing{}, on: make(map[string]flight.Seated, a.Passengers), progress: progress}
	err := each(ctx, callers, a.Flights, func(ctx context.Context, f *control.Flight) error {
		l, err := retry(ctx, func() (flight.Listing, error) { return situ.Do(ctx, p, flight.Manifest.To(f.Number, situ.None{})) })
		if err != nil && situ.CodeOf(err) != "unknown" {
			return fmt.Errorf("read flight %s: %w", f.Number, err)
		}
		c.flight(f, l)
		return nil
	})
	if err != nil {
		return c.Report, err
	}
	c.total = a.Passengers
	err = each(ctx, 4*callers, a.keys, func(ctx context.Context, key string) error {
		r, err := retry(ctx, func() (passenger.Record, error) { return situ.Do(ctx, p, passenger.Info.To(key, situ.None{})) })
		if err != nil && situ.CodeOf(err) != "unknown" {
			return fmt.Errorf("read passenger %s: %w", key, err)
		}
		c.passenger(key, r)
		return nil
	})
	if err != nil {
		return c.Report, err
	}
	c.finish(a, cancelled)
	return c.Report, nil
}

func (a Airline) keys(yield func(string) bool) {
	for f := range a.Flights {
		for i := range f.Passengers {
			if !yield(f.Passengers[i].Key) {
				return
			}
		}
	}
}

// flight takes what flight f says of itself.
func (c *check) flight(f *control.Flight, l flight.Listing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Flights++
	if l.Seats != f.Seats {
		c.wrong("flight %s has %d seats, not %d", f.Number, l.Seats, f.Seats)
		return
	}
	if len(l.Manifest) > l.Seats || len(l.Manifest) != l.Booked {
		c.wrong("flight %s has %d passengers in %d seats, and says %d", f.Number, len(l.Manifest), l.Seats, l.Booked)
	}
	if l.Cancelled && len(l.Manifest) > 0 {
		c.wrong("flight %s is cancelled, and %s and %d others are on it", f.Number, l.Manifest[0].Passenger, len(l.Manifest)-1)
	}
	seats := map[string]string{}
	for _, s := range l.Manifest {
		i := flight.SeatIndex(s.Seat)
		switch other, twice := seats[s.Seat]; {
		case i < 0 || i >= l.Seats:
			c.wrong("flight %s has no seat %s, where %s sits", f.Number, s.Seat, s.Passenger)
		case twice:
			c.wrong("flight %s has %s and %s in seat %s", f.Number, s.Passenger, other, s.Seat)
		}
		seats[s.Seat] = s.Passenger
		if was, ok := c.on[s.Passenger]; ok {
			c.wrong("passenger %s is on %s and on %s", s.Passenger, was.Passenger, f.Number)
		}
		c.on[s.Passenger] = flight.Seated{Passenger: f.Number, Seat: s.Seat}
	}
	c.strands += l.Stranded
	l.Manifest = nil
	c.listings[f.Number] = l
}

// passenger takes what a passenger's record says.
func (c *check) passenger(key string, r passenger.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read++; c.read%256 == 0 || c.read == c.total {
		c.progress.tell("check", c.read, c.total)
	}
	c.Passengers++
	on, seated := c.on[key]
	delete(c.on, key) // what is left at the end is nobody
	switch {
	case r.Status == "":
		c.wrong("passenger %s is unknown", key)
		return
	case r.Status == passenger.Stranded && (seated || r.Flight != ""):
		c.wrong("passenger %s is stranded, and on flight %s", key, on.Passenger+r.Flight)
	case r.Status != passenger.Stranded && !seated:
		c.wrong("passenger %s is %s on %s, which does not know", key, r.Status, r.Flight)
	case r.Status != passenger.Stranded && r.Flight != on.Passenger:
		c.wrong("passenger %s is %s on %s, but sits on %s", key, r.Status, r.Flight, on.Passenger)
	case r.Seat != "" && r.Seat != on.Seat:
		c.wrong("passenger %s has seat %s, but sits in %s of %s", key, r.Seat, on.Seat, on.Passenger)
	}
	c.Refusals += int(r.Tries)
	switch r.Status {
	case passenger.Booked:
		c.Booked++
	case passenger.Rebooked:
		c.Rebooked++
	case passenger.Stranded:
		c.Stranded++
	}
}

// finish checks what can be known only when all were read.
func (c *check) finish(a Airline, cancelled bool) {
	for who, on := range c.on {
		c.wrong("passenger %s is on flight %s, and nobody knows them", who, on.Passenger)
	}
	if c.Passengers != a.Passengers {
		c.wrong("there are %d passengers, not %d", c.Passengers, a.Passengers)
	}
	if c.strands != c.Stranded {
		c.wrong("flights have counted %d stranded passengers, and there are %d", c.strands, c.Stranded)
	}
	want := map[string]bool{}
	for _, g := range a.Groups {
		for _, number := range g.Flights.All() {
			want[number] = cancelled
		}
	}
	for number, l := range c.listings {
		if l.Cancelled != want[number] {
			c.wrong("flight %s: cancelled is %t, not %t", number, l.Cancelled, want[number])
		}
		if l.Cancelled {
			c.Cancelled++
		}
	}
}

// busy reports whether err says that the platform has too much to do.
func busy(err error) bool {
	e, ok := errors.AsType[*situ.Error](err)
	return ok && (e.Kind == "busy" || e.Kind == "unavailable")
}
