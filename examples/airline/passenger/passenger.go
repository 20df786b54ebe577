// Package passenger is the contract of a passenger: its typed methods and what
// they take and give. Callers import it without the code, which is in package
// airline.
package passenger

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// Type names the objects. The key of a passenger is a record locator of six
// letters and digits, as in K7Q2ZD.
var Type = situ.NewType("passenger", situ.Doc("A passenger's booking for the day."))

// The methods of a passenger.
var (
	Create = situ.NewMethod[Booking, situ.None](Type, "create",
		situ.Doc("Makes the record of a passenger who has a seat."))
	Rebook = situ.NewMethod[Rebooking, situ.None](Type, "rebook",
		situ.Doc("Tells the passenger that a flight is cancelled; the passenger picks another."))
	Refused = situ.NewMethod[Refusal, situ.None](Type, "refused",
		situ.Doc("Tells the passenger that a flight has no seat; the passenger picks another."))
	Info = situ.NewMethod[situ.None, Record](Type, "info", situ.ReadOnly,
		situ.Doc("Returns the passenger's record."))
)

// A Status says how a passenger stands.
type Status string

// What a passenger can be.
const (
	Booked   Status = "booked"   // as first booked
	Rebooked Status = "rebooked" // on another flight, the seat is given by the flight
	Stranded Status = "stranded" // on none: no alternative had a seat
)

// Booking is what a passenger's record is made from.
type Booking struct {
	Name   string `json:"name"`
	Class  string `json:"class,omitempty"` // of the loyalty programme: "", silver, gold or platinum
	Flight string `json:"flight"`
	Seat   string `json:"seat"`
}

// Rebooking tells of a cancelled flight. There are very many of these
// messages, so the names of the fields are short: f is the flight, a the
// flights to choose from.
type Rebooking struct {
	Flight       string      `json:"f"`
	Alternatives flight.Span `json:"a"`
}

// Refusal tells of a flight without a seat: f is the flight, n the attempt
// that it answers.
type Refusal struct {
	Flight  string `json:"f"`
	Attempt uint32 `json:"n"`
}

// Record is all there is to know of a passenger. It is the state as well.
type Record struct {
	Name   string `json:"name"`
	Class  string `json:"class,omitempty"`
	Status Status `json:"status"`
	Flight string `json:"flight,omitempty"`
	Seat   string `json:"seat,omitempty"` // empty after rebooking: the manifest has it
	From   string `json:"from,omitempty"` // the cancelled flight that the passenger left last
	// Alternatives are the flights that were offered then, and Attempt counts
	// the seats asked for, ever; Tries those on this offer.
	Alternatives flight.Span `json:"alt,omitempty"`
	Attempt      uint32      `json:"n,omitempty"`
	Tries        uint16      `json:"tries,omitempty"` // refusals on this offer
}
