package airline

import (
	"hash/fnv"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/airline/flight"
	"github.com/situ-dev/situ/examples/airline/passenger"
)

// Passenger is the state of a passenger.
//
// A passenger is sure of a flight from the moment of asking for a seat, and
// hears from it only if there is none. So each passenger deals with one flight
// at a time, and a message about another is old news.
type Passenger struct {
	passenger.Record
}

// Create makes the record of a passenger.
func (p *Passenger) Create(t *situ.Turn, in passenger.Booking) (none situ.None, err error) {
	if p.Status != "" {
		return none, situ.Errorf("exists", "there is a passenger %s already", t.Key())
	}
	if in.Name == "" || in.Flight == "" {
		return none, situ.Errorf("incomplete", "passenger %s needs a name and a flight", t.Key())
	}
	p.Record = passenger.Record{Name: in.Name, Class: in.Class, Status: passenger.Booked, Flight: in.Flight, Seat: in.Seat}
	return none, nil
}

// Rebook leaves a cancelled flight for another.
func (p *Passenger) Rebook(t *situ.Turn, in passenger.Rebooking) (none situ.None, err error) {
	if p.Flight != in.Flight || p.Status == "" {
		return none, nil // has left it before, or is nobody
	}
	p.From, p.Alternatives, p.Tries, p.Seat = p.Flight, in.Alternatives, 0, ""
	situ.Send(t, flight.Leave.To(p.From, t.Key()))
	p.pick(t)
	return none, nil
}

// Refused tries the next flight.
func (p *Passenger) Refused(t *situ.Turn, in passenger.Refusal) (none situ.None, err error) {
	if p.Flight != in.Flight || p.Attempt != in.Attempt {
		return none, nil
	}
	p.Tries++
	p.pick(t)
	return none, nil
}

// pick asks for a seat on the next of the alternatives: each passenger begins
// at one of their own and goes once round. When all have refused, the
// passenger is stranded.
func (p *Passenger) pick(t *situ.Turn) {
	n := p.Alternatives.Len()
	if int(p.Tries) >= n {
		p.Status, p.Flight = passenger.Stranded, ""
		situ.Send(t, flight.Strand.To(p.From, t.Key()))
		return
	}
	p.Attempt++
	p.Status, p.Flight = passenger.Rebooked, p.Alternatives.At(Choice(t.Key(), int(p.Tries), n))
	situ.Send(t, flight.Board.To(p.Flight, flight.Boarding{Passenger: t.Key(), Attempt: p.Attempt}))
}

// Choice returns which of n alternatives a passenger tries after so many
// refusals.
func Choice(key string, refusals, n int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))                // never fails
	start := h.Sum64() >> 32 * uint64(n) >> 32 // the upper bits: the lower ones are too even for chance
	return int((start + uint64(refusals)) % uint64(n))
}

// Info returns the record.
func (p *Passenger) Info(t *situ.Turn, _ situ.None) (passenger.Record, error) {
	if p.Status == "" {
		return passenger.Record{}, situ.Errorf("unknown", "there is no passenger %s", t.Key())
	}
	return p.Record, nil
}
