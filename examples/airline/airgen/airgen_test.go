package airgen_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/situ-dev/situ/examples/airline/airgen"
	"github.com/situ-dev/situ/examples/airline/control"
	"github.com/situ-dev/situ/examples/airline/flight"
)

func TestSameFromSameSeed(t *testing.T) {
	size := airgen.Size{Flights: 20, Passengers: 100, Seed: 9}
	keys := map[string]bool{}
	numbers := map[string]bool{}
	for r := range size.Routes() {
		flights := size.Route(r)
		if !reflect.DeepEqual(flights, size.Route(r)) {
			t.Fatalf("route %d is different each time", r)
		}
		for _, f := range flights {
			if numbers[f.Number] || f.From == f.To {
				t.Errorf("flight %s from %s to %s", f.Number, f.From, f.To)
			}
			numbers[f.Number] = true
			for _, p := range f.Passengers {
				if keys[p.Key] || len(p.Key) != 6 || flight.SeatIndex(p.Seat) >= f.Seats {
					t.Errorf("flight %s, passenger %+v", f.Number, p)
				}
				keys[p.Key] = true
			}
		}
	}
	if len(numbers) != 40 || len(keys) != 2000 {
		t.Errorf("%d flights, %d passengers", len(numbers), len(keys))
	}
	for _, g := range size.Groups() {
		for _, number := range append(g.Flights.All(), g.Alternatives.All()...) {
			if !numbers[number] {
				t.Errorf("group %+v names %s", g, number)
			}
			delete(numbers, number)
		}
	}
	if len(numbers) > 0 {
		t.Errorf("%d flights are in no group", len(numbers))
	}
	other := airgen.Size{Flights: 20, Passengers: 100, Seed: 10}
	if reflect.DeepEqual(size.Route(0), other.Route(0)) {
		t.Error("another seed makes the same airline")
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	size := airgen.Size{Flights: 9, Passengers: 20, Seed: 2}
	if err := airgen.Write(dir, size); err != nil {
		t.Fatal(err)
	}
	got, err := airgen.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var want []control.Flight
	for r := range size.Routes() {
		want = append(want, size.Route(r)...)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("what is read is not what was written")
	}
	if err := os.Remove(filepath.Join(dir, airgen.PassengersFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := airgen.ReadDir(dir); err == nil || !strings.Contains(err.Error(), airgen.PassengersFile) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	const (
		f = "number,from,to,departs,seats\n"
		p = "locator,name,class,flight,seat\n"
		a = f + "SI1,LHR,JFK,07:00,10\n"
	)
	for _, c := range []struct{ name, flights, passengers, want string }{
		{"empty", "", p, "flights.csv: the file is empty: its first line is"},
		{"columns", "number,from\n", p, "flights.csv: line 1: the columns are"},
		{"missing column", f + "SI1,LHR,JFK,07:00\n", p, "flights.csv: line 2: there are 4 columns, not 5"},
		{"number", f + "S1-3,LHR,JFK,07:00,10\n", p, `flights.csv: line 2: "S1-3" is not a flight number`},
		{"seats", a + "SI2,LHR,JFK,07:00,many\n", p, `flights.csv: line 3: flight SI2: "many" is not a number of seats`},
		{"too many", f + "SI2,LHR,JFK,07:00,541\n", p, "1 to 540"},
		{"twice", a + "SI1,LHR,JFK,07:00,10\n", p, "line 3: flight SI1 is there already"},
		{"quotes", f + "\"SI1,LHR\n", p, "flights.csv: parse error on line 2"},
		{"no flight", a, p + "AB1,Zoe,,SI2,1A\n", `passengers.csv: line 2: passenger AB1 is on flight "SI2", which is not in flights.csv`},
		{"no seat", a, p + "AB1,Zoe,,SI1,2B\n", `line 2: passenger AB1: flight SI1 has no seat "2B": it has 10 seats, 1A to 2A`},
		{"taken", a, p + "AB1,Zoe,,SI1,1B\nAB2,Zoe,,SI1,1B\n", "line 3: passenger AB2: seat 1B of flight SI1 is AB1's"},
		{"same", a, p + "AB1,Zoe,,SI1,1B\nAB1,Zoe,,SI1,1C\n", "line 3: passenger AB1 is there already"},
		{"no name", a, p + "AB1,,,SI1,1B\n", "line 2: a passenger needs a locator and a name"},
	} {
		_, err := airgen.Read(strings.NewReader(c.flights), strings.NewReader(c.passengers))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestGroupsOf(t *testing.T) {
	flights := []control.Flight{{Number: "SI3", From: "A", To: "B"}, {Number: "SI1", From: "A", To: "B"}, {Number: "SI2", From: "A", To: "B"},
		{Number: "SI7", From: "B", To: "A"}, {Number: "SI10", From: "A", To: "B"}}
	got, err := airgen.GroupsOf(flights, "SI10,SI7")
	want := []control.Group{{Flights: "SI10", Alternatives: "SI1-3"}, {Flights: "SI7"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := airgen.GroupsOf(flights, "SI8"); err == nil || !strings.Contains(err.Error(), "there is no flight SI8") {
		t.Errorf("%v", err)
	}
}
