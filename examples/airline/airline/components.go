// Package airline is the code of the airline: flights and passengers are
// objects, and an event controller is a stateless function. There is no lock
// and no transaction in it: every object looks after itself and sends
// messages.
package airline

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
	"github.com/situ-dev/situ/examples/airline/passenger"
)

// Components returns all that the airline is made of.
func Components() []situ.Component {
	return []situ.Component{
		situ.Object(flight.Type,
			situ.On(flight.Create, (*Flight).Create),
			situ.On(flight.Cancel, (*Flight).Cancel),
			situ.On(flight.Board, (*Flight).Board),
			situ.On(flight.Leave, (*Flight).Leave),
			situ.On(flight.Strand, (*Flight).Strand),
			situ.On(flight.Info, (*Flight).Info),
			situ.On(flight.Manifest, (*Flight).List)),
		situ.Object(passenger.Type,
			situ.On(passenger.Create, (*Passenger).Create),
			situ.On(passenger.Rebook, (*Passenger).Rebook),
			situ.On(passenger.Refused, (*Passenger).Refused),
			situ.On(passenger.Info, (*Passenger).Info)),
		situ.Function(control.CancelFlights, cancelFlights),
		situ.Function(control.Load, load),
		situ.Function(control.Seed, seed),
	}
}
