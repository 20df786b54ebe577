package flight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Span names flights in few bytes: flight numbers and ranges of them,
// separated by commas, as in "NO1009-1016,SI7". It is what travels in
// messages instead of a list. The empty Span names no flight.
type Span string

// Check returns an error that says which part of s is malformed.
func (s Span) Check() error {
	for part := range s.parts() {
		if part.n == 0 {
			return fmt.Errorf("%q is neither a flight number, as SI1001, nor a range of them, as SI1001-1008", part.text)
		}
	}
	return nil
}

// Len returns the number of flights in s.
func (s Span) Len() (n int) {
	for part := range s.parts() {
		n += part.n
	}
	return n
}

// At returns flight i of s, from 0, and "" if there is none.
func (s Span) At(i int) string {
	for part := range s.parts() {
		if i < part.n {
			return part.airline + strconv.Itoa(part.first+i)
		}
		i -= part.n
	}
	return ""
}

// All returns the flights of s in order.
func (s Span) All() []string {
	all := make([]string, 0, s.Len())
	for part := range s.parts() {
		for i := range part.n {
			all = append(all, part.airline+strconv.Itoa(part.first+i))
		}
	}
	return all
}

// SpanOf returns a Span of the given flights, in order of airline and number.
func SpanOf(numbers []string) Span {
	type number struct {
		airline string
		n       int
		text    string
	}
	all := make([]number, 0, len(numbers))
	for _, text := range numbers {
		p := parse(text)
		all = append(all, number{p.airline, p.first, text})
	}
	slices.SortFunc(all, func(a, b number) int {
		if c := strings.Compare(a.airline, b.airline); c != 0 {
			return c
		}
		return a.n - b.n
	})
	var parts []string
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[j].airline == all[i].airline && all[j].n == all[j-1].n+1 {
			j++
		}
		part := all[i].text
		if j > i+1 {
			part += "-" + strconv.Itoa(all[j-1].n)
		}
		parts = append(parts, part)
		i = j
	}
	return Span(strings.Join(parts, ","))
}

// part is a range of n flights; n is 0 if text is malformed.
type part struct {
	text    string
	airline string
	first   int
	n       int
}

// parts yields the ranges of s.
func (s Span) parts() func(yield func(part) bool) {
	return func(yield func(part) bool) {
		for rest, more := string(s), s != ""; more; {
			var text string
			text, rest, more = strings.Cut(rest, ",")
			if !yield(parse(text)) {
				return
			}
		}
	}
}

// maxRange bounds a range: a slip of the pen should not cancel a continent.
const maxRange = 100_000

func parse(text string) part {
	p := part{text: text}
	digits := 0 // where they begin: an airline is two or three letters and digits
	for digits < len(text) && (digits < 2 || text[digits] < '0' || text[digits] > '9') {
		if c := text[digits]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') || digits == 3 {
			return p
		}
		digits++
	}
	from, to, isRange := strings.Cut(text[digits:], "-")
	first, err := strconv.Atoi(from)
	if err != nil || strconv.Itoa(first) != from {
		return p
	}
	last := first
	if isRange {
		if last, err = strconv.Atoi(to); err != nil {
			return p
		}
	}
	if last < first || last-first >= maxRange {
		return p
	}
	p.airline, p.first, p.n = text[:digits], first, last-first+1
	return p
}
