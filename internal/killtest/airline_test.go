package killtest

import (
	"fmt"

	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/drive"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// airline is what a round loads and cancels, piece by piece.
type airline struct {
	drive.Airline
	loads   []control.Batch
	cancels []control.Event
}

// newAirline returns the airline of a round: 40 flights to cancel, two at a
// time, of 50 passengers each. Every round has flights and passengers of its
// own.
func newAirline(round int) *airline {
	size := airgen.Size{Flights: 40, Passengers: 50, Seed: uint64(round)}
	a := &airline{Airline: drive.Generated(size)}
	renumber := func(number string) string {
		var n int
		if _, err := fmt.Sscanf(number[2:], "%d", &n); err != nil {
			panic(err)
		}
		return fmt.Sprint(number[:2], n+100*round)
	}
	var all []control.Flight
	for route := range size.Routes() {
		flights := size.Route(route)
		for i := range flights {
			f := &flights[i]
			f.Number = renumber(f.Number)
			for j := range f.Passengers {
				f.Passengers[j].Key = fmt.Sprintf("r%d-%s", round, f.Passengers[j].Key)
			}
		}
		a.loads = append(a.loads, control.Batch{Flights: flights})
		all = append(all, flights...)
	}
	a.Flights = func(yield func(*control.Flight) bool) {
		for i := range all {
			if !yield(&all[i]) {
				return
			}
		}
	}
	for i, g := range a.Groups {
		g.Alternatives = renumberSpan(g.Alternatives, renumber)
		g.Flights = renumberSpan(g.Flights, renumber)
		a.Groups[i] = g
		for n := 0; n < g.Flights.Len(); n += 2 {
			some := flight.SpanOf([]string{g.Flights.At(n), g.Flights.At(n + 1)})
			a.cancels = append(a.cancels, control.Event{Groups: []control.Group{{Flights: some, Alternatives: g.Alternatives}}})
		}
	}
	return a
}

func renumberSpan(s flight.Span, renumber func(string) string) flight.Span {
	all := s.All()
	for i := range all {
		all[i] = renumber(all[i])
	}
	return flight.SpanOf(all)
}
