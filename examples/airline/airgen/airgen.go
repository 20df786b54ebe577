// Package airgen makes airlines: airports, flight numbers, seats and names
// from a seed, always the same from the same seed. It reads and writes them as
// flights.csv and passengers.csv too. It calls nobody.
package airgen

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// Size says how large an airline is.
type Size struct {
	Flights    int // that will be cancelled; as many again have free seats
	Passengers int // on each of them
	Seed       uint64
}

// PerRoute is the number of flights to cancel on a route, and of those that
// take their passengers.
const PerRoute = 8

// The numbers of flights: those of Situ Air are cancelled, those of Northern
// have free seats.
const (
	cancelled   = "SI"
	alternative = "NO"
	firstNumber = 1000
)

// Validate returns an error if no airline has that size.
func (s Size) Validate() error {
	if s.Flights < 1 || s.Passengers < 1 {
		return fmt.Errorf("an airline needs at least one flight and one passenger on it, not %d and %d", s.Flights, s.Passengers)
	}
	if most := flight.MaxSeats * 5 / 6; s.Passengers > most {
		return fmt.Errorf("%d passengers do not fit: the largest aircraft has %d seats, and a flight is made for at most %d", s.Passengers, flight.MaxSeats, most)
	}
	return nil
}

// Routes returns the number of routes.
func (s Size) Routes() int { return (s.Flights + PerRoute - 1) / PerRoute }

// Route makes the flights of one route, from 0: those to cancel, full of
// passengers, and as many empty ones with a tenth more seats.
func (s Size) Route(route int) []control.Flight {
	rng := rand.New(rand.NewPCG(s.Seed, uint64(route)+1))
	from := rng.IntN(len(airports))
	to := (from + 1 + rng.IntN(len(airports)-1)) % len(airports)
	first := route * PerRoute
	n := min(PerRoute, s.Flights-first)
	flights := make([]control.Flight, 0, 2*n)
	for i := range 2 * n {
		f := control.Flight{From: airports[from], To: airports[to],
			Departs: fmt.Sprintf("%02d:%02d", 6+i%n*2, rng.IntN(12)*5)}
		if i < n {
			f.Number = fmt.Sprint(cancelled, firstNumber+first+i)
			f.Seats = s.Passengers + s.Passengers/10
			f.Passengers = s.manifest(first+i, f.Seats, rng)
		} else {
			f.Number = fmt.Sprint(alternative, firstNumber+first+i-n)
			f.Seats = s.Passengers + max(s.Passengers/10, 1)
		}
		flights = append(flights, f)
	}
	return flights
}

// manifest makes the passengers of one flight, in seats here and there.
func (s Size) manifest(flightNo, seats int, rng *rand.Rand) []control.Passenger {
	all := make([]control.Passenger, s.Passengers)
	for i, seat := range rng.Perm(seats)[:s.Passengers] {
		all[i] = control.Passenger{
			Key:   s.locator(flightNo*s.Passengers + i),
			Name:  given[rng.IntN(len(given))] + " " + family[rng.IntN(len(family))],
			Class: classes[rng.IntN(len(classes))],
			Seat:  flight.SeatLabel(seat),
		}
	}
	return all
}

// Groups returns what to cancel: the flights of each route, with the others of
// the route as alternatives.
func (s Size) Groups() []control.Group {
	groups := make([]control.Group, s.Routes())
	for r := range groups {
		first := firstNumber + r*PerRoute
		last := firstNumber + min((r+1)*PerRoute, s.Flights) - 1
		groups[r] = control.Group{Flights: span(cancelled, first, last), Alternatives: span(alternative, first, last)}
	}
	return groups
}

func span(airline string, first, last int) flight.Span {
	if first == last {
		return flight.Span(fmt.Sprint(airline, first))
	}
	return flight.Span(fmt.Sprintf("%s%d-%d", airline, first, last))
}

// locator makes the record locator of passenger i: six letters and digits that
// cannot be mistaken for each other. Different passengers have different ones.
func (s Size) locator(i int) string {
	const (
		letters = "ABCDEFGHJKLMNPQRSTUVWXYZ2345679"
		all     = 31 * 31 * 31 * 31 * 31 * 31
		step    = 357_913_941 // shares no factor with 31: a walk over all
	)
	n := (uint64(i)%all*step + s.Seed%all) % all
	var b strings.Builder
	for range 6 {
		b.WriteByte(letters[n%31])
		n /= 31
	}
	return b.String()
}
