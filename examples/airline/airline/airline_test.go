package airline_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/airline"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/drive"
	"github.com/situ-dev/situ/examples/airline/flight"
	"github.com/situ-dev/situ/examples/airline/passenger"
)

// open runs the airline on a platform of its own.
func open(t *testing.T) *embedded.Platform {
	t.Helper()
	p, err := embedded.Open(t.TempDir(), embedded.Options{}, airline.Components()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// settle waits until nothing looks wrong, and fails if that does not come.
func settle(t *testing.T, p situ.Caller, a drive.Airline, cancelled bool) drive.Report {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	r, err := a.Settle(ctx, p, cancelled, 5*time.Millisecond, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Faults > 0 {
		t.Fatalf("%d faults:\n%s", r.Faults, strings.Join(r.Wrong, "\n"))
	}
	return r
}

func load(t *testing.T, p situ.Caller, a drive.Airline) {
	t.Helper()
	if err := a.Load(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	settle(t, p, a, false)
}

func cancel(t *testing.T, p situ.Caller, groups ...control.Group) {
	t.Helper()
	if _, err := situ.Do(t.Context(), p, control.CancelFlights.With(control.Event{Groups: groups})); err != nil {
		t.Fatal(err)
	}
}

func TestEverybodyFindsASeat(t *testing.T) {
	p := open(t)
	a := drive.Generated(airgen.Size{Flights: 20, Passengers: 30, Seed: 7})
	load(t, p, a)
	if err := a.Cancel(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	r := settle(t, p, a, true)
	if r.Booked != 0 || r.Rebooked+r.Stranded != 600 || r.Cancelled != 20 || r.Stranded > 0 {
		t.Errorf("%v", r)
	}
	if r.Refusals == 0 {
		t.Errorf("no flight was ever full: nothing was shown: %v", r)
	}
}

// small makes an airline of few flights: full ones named A…, free ones F….
func small(full, passengers, free, seats int) drive.Airline {
	var flights []control.Flight
	for i := range full {
		f := control.Flight{Number: fmt.Sprint("AA", i+1), From: "LHR", To: "JFK", Departs: "07:00", Seats: passengers}
		for j := range passengers {
			f.Passengers = append(f.Passengers, control.Passenger{Key: fmt.Sprintf("P%d-%d", i+1, j+1), Name: "Zoe", Seat: flight.SeatLabel(j)})
		}
		flights = append(flights, f)
	}
	for i := range free {
		flights = append(flights, control.Flight{Number: fmt.Sprint("FF", i+1), From: "LHR", To: "JFK", Departs: "09:00", Seats: seats})
	}
	a, err := drive.Listed(flights, flight.Span(fmt.Sprintf("AA1-%d", full)))
	if err != nil {
		panic(err)
	}
	return a
}

func TestNoSeatAnywhere(t *testing.T) {
	p := open(t)
	a := small(3, 20, 4, 11) // 60 passengers for 44 seats
	load(t, p, a)
	if err := a.Cancel(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if r := settle(t, p, a, true); r.Stranded != 16 || r.Rebooked != 44 {
		t.Errorf("%v", r)
	}
}

func TestNoAlternatives(t *testing.T) {
	p := open(t)
	a := small(2, 5, 0, 0)
	load(t, p, a)
	if err := a.Cancel(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if r := settle(t, p, a, true); r.Stranded != 10 {
		t.Errorf("%v", r)
	}
}

func TestCancelTwice(t *testing.T) {
	p := open(t)
	a := small(2, 20, 2, 20)
	load(t, p, a)
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() { cancel(t, p, a.Groups...) })
	}
	group.Wait()
	if r := settle(t, p, a, true); r.Rebooked != 40 {
		t.Errorf("%v", r)
	}
	got, err := situ.Do(t.Context(), p, flight.Cancel.To("AA1", flight.Cancellation{Alternatives: "FF1"}))
	if err != nil || !got.Again || got.Told != 0 {
		t.Errorf("cancelled once more: %+v, %v", got, err)
	}
	settle(t, p, a, true)
}

// While passengers move to other flights, those are cancelled as well, so that
// they are refused, or have to move on.
func TestRefugeIsCancelledToo(t *testing.T) {
	p := open(t)
	a := small(4, 25, 6, 20) // 100 passengers; 120 seats, of which 60 go
	load(t, p, a)
	second := control.Group{Flights: "FF1-3", Alternatives: "FF4-6"}
	var group sync.WaitGroup
	group.Go(func() { cancel(t, p, a.Groups...) })
	group.Go(func() { cancel(t, p, second) })
	group.Wait()
	a.Groups = append(a.Groups, second)
	if r := settle(t, p, a, true); r.Rebooked != 60 || r.Stranded != 40 || r.Cancelled != 7 {
		t.Errorf("%v", r)
	}
}

// The alternatives name flights that are cancelled themselves, the cancelled
// flight itself, and flights that were never there.
func TestUselessAlternatives(t *testing.T) {
	p := open(t)
	a := small(2, 10, 1, 15)
	load(t, p, a)
	a.Groups[0].Alternatives = "AA1-2,XX1-3,FF1"
	if err := a.Cancel(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if r := settle(t, p, a, true); r.Rebooked != 15 || r.Stranded != 5 {
		t.Errorf("%v", r)
	}
	if _, err := situ.Do(t.Context(), p, flight.Info.To("XX1", situ.None{})); situ.CodeOf(err) != "unknown" {
		t.Errorf("a flight that was asked for in vain: %v", err)
	}
}

// The passengers' state survives the end of the platform in the middle.
func TestRestartInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	a := drive.Generated(airgen.Size{Flights: 8, Passengers: 40, Seed: 3})
	for round := range 3 {
		p, err := embedded.Open(dir, embedded.Options{}, airline.Components()...)
		if err != nil {
			t.Fatal(err)
		}
		switch round {
		case 0:
			load(t, p, a)
			if err := a.Cancel(t.Context(), p); err != nil { // and goes on
				t.Fatal(err)
			}
		default:
			settle(t, p, a, true)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSeed(t *testing.T) {
	p := open(t)
	got, err := situ.Do(t.Context(), p, control.Seed.With(control.Size{Flights: 10, Passengers: 12, Seed: 5}))
	if err != nil || got.Flights != 20 || got.Passengers != 120 {
		t.Fatalf("%+v, %v", got, err)
	}
	a := drive.Generated(airgen.Size{Flights: 10, Passengers: 12, Seed: 5})
	settle(t, p, a, false)
	for _, bad := range []control.Size{{Flights: -1}, {Passengers: 1000}, {Route: 99}} {
		if _, err := situ.Do(t.Context(), p, control.Seed.With(bad)); situ.CodeOf(err) != "size" {
			t.Errorf("seed %+v: %v", bad, err)
		}
	}
}

// The check finds what is wrong: it is not true because it looks away.
func TestCheckFinds(t *testing.T) {
	p := open(t)
	a := small(1, 5, 1, 10)
	load(t, p, a)
	ctx := t.Context()
	do := func(c situ.Call[situ.None]) {
		t.Helper()
		if _, err := situ.Do(ctx, p, c); err != nil {
			t.Fatal(err)
		}
	}
	do(flight.Leave.To("AA1", "P1-1"))
	do(flight.Board.To("FF1", flight.Boarding{Passenger: "P1-2"}))
	do(flight.Board.To("FF1", flight.Boarding{Passenger: "GHOST"}))
	do(flight.Strand.To("AA1", "P1-3"))
	r, err := a.Check(ctx, p, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(r.Wrong, "\n")
	for _, want := range []string{"P1-1 is booked on AA1, which does not know", "P1-2 is on ", "GHOST", "counted 1 stranded"} {
		if !strings.Contains(text, want) {
			t.Errorf("the check does not say %q:\n%s", want, text)
		}
	}
}

func TestRefused(t *testing.T) {
	p := open(t)
	a := small(1, 2, 1, 2)
	load(t, p, a)
	ctx := t.Context()
	for _, c := range []struct {
		call situ.Call[situ.None]
		code string
	}{
		{flight.Create.To("AA1", flight.Plan{Seats: 1}), "exists"},
		{flight.Create.To("AA2", flight.Plan{}), "seats"},
		{flight.Create.To("AA2", flight.Plan{Seats: 1, Manifest: []flight.Seated{{Passenger: "P", Seat: "1B"}}}), "seats"},
		{flight.Create.To("AA2", flight.Plan{Seats: 9, Manifest: []flight.Seated{{Passenger: "P", Seat: "1B"}, {Passenger: "Q", Seat: "1B"}}}), "seats"},
		{flight.Create.To("AA2", flight.Plan{Seats: 9, Manifest: []flight.Seated{{Passenger: "P", Seat: "1B"}, {Passenger: "P", Seat: "1C"}}}), "seats"},
		{flight.Leave.To("ZZ9", "P"), "unknown"},
		{passenger.Create.To("P1-1", passenger.Booking{Name: "Zoe", Flight: "AA1"}), "exists"},
		{passenger.Create.To("P9", passenger.Booking{}), "incomplete"},
	} {
		if _, err := situ.Do(ctx, p, c.call); situ.CodeOf(err) != c.code {
			t.Errorf("%v: %v, want code %s", c.call, err, c.code)
		}
	}
	if _, err := situ.Do(ctx, p, control.CancelFlights.With(control.Event{Groups: []control.Group{{Flights: "AA1-"}}})); situ.CodeOf(err) != "flights" {
		t.Errorf("a malformed span: %v", err)
	}
	settle(t, p, a, false) // a turn that failed changed nothing
}
