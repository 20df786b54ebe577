package docs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/situtest"
)

// What docs/failures.md shows: a trip that books a hotel and a flight, and gives the
// room back if the flight cannot be had.

var (
	tripType  = situ.NewType("trip")
	book      = situ.NewMethod[string, string](tripType, "book")
	hotelDone = situ.NewMethod[situ.Reply[string, string], string](tripType, "hotel-done")
	flightEnd = situ.NewMethod[situ.Reply[string, string], string](tripType, "flight-end")

	hotelType = situ.NewType("hotel", situ.Retries(situ.RetryPolicy(3, time.Second, time.Minute)))
	room      = situ.NewMethod[string, string](hotelType, "reserve")
	release   = situ.NewMethod[string, situ.None](hotelType, "release")
	rooms     = situ.NewMethod[situ.None, int](hotelType, "rooms", situ.ReadOnly)

	ledgerType = situ.NewType("ledger", situ.PauseOnDead)

	planeType = situ.NewType("plane")
	seat      = situ.NewMethod[string, string](planeType, "seat")
)

var _ = ledgerType

// Trip is the state of a trip.
type Trip struct {
	Booked bool                 `json:"booked"`
	Caller situ.Promise[string] `json:"caller"`
}

// Hotel counts the rooms that are taken.
type Hotel struct {
	Taken int `json:"taken"`
}

func bookTrip(_ *Trip, t *situ.Turn, hotel string) (string, error) {
	return situ.Then(t, room.To(hotel, t.Key()), hotelDone, hotel)
}

func hotelBooked(_ *Trip, t *situ.Turn, r situ.Reply[string, string]) (string, error) {
	if err := r.Err(); err != nil {
		return "", err // nothing was done that would have to be undone
	}
	return situ.Then(t, seat.To("BA123", t.Key()).After(time.Hour), flightEnd, r.Carry)
}

func flightBooked(trip *Trip, t *situ.Turn, r situ.Reply[string, string]) (string, error) {
	err := r.Err()
	if err == nil {
		trip.Booked = true
		return r.Value, nil
	}
	situ.Send(t, release.To(r.Carry, t.Key()))
	out, moved := situ.Hold(t, &trip.Caller) // an error that is returned would take the Send back
	situ.Reject(t, &trip.Caller, err)
	return out, moved
}

func trips() []situ.Component {
	return []situ.Component{
		situ.Object(tripType, situ.On(book, bookTrip), situ.On(hotelDone, hotelBooked), situ.On(flightEnd, flightBooked)),
		situ.Object(hotelType,
			situ.On(room, func(h *Hotel, _ *situ.Turn, _ string) (string, error) { h.Taken++; return "bed", nil }),
			situ.On(release, func(h *Hotel, _ *situ.Turn, _ string) (situ.None, error) { h.Taken--; return situ.None{}, nil }),
			situ.On(rooms, func(h *Hotel, _ *situ.Turn, _ situ.None) (int, error) { return h.Taken, nil })),
		situ.Object(planeType, situ.On(seat, func(_ *Trip, _ *situ.Turn, _ string) (string, error) { return "1A", nil })),
	}
}

func TestCancelledTrip(t *testing.T) {
	situtest.Run(t, trips(), func(t *testing.T, rt *situtest.Runtime) {
		id, err := situ.Start(t.Context(), rt, book.To("ann", "ritz"))
		if err != nil {
			t.Fatal(err)
		}
		rt.Pass(time.Minute)
		if err := rt.Cancel(id, "ann stays at home"); err != nil {
			t.Fatal(err)
		}
		rt.Pass(2 * time.Hour)
		if n := situtest.Do(rt, rooms.To("ritz", situ.None{})); n != 0 {
			t.Errorf("%d rooms are taken", n)
		}
		if trace := rt.Trace(); strings.Contains(trace, "plane") {
			t.Errorf("the seat was booked:\n%s", trace)
		}
	})
}

func TestPausedHotel(t *testing.T) {
	situtest.Run(t, trips(), func(t *testing.T, rt *situtest.Runtime) {
		if err := rt.Pause(hotelType, "ritz"); err != nil {
			t.Fatal(err)
		}
		if _, err := situ.Start(t.Context(), rt, room.To("ritz", "x")); err != nil {
			t.Fatal(err)
		}
		if _, err := situ.Do(context.Background(), rt, rooms.To("ritz", situ.None{})); err == nil {
			t.Error("it answers")
		}
		rt.Crash()
		if err := rt.Resume(hotelType, "ritz", 10); err != nil {
			t.Fatal(err)
		}
		rt.Pass(time.Second)
		if n := situtest.Do(rt, rooms.To("ritz", situ.None{})); n != 1 {
			t.Errorf("%d rooms are taken", n)
		}
	})
}
