package airline

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
	"github.com/situ-dev/situ/examples/airline/passenger"
)

// cancelFlights tells each flight of the event that it is cancelled.
func cancelFlights(t *situ.Turn, in control.Event) (out control.Accepted, err error) {
	for i, g := range in.Groups {
		if err := g.Flights.Check(); err != nil {
			return out, situ.Errorf("flights", "flights of group %d: %v", i+1, err)
		}
		if err := g.Alternatives.Check(); err != nil {
			return out, situ.Errorf("alternatives", "alternatives of group %d: %v", i+1, err)
		}
		for _, number := range g.Flights.All() {
			situ.Send(t, flight.Cancel.To(number, flight.Cancellation{Alternatives: g.Alternatives}))
			out.Flights++
		}
	}
	return out, nil
}

// load makes flights and their passengers.
func load(t *situ.Turn, in control.Batch) (out control.Accepted, err error) {
	for i := range in.Flights {
		f := &in.Flights[i]
		plan := flight.Plan{From: f.From, To: f.To, Departs: f.Departs, Seats: f.Seats}
		for _, p := range f.Passengers {
			plan.Manifest = append(plan.Manifest, flight.Seated{Passenger: p.Key, Seat: p.Seat})
			situ.Send(t, passenger.Create.To(p.Key, passenger.Booking{Name: p.Name, Class: p.Class, Flight: f.Number, Seat: p.Seat}))
			out.Passengers++
		}
		situ.Send(t, flight.Create.To(f.Number, plan))
		out.Flights++
	}
	return out, nil
}

// seed makes an airline from a seed. It sends itself a message for each route,
// so that no turn is large.
func seed(t *situ.Turn, in control.Size) (out control.Accepted, err error) {
	if in.Flights == 0 {
		in.Flights = 25
	}
	if in.Passengers == 0 {
		in.Passengers = 100
	}
	size := airgen.Size{Flights: in.Flights, Passengers: in.Passengers, Seed: in.Seed}
	if err := size.Validate(); err != nil {
		return out, situ.Errorf("size", "%v", err)
	}
	switch {
	case in.Route < 0 || in.Route > size.Routes():
		return out, situ.Errorf("size", "there is no route %d: the airline has %d", in.Route, size.Routes())
	case in.Route > 0:
		return load(t, control.Batch{Flights: size.Route(in.Route - 1)})
	}
	for route := range size.Routes() {
		in.Route = route + 1
		situ.Send(t, control.Seed.With(in))
	}
	return control.Accepted{Flights: 2 * in.Flights, Passengers: in.Flights * in.Passengers}, nil
}
