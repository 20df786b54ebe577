package flight_test

import (
	"reflect"
	"testing"

	"github.com/situ-dev/situ/examples/airline/flight"
)

func TestSpan(t *testing.T) {
	s := flight.Span("SI9-12,NO7")
	want := []string{"SI9", "SI10", "SI11", "SI12", "NO7"}
	if err := s.Check(); err != nil || s.Len() != 5 || !reflect.DeepEqual(s.All(), want) {
		t.Errorf("%v, %d, %v", err, s.Len(), s.All())
	}
	for i, number := range want {
		if s.At(i) != number {
			t.Errorf("at %d: %s", i, s.At(i))
		}
	}
	if s.At(5) != "" || flight.Span("").Len() != 0 || flight.Span("").Check() != nil {
		t.Error("the end of a span")
	}
	for _, bad := range []flight.Span{"S", "SI", "SI1-", "SI9-3", "SI01", "SI1,", "SI1-999999", ",", "SI1-2-3", "SI-4", "SI1x"} {
		if bad.Check() == nil {
			t.Errorf("%q is taken for a span of %v", bad, bad.All())
		}
	}
	if got := flight.SpanOf([]string{"SI12", "NO7", "SI10", "SI9", "SI11"}); got != "NO7,SI9-12" {
		t.Errorf("SpanOf: %s", got)
	}
}

func TestSeats(t *testing.T) {
	for i := range flight.MaxSeats {
		if label := flight.SeatLabel(i); flight.SeatIndex(label) != i {
			t.Errorf("seat %d is %s", i, label)
		}
	}
	for _, bad := range []string{"", "A", "1", "1I", "0A", "-1A", "A1", "99999A"} {
		if flight.SeatIndex(bad) >= 0 {
			t.Errorf("%q is a seat", bad)
		}
	}
}
