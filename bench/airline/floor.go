package airline

import (
	"sync/atomic"
	"time"

	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/airline"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// The same airline on goroutines and channels: each flight and each passenger
// is a goroutine with a channel and plain memory. Flights are named in messages
// as in the real one, and found by name; passengers are pointers. Nothing is
// durable, nothing is encoded, and nothing is taken back when something goes
// wrong. It is what a Go programmer would write without a platform, and what
// the platform's cost is measured against.

// message is any message: to a flight or to a passenger.
type message struct {
	kind    kind
	flight  string  // that it comes from
	who     *person // that it comes from
	options flight.Span
	attempt uint32
}

type kind uint8

const (
	cancel kind = iota
	board
	leave
	rebook
	refuse
)

// plane is a flight.
type plane struct {
	number    string
	in        chan message
	manifest  map[string]berth
	taken     [flight.MaxSeats]bool
	seats     int
	cancelled bool
}

// berth is an entry of a manifest.
type berth struct {
	who  *person
	seat string
}

// person is a passenger.
type person struct {
	key, name, class, seat string
	in                     chan message
	flight, from           string
	options                flight.Span
	tries                  int
	attempt                uint32
}

// world is where flights are found by name. It counts what is left to do, too:
// cancelled flights that are not empty, and passengers without an answer.
type world struct {
	planes map[string]*plane
	people []*person
	left   atomic.Int64
	done   chan struct{}
}

func (w *world) settle() {
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
}

// Floor cancels the airline of that size on goroutines and channels, and
// returns how long it took.
func Floor(s airgen.Size) time.Duration {
	w := &world{planes: map[string]*plane{}, done: make(chan struct{})}
	for r := range s.Routes() {
		for _, f := range s.Route(r) {
			w.planes[f.Number] = newPlane(&f)
			for i := range f.Passengers {
				w.people = append(w.people, newPerson(&f.Passengers[i], w.planes[f.Number]))
			}
		}
	}
	for _, p := range w.planes {
		go p.run(w)
	}
	for _, p := range w.people {
		go p.run(w)
	}
	w.left.Store(int64(len(w.people) + s.Flights))
	begin := time.Now()
	for _, g := range s.Groups() {
		for _, number := range g.Flights.All() {
			w.planes[number].in <- message{kind: cancel, options: g.Alternatives}
		}
	}
	<-w.done
	wall := time.Since(begin)
	for _, p := range w.planes {
		close(p.in)
	}
	for _, p := range w.people {
		close(p.in)
	}
	return wall
}

func newPlane(f *control.Flight) *plane {
	// The channel takes all that can be under way to a flight, so that nobody
	// ever waits for it to be read.
	return &plane{number: f.Number, in: make(chan message, 16*f.Seats), manifest: make(map[string]berth, f.Seats), seats: f.Seats}
}

func newPerson(c *control.Passenger, on *plane) *person {
	p := &person{key: c.Key, name: c.Name, class: c.Class, seat: c.Seat, in: make(chan message, 2), flight: on.number}
	on.manifest[p.key] = berth{p, p.seat}
	on.taken[flight.SeatIndex(p.seat)] = true
	return p
}

func (p *plane) run(w *world) {
	for m := range p.in {
		switch m.kind {
		case cancel:
			p.cancelled = true
			for _, b := range p.manifest {
				b.who.in <- message{kind: rebook, flight: p.number, options: m.options}
			}
		case leave:
			p.taken[flight.SeatIndex(p.manifest[m.who.key].seat)] = false
			delete(p.manifest, m.who.key)
			if len(p.manifest) == 0 {
				w.settle()
			}
		case board:
			if p.cancelled || len(p.manifest) >= p.seats {
				m.who.in <- message{kind: refuse, flight: p.number, attempt: m.attempt}
				continue
			}
			for i := range p.seats {
				if !p.taken[i] {
					p.taken[i] = true
					p.manifest[m.who.key] = berth{m.who, flight.SeatLabel(i)}
					break
				}
			}
			w.settle()
		}
	}
}

func (p *person) run(w *world) {
	for m := range p.in {
		switch m.kind {
		case rebook:
			p.from, p.options, p.tries = m.flight, m.options, 0
			w.planes[p.from].in <- message{kind: leave, who: p}
		case refuse:
			p.tries++
		}
		n := p.options.Len()
		if p.tries >= n {
			p.flight = "" // stranded
			w.settle()
			continue
		}
		p.attempt++
		p.flight, p.seat = p.options.At(airline.Choice(p.key, p.tries, n)), ""
		w.planes[p.flight].in <- message{kind: board, who: p, attempt: p.attempt}
	}
}
