package airline

import (
	"math/bits"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/flight"
	"github.com/situ-dev/situ/examples/airline/passenger"
)

// Flight is the state of a flight. What is not exported is derived from the
// manifest and is not stored.
//
// Invariant: the manifest has at most Seats passengers, no two in one seat.
type Flight struct {
	From      string                   `json:"from"`
	To        string                   `json:"to"`
	Departs   string                   `json:"departs"`
	Seats     int                      `json:"seats"` // 0: there is no such flight
	Cancelled bool                     `json:"cancelled,omitempty"`
	Stranded  int                      `json:"stranded,omitempty"`
	Manifest  situ.Map[string, string] `json:"manifest"` // passenger to seat

	known bool      // taken is right
	taken [9]uint64 // a bit for each seat
}

// Create makes the flight.
func (f *Flight) Create(t *situ.Turn, in flight.Plan) (none situ.None, err error) {
	if f.Seats != 0 {
		return none, situ.Errorf("exists", "there is a flight %s already", t.Key())
	}
	if in.Seats < 1 || in.Seats > flight.MaxSeats {
		return none, situ.Errorf("seats", "a flight has 1 to %d seats, not %d", flight.MaxSeats, in.Seats)
	}
	f.From, f.To, f.Departs, f.Seats = in.From, in.To, in.Departs, in.Seats
	for _, s := range in.Manifest {
		i := flight.SeatIndex(s.Seat)
		switch {
		case i < 0 || i >= f.Seats:
			return none, situ.Errorf("seats", "flight %s has no seat %q for %s", t.Key(), s.Seat, s.Passenger)
		case f.has(i):
			return none, situ.Errorf("seats", "seat %s of flight %s is given twice", s.Seat, t.Key())
		case f.Manifest.Has(s.Passenger):
			return none, situ.Errorf("seats", "passenger %s is twice on flight %s", s.Passenger, t.Key())
		}
		f.set(i)
		f.Manifest.Set(s.Passenger, s.Seat)
	}
	return none, nil
}

// Cancel cancels the flight. Its passengers stay on the manifest until they
// have found something else.
func (f *Flight) Cancel(t *situ.Turn, in flight.Cancellation) (flight.Cancelled, error) {
	if f.Seats == 0 {
		return flight.Cancelled{}, unknown(t)
	}
	if f.Cancelled {
		return flight.Cancelled{Again: true}, nil
	}
	if err := in.Alternatives.Check(); err != nil {
		return flight.Cancelled{}, situ.Errorf("alternatives", "alternatives: %v", err)
	}
	f.Cancelled = true
	for p := range f.Manifest.All() {
		situ.Send(t, passenger.Rebook.To(p, passenger.Rebooking{Flight: t.Key(), Alternatives: in.Alternatives}))
	}
	return flight.Cancelled{Told: f.Manifest.Len()}, nil
}

// Board gives a passenger a seat, or refuses. Only a refusal is told: who
// hears nothing is on board.
func (f *Flight) Board(t *situ.Turn, in flight.Boarding) (none situ.None, err error) {
	if f.Manifest.Has(in.Passenger) {
		return none, nil
	}
	if f.Cancelled || f.Manifest.Len() >= f.Seats {
		if f.Seats == 0 {
			t.Delete() // asking for a flight that is not there does not make one
		}
		situ.Send(t, passenger.Refused.To(in.Passenger, passenger.Refusal{Flight: t.Key(), Attempt: in.Attempt}))
		return none, nil
	}
	i := f.free()
	f.set(i)
	f.Manifest.Set(in.Passenger, flight.SeatLabel(i))
	return none, nil
}

// Leave takes a passenger off the manifest.
func (f *Flight) Leave(t *situ.Turn, who string) (none situ.None, err error) {
	if f.Seats == 0 {
		return none, unknown(t)
	}
	if seat, ok := f.Manifest.Get(who); ok {
		f.clear(flight.SeatIndex(seat))
		f.Manifest.Delete(who)
	}
	return none, nil
}

// Strand counts a passenger for whom there was no seat.
func (f *Flight) Strand(t *situ.Turn, _ string) (none situ.None, err error) {
	if f.Seats == 0 {
		return none, unknown(t)
	}
	f.Stranded++
	return none, nil
}

// Info says how the flight is.
func (f *Flight) Info(t *situ.Turn, _ situ.None) (flight.Details, error) {
	if f.Seats == 0 {
		return flight.Details{}, unknown(t)
	}
	return flight.Details{Number: t.Key(), From: f.From, To: f.To, Departs: f.Departs, Seats: f.Seats,
		Booked: f.Manifest.Len(), Cancelled: f.Cancelled, Stranded: f.Stranded}, nil
}

// List says how the flight is and who is on it.
func (f *Flight) List(t *situ.Turn, _ situ.None) (flight.Listing, error) {
	details, err := f.Info(t, situ.None{})
	if err != nil {
		return flight.Listing{}, err
	}
	out := flight.Listing{Details: details, Manifest: make([]flight.Seated, 0, f.Manifest.Len())}
	for p, seat := range f.Manifest.All() {
		out.Manifest = append(out.Manifest, flight.Seated{Passenger: p, Seat: seat})
	}
	return out, nil
}

func unknown(t *situ.Turn) error {
	return situ.Errorf("unknown", "there is no flight %s", t.Key())
}

// seats returns the taken seats. They are gathered from the manifest when the
// flight comes back from disk.
func (f *Flight) seats() *[9]uint64 {
	if !f.known {
		f.known, f.taken = true, [9]uint64{}
		for _, seat := range f.Manifest.All() {
			f.set(flight.SeatIndex(seat))
		}
	}
	return &f.taken
}

func (f *Flight) has(seat int) bool { return f.seats()[seat/64]&(1<<(seat%64)) != 0 }
func (f *Flight) set(seat int)      { f.seats()[seat/64] |= 1 << (seat % 64) }
func (f *Flight) clear(seat int)    { f.seats()[seat/64] &^= 1 << (seat % 64) }

// free returns the first seat that is not taken.
func (f *Flight) free() int {
	for i, word := range f.seats() {
		if n := bits.TrailingZeros64(^word); n < 64 {
			return i*64 + n
		}
	}
	panic("a flight with free seats has none") // MaxSeats is less than the bits
}
