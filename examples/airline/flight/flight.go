// Package flight is the contract of a flight: its typed methods and what they
// take and give. Callers import it without the code, which is in package
// airline.
package flight

import "github.com/situ-dev/situ"

// Type names the objects. The key of a flight is its number, as in SI1001.
var Type = situ.NewType("flight", situ.Doc("A flight of one day: its seats and who has them."))

// The methods of a flight.
var (
	Create = situ.NewMethod[Plan, situ.None](Type, "create",
		situ.Doc("Makes the flight, with those who are booked on it already."))
	Cancel = situ.NewMethod[Cancellation, Cancelled](Type, "cancel",
		situ.Doc("Cancels the flight and tells its passengers. Cancelling twice is harmless."))
	Board = situ.NewMethod[Boarding, situ.None](Type, "board",
		situ.Doc("Gives a passenger a seat, or tells the passenger that there is none."))
	Leave = situ.NewMethod[string, situ.None](Type, "leave",
		situ.Doc("Takes the passenger with this key off the manifest."))
	Strand = situ.NewMethod[string, situ.None](Type, "strand",
		situ.Doc("Counts a passenger of this cancelled flight who found no seat on any other."))
	Info = situ.NewMethod[situ.None, Details](Type, "info", situ.ReadOnly,
		situ.Doc("Says how the flight is."))
	Manifest = situ.NewMethod[situ.None, Listing](Type, "manifest", situ.ReadOnly,
		situ.Doc("Lists who has which seat."))
)

// Plan is what a flight is made from.
type Plan struct {
	From     string   `json:"from"`    // IATA code of the airport
	To       string   `json:"to"`      //
	Departs  string   `json:"departs"` // local time, as 07:25
	Seats    int      `json:"seats"`   // at most MaxSeats
	Manifest []Seated `json:"manifest,omitempty"`
}

// Seated is one passenger in one seat.
type Seated struct {
	Passenger string `json:"p"` // key
	Seat      string `json:"s"` // as 12C
}

// Cancellation says where passengers may go instead.
type Cancellation struct {
	Alternatives Span `json:"alternatives"`
}

// Cancelled is the answer to a cancellation.
type Cancelled struct {
	Told  int  `json:"told"`            // passengers who were told
	Again bool `json:"again,omitempty"` // it was cancelled before
}

// Boarding asks for a seat. There are very many of these messages, so the
// names of the fields are short: p is the passenger's key, n the number of the
// passenger's attempt, which a refusal gives back.
type Boarding struct {
	Passenger string `json:"p"`
	Attempt   uint32 `json:"n"`
}

// Details is what info tells of a flight.
type Details struct {
	Number    string `json:"number"`
	From      string `json:"from"`
	To        string `json:"to"`
	Departs   string `json:"departs"`
	Seats     int    `json:"seats"`
	Booked    int    `json:"booked"`
	Cancelled bool   `json:"cancelled"`
	Stranded  int    `json:"stranded"` // of its passengers, since it was cancelled
}

// Listing is a flight with its manifest, in the order of the passengers' keys.
type Listing struct {
	Details
	Manifest []Seated `json:"manifest"`
}
