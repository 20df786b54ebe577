package airgen

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
)

// The names of the files of an airline, and their first lines.
const (
	FlightsFile    = "flights.csv"
	PassengersFile = "passengers.csv"
)

var (
	flightColumns    = []string{"number", "from", "to", "departs", "seats"}
	passengerColumns = []string{"locator", "name", "class", "flight", "seat"}
)

// Write writes the airline of that size to flights.csv and passengers.csv in
// dir.
func Write(dir string, size Size) error {
	if err := size.Validate(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return writeFile(dir, FlightsFile, flightColumns, func(flights *csv.Writer) error {
		return writeFile(dir, PassengersFile, passengerColumns, func(passengers *csv.Writer) error {
			for r := range size.Routes() {
				for _, f := range size.Route(r) {
					if err := flights.Write([]string{f.Number, f.From, f.To, f.Departs, strconv.Itoa(f.Seats)}); err != nil {
						return err
					}
					for _, p := range f.Passengers {
						if err := passengers.Write([]string{p.Key, p.Name, p.Class, f.Number, p.Seat}); err != nil {
							return err
						}
					}
				}
			}
			return nil
		})
	})
}

func writeFile(dir, name string, columns []string, fill func(*csv.Writer) error) error {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	err = w.Write(columns)
	if err == nil {
		err = fill(w)
	}
	w.Flush()
	return errors.Join(err, w.Error(), f.Close())
}

// ReadDir reads flights.csv and passengers.csv from dir.
func ReadDir(dir string) ([]control.Flight, error) {
	flights, err := os.Open(filepath.Join(dir, FlightsFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = flights.Close() }() // was only read
	passengers, err := os.Open(filepath.Join(dir, PassengersFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = passengers.Close() }()
	return Read(flights, passengers)
}

// Read reads the two files of an airline. An error names file and line.
func Read(flights, passengers io.Reader) ([]control.Flight, error) {
	var all []control.Flight
	index := map[string]int{} // flight number to place in all
	err := rows(FlightsFile, flights, flightColumns, func(row []string) error {
		f, err := readFlight(row)
		if err != nil {
			return err
		}
		if _, twice := index[f.Number]; twice {
			return fmt.Errorf("flight %s is there already", f.Number)
		}
		index[f.Number] = len(all)
		all = append(all, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	taken := map[[2]string]string{}
	err = rows(PassengersFile, passengers, passengerColumns, func(row []string) error {
		p, number := control.Passenger{Key: row[0], Name: row[1], Class: row[2], Seat: row[4]}, row[3]
		i, ok := index[number]
		seat := flight.SeatIndex(p.Seat)
		switch {
		case p.Key == "" || p.Name == "":
			return errors.New("a passenger needs a locator and a name")
		case known[p.Key]:
			return fmt.Errorf("passenger %s is there already", p.Key)
		case !ok:
			return fmt.Errorf("passenger %s is on flight %q, which is not in %s", p.Key, number, FlightsFile)
		case seat < 0 || seat >= all[i].Seats:
			return fmt.Errorf("passenger %s: flight %s has no seat %q: it has %d seats, 1A to %s", p.Key, number, p.Seat, all[i].Seats, flight.SeatLabel(all[i].Seats-1))
		case taken[[2]string{number, p.Seat}] != "":
			return fmt.Errorf("passenger %s: seat %s of flight %s is %s's", p.Key, p.Seat, number, taken[[2]string{number, p.Seat}])
		}
		known[p.Key], taken[[2]string{number, p.Seat}] = true, p.Key
		all[i].Passengers = append(all[i].Passengers, p)
		return nil
	})
	return all, err
}

func readFlight(row []string) (control.Flight, error) {
	f := control.Flight{Number: row[0], From: row[1], To: row[2], Departs: row[3]}
	if s := flight.Span(f.Number); s.Check() != nil || s.Len() != 1 || strings.Contains(f.Number, "-") {
		return f, fmt.Errorf("%q is not a flight number, as SI1001", f.Number)
	}
	seats, err := strconv.Atoi(row[4])
	if err != nil || seats < 1 || seats > flight.MaxSeats {
		return f, fmt.Errorf("flight %s: %q is not a number of seats: 1 to %d", f.Number, row[4], flight.MaxSeats)
	}
	f.Seats = seats
	return f, nil
}

// rows reads a CSV file that begins with the names of its columns, and calls
// take for each further row.
func rows(name string, r io.Reader, columns []string, take func(row []string) error) error {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	in.FieldsPerRecord = -1 // rows says so in its own words
	head, err := in.Read()
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: the file is empty: its first line is %q", name, strings.Join(columns, ","))
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case !slices.Equal(head, columns):
		return fmt.Errorf("%s: line 1: the columns are %q, not %q", name, strings.Join(columns, ","), strings.Join(head, ","))
	}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err) // names the line
		}
		line, _ := in.FieldPos(0)
		if len(row) != len(columns) {
			return fmt.Errorf("%s: line %d: there are %d columns, not %d (%s)", name, line, len(row), len(columns), strings.Join(columns, ","))
		}
		if err := take(row); err != nil {
			return fmt.Errorf("%s: line %d: %w", name, line, err)
		}
	}
}

// GroupsOf returns how to cancel some of flights: by route, with the other
// flights of the route as alternatives.
func GroupsOf(flights []control.Flight, cancel flight.Span) ([]control.Group, error) {
	if err := cancel.Check(); err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for _, number := range cancel.All() {
		gone[number] = true
	}
	type route struct{ cancelled, others []string }
	routes := map[[2]string]*route{}
	var order []*route
	for _, f := range flights {
		r := routes[[2]string{f.From, f.To}]
		if r == nil {
			r = &route{}
			routes[[2]string{f.From, f.To}] = r
			order = append(order, r)
		}
		if gone[f.Number] {
			r.cancelled = append(r.cancelled, f.Number)
			delete(gone, f.Number)
		} else {
			r.others = append(r.others, f.Number)
		}
	}
	for number := range gone {
		return nil, fmt.Errorf("there is no flight %s to cancel (and %d more are missing)", number, len(gone)-1)
	}
	var groups []control.Group
	for _, r := range order {
		if len(r.cancelled) > 0 {
			groups = append(groups, control.Group{Flights: flight.SpanOf(r.cancelled), Alternatives: flight.SpanOf(r.others)})
		}
	}
	return groups, nil
}
