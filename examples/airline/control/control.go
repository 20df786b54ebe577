// Package control is the contract of the airline's stateless functions: the
// event controller that cancels groups of flights, and those that load data.
// The code is in package airline.
package control

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// The functions.
var (
	CancelFlights = situ.NewFunc[Event, Accepted]("cancel-flights",
		situ.Doc("Cancels groups of flights: each flight is told, and tells its passengers."))
	Load = situ.NewFunc[Batch, Accepted]("load",
		situ.Doc("Makes flights and the passengers booked on them."))
	Seed = situ.NewFunc[Size, Accepted]("seed",
		situ.Doc("Makes an airline from a seed: flights to cancel (SI1000 and on), and as many with free seats on the same routes (NO1000 and on)."),
		situ.Example(Size{Flights: 25, Passengers: 100, Seed: 1}))
)

// Event is what happened: which flights are cancelled.
type Event struct {
	Groups []Group `json:"groups"`
}

// Group is flights that are cancelled and the flights that their passengers
// may choose from.
type Group struct {
	Flights      flight.Span `json:"flights"`
	Alternatives flight.Span `json:"alternatives,omitempty"`
}

// Accepted counts the messages that were sent.
type Accepted struct {
	Flights    int `json:"flights"`
	Passengers int `json:"passengers,omitempty"`
}

// Batch is flights to be made.
type Batch struct {
	Flights []Flight `json:"flights"`
}

// Flight is a flight to be made, with its passengers.
type Flight struct {
	Number     string      `json:"number"`
	From       string      `json:"from"`
	To         string      `json:"to"`
	Departs    string      `json:"departs"`
	Seats      int         `json:"seats"`
	Passengers []Passenger `json:"passengers,omitempty"`
}

// Passenger is a passenger to be made.
type Passenger struct {
	Key   string `json:"key"`
	Name  string `json:"name"`
	Class string `json:"class,omitempty"`
	Seat  string `json:"seat"`
}

// Size says how large an airline is to be made. Zero fields are 25 flights of
// 100 passengers.
type Size struct {
	Flights    int    `json:"flights,omitempty"`    // to cancel; as many again have free seats
	Passengers int    `json:"passengers,omitempty"` // on each flight to cancel
	Seed       uint64 `json:"seed,omitempty"`
	Route      int    `json:"route,omitempty"` // make this route only, from 1; 0 is all
}
