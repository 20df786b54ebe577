package cron_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/cron"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/seed"
)

// next returns the times of an expression after one, as text.
func next(t *testing.T, expr, zone, from string, n int) string {
	t.Helper()
	z, err := cron.Zone(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", from, z)
	if err != nil {
		t.Fatal(err)
	}
	r, err := cron.Parse(expr, z, at)
	if err != nil {
		t.Fatal(err)
	}
	var times []string
	for range n {
		if at = r.Next(at); at.IsZero() {
			times = append(times, "never")
			break
		}
		times = append(times, at.In(z).Format("02T15:04:05-0700"))
	}
	return strings.Join(times, " ")
}

// What is promised of hours that are skipped and of hours that come twice.
func TestClocksAreChanged(t *testing.T) {
	for _, c := range []struct{ expr, zone, from, want string }{
		// The night has no 02:30: it is due when the clock jumps.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "29T03:00:00+0200 30T02:30:00+0200"},
		// The night has it twice: the first counts.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "25T02:30:00+0200 26T02:30:00+0100"},
		// All that the clock jumps over is due once.
		{"0,15,30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "29T03:00:00+0200 30T02:00:00+0200"},
		{"30 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00", "29T03:00:00+0200 29T03:30:00+0200"},
		{"0 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00", "29T03:00:00+0200 30T02:00:00+0200"},
		// A rhythm goes on as the hours pass.
		{"30 * * * *", "Europe/Berlin", "2026-03-29 00:45", "29T01:30:00+0100 29T03:30:00+0200"},
		{"30 * * * *", "Europe/Berlin", "2026-10-25 00:45", "25T01:30:00+0200 25T02:30:00+0200 25T02:30:00+0100 25T03:30:00+0100"},
		{"*/20 * * * *", "Europe/Berlin", "2026-03-29 01:30", "29T01:40:00+0100 29T03:00:00+0200 29T03:20:00+0200"},
		// Half an hour, in Lord Howe.
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", "04T02:30:00+1100 05T02:15:00+1100"},
		{"45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", "05T01:45:00+1100 06T01:45:00+1030"},
		// A day that begins at 01:00.
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", "04T01:00:00-0200 05T00:00:00-0200"},
		// A day that does not exist.
		{"0 12 30 12 *", "Pacific/Apia", "2011-12-01 00:00", "31T00:00:00+1400 30T12:00:00+1400"},
		{"0 12 * * *", "Pacific/Apia", "2011-12-29 00:00", "29T12:00:00-1000 31T00:00:00+1400 31T12:00:00+1400"},
		{"0 * * * *", "Pacific/Apia", "2011-12-29 22:30", "29T23:00:00-1000 31T00:00:00+1400 31T01:00:00+1400"},
	} {
		if got := next(t, c.expr, c.zone, c.from, strings.Count(c.want, " ")+1); got != c.want {
			t.Errorf("%s in %s from %s:\n %s, want\n %s", c.expr, c.zone, c.from, got, c.want)
		}
	}
}

// What an expression may be.
func TestExpressions(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{"0 0 29 2 *", "29T00:00:00+0000"},
		{"0 12 * * mon-fri", "01T12:00:00+0000 02T12:00:00+0000 05T12:00:00+0000"},
		{"0 0 * JAN,dec 7", "04T00:00:00+0000"},
		{"0 0 * * fri-sun", "02T00:00:00+0000 03T00:00:00+0000 04T00:00:00+0000 09T00:00:00+0000"},
		{"0 0 * * 5-7/2", "02T00:00:00+0000 04T00:00:00+0000 09T00:00:00+0000"},
		{"0 0 * * 0-0", "04T00:00:00+0000 11T00:00:00+0000"},
		{"0 0 13 * 5", "02T00:00:00+0000 09T00:00:00+0000 13T00:00:00+0000"}, // either
		{"0 0 L * *", "31T00:00:00+0000 28T00:00:00+0000"},
		{"0 0 15W * *", "15T00:00:00+0000 16T00:00:00+0000"},
		{"0 0 * * 1#2", "12T00:00:00+0000 09T00:00:00+0000"},
		{"0 0 * * 5L", "30T00:00:00+0000 27T00:00:00+0000"},
		{"0/15 * * * *", "01T00:15:00+0000 01T00:30:00+0000"},
		{"*/20 30 6 * * ?", "01T06:30:00+0000 01T06:30:20+0000"},
		{"@daily", "02T00:00:00+0000"},
		{" @Hourly ", "01T01:00:00+0000"},
		{"@every 90s", "01T00:01:30+0000 01T00:03:00+0000"},
		{"@every 25h", "02T01:00:00+0000 03T02:00:00+0000"},
	} {
		if got := next(t, c.expr, "UTC", "2026-01-01 00:00", strings.Count(c.want, " ")+1); got != c.want {
			t.Errorf("%s: %s, want %s", c.expr, got, c.want)
		}
	}
}

// What is refused, and what the refusal says.
func TestRefused(t *testing.T) {
	for expr, says := range map[string]string{
		"0 0 31 2 *": "never fires", "0 0 30 feb *": "never fires", "0 0 31 4,6,9,11 *": "never fires",
		"* * * *": "five", "": "five", "0 0 * * * * *": "five", "60 * * * *": "59 is the most", "0 24 * * *": "23 is the most",
		"5-1 * * * *": "backwards", "1,,2 * * * *": "between two commas", "*/0 * * * *": "*/0", "*/100 * * * *": "*/100",
		"x * * * *": "minute", "0 0 * * fri-mon": "no range", "0 0 * * 1-9": "no range", "0 0 32 * *": "31 is the most", "0 0 * 13 *": "12 is the most", "0 0 * * 8": "7 is the most",
		"0 0 * * 1#6": "1#6", "@reboot": "no meaning", "@often": "no such name", "@every": "duration", "@every 0s": "at least one",
		"@every 1.5s": "whole", "@every -1h": "at least one", "TZ=UTC 0 0 * * *": "second",
	} {
		_, err := cron.Parse(expr, nil, time.Time{})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want something of %q", expr, err, says)
		}
	}
	for _, zone := range []string{"Mars/Olympus", "local", "Local", "../etc/passwd"} {
		if _, err := cron.Zone(zone); !fault.Is(err, fault.Invalid) {
			t.Errorf("zone %s: %v", zone, err)
		}
	}
}

// An interval keeps its step over clocks that are changed and over years.
func TestInterval(t *testing.T) {
	anchor := time.Date(2026, 1, 1, 0, 0, 0, 500, time.UTC)
	r, err := cron.Every(7*time.Minute, anchor)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Next(anchor.Add(-time.Hour)); !got.Equal(anchor.Truncate(time.Second)) {
		t.Errorf("before it begins: %v", got)
	}
	far := anchor.AddDate(500, 0, 0)
	got := r.Next(far)
	if d := got.Unix() - anchor.Unix(); d%(7*60) != 0 || !got.After(far) || got.Sub(far) > 7*time.Minute {
		t.Errorf("after 500 years: %v", got)
	}
	if got := r.Latest(anchor, anchor.Add(20*time.Minute)); got.Unix() != anchor.Unix()+14*60 {
		t.Errorf("latest %v", got)
	}
}

// field is a random field of an expression, with what it means.
type field struct {
	text string
	fits map[int]bool // nil is all
	star bool
}

func randomField(r *rand.Rand, low, high int) field {
	all := func(from, to, step int) map[int]bool {
		m := map[int]bool{}
		for i := from; i <= to; i += step {
			m[i] = true
		}
		return m
	}
	a := low + r.IntN(high-low+1)
	b := a + r.IntN(high-a+1)
	step := 1 + r.IntN(6)
	switch r.IntN(6) {
	case 0:
		return field{text: "*", star: true}
	case 1:
		return field{text: fmt.Sprintf("*/%d", step), fits: all(low, high, step), star: true}
	case 2:
		return field{text: fmt.Sprintf("%d-%d", a, b), fits: all(a, b, 1)}
	case 3:
		return field{text: fmt.Sprintf("%d-%d/%d", a, b, step), fits: all(a, b, step)}
	case 4:
		return field{text: fmt.Sprintf("%d,%d", a, b), fits: map[int]bool{a: true, b: true}}
	}
	return field{text: strconv.Itoa(a), fits: map[int]bool{a: true}}
}

func (f field) has(n int) bool { return f.fits == nil || f.fits[n] }

// fits reports whether an expression asks for wall time w.
func fits(f [5]field, w time.Time) bool {
	dom, dow := f[2].has(w.Day()), f[4].has(int(w.Weekday()))
	day := dom && dow
	if f[2].fits != nil && f[4].fits != nil {
		day = dom || dow
	}
	return f[0].has(w.Minute()) && f[1].has(w.Hour()) && f[3].has(int(w.Month())) && day
}

// walk looks at each minute of a span and returns when the expression is due, by
// nothing but the definition.
func walk(f [5]field, zone *time.Location, from, to time.Time) (due []time.Time) {
	var shown time.Time // the latest that the clock has shown, as UTC
	for at := from.Add(-72 * time.Hour); !at.After(to); at = at.Add(time.Minute) {
		local := at.In(zone)
		w := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
		is := false
		switch {
		case f[1].star:
			is = fits(f, w)
		case shown.IsZero():
		default:
			for v := shown.Add(time.Minute); !v.After(w); v = v.Add(time.Minute) {
				is = is || fits(f, v)
			}
		}
		if w.After(shown) {
			shown = w
		}
		if is && at.After(from) {
			due = append(due, at)
		}
	}
	return due
}

// zones are those with odd changes, and some without.
var zones = []string{"Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "America/Asuncion",
	"America/Havana", "America/Scoresbysund", "Australia/Lord_Howe", "Australia/Sydney", "Asia/Tehran", "Asia/Beirut", "Asia/Kathmandu",
	"Asia/Gaza", "Africa/Casablanca", "Africa/Cairo", "Antarctica/Troll", "Antarctica/Casey", "Pacific/Apia", "Pacific/Chatham",
	"Pacific/Norfolk", "Atlantic/Azores", "UTC"}

// changes returns the instants at which clocks of a zone are changed in a year.
func changes(zone *time.Location, year int) (all []time.Time) {
	at, end := time.Date(year, 1, 1, 0, 0, 0, 0, zone), time.Date(year+1, 1, 1, 0, 0, 0, 0, zone)
	for {
		_, next := at.ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			return all
		}
		all = append(all, next)
		at = next
	}
}

// TestBruteForce compares Next with a walk over each minute around each change
// of a clock, of many zones in many years, for random expressions.
func TestBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.New(t), 0))
	checked, jumps := 0, 0
	for _, name := range zones {
		zone, err := cron.Zone(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			year := 1975 + r.IntN(65)
			around := append(changes(zone, year), time.Date(year, time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), 0, 0, 0, zone))
			for _, at := range around {
				if at.Second() != 0 {
					continue // before there were whole minutes
				}
				jumps++
				from := at.Add(-time.Duration(r.IntN(36*60)) * time.Minute).Truncate(time.Minute)
				to := from.Add(72 * time.Hour)
				for range 3 {
					f := [5]field{randomField(r, 0, 59), randomField(r, 0, 23), randomField(r, 1, 31), {text: "*", star: true}, randomField(r, 0, 6)}
					if r.IntN(2) == 0 {
						f[2], f[4] = field{text: "*"}, field{text: "*"}
					}
					expr := f[0].text + " " + f[1].text + " " + f[2].text + " " + f[3].text + " " + f[4].text
					compare(t, expr, name, zone, walk(f, zone, from, to), from, to)
					checked++
				}
			}
		}
	}
	t.Logf("%d expressions around %d instants", checked, jumps)
}

func compare(t *testing.T, expr, name string, zone *time.Location, want []time.Time, from, to time.Time) {
	t.Helper()
	rule, err := cron.Parse(expr, zone, from)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var got []time.Time
	for at := rule.Next(from); !at.IsZero() && !at.After(to); at = rule.Next(at) {
		got = append(got, at)
	}
	if !slices.EqualFunc(got, want, time.Time.Equal) {
		i := 0
		for i < len(got) && i < len(want) && got[i].Equal(want[i]) {
			i++
		}
		t.Fatalf("%q in %s from %v: %d times, want %d; they part at %d: %v, want %v", expr, name, from, len(got), len(want), i, got[i:min(i+3, len(got))], want[i:min(i+3, len(want))])
	}
	latest := rule.Latest(from, to)
	if len(want) == 0 && !latest.IsZero() || len(want) > 0 && !latest.Equal(want[len(want)-1]) {
		t.Fatalf("%q in %s: the latest of %v to %v is %v", expr, name, from, to, latest)
	}
}

// Jitter is the same each time, within its bound, and spreads names.
func TestJitter(t *testing.T) {
	const most = 30 * time.Second
	var spread [3]int
	for i := range 3000 {
		name := fmt.Sprint("schedule-", i)
		d := cron.Jitter(name, most)
		if d < 0 || d >= most || d != cron.Jitter(name, most) {
			t.Fatalf("%s: %v", name, d)
		}
		spread[d*3/most]++
	}
	for _, n := range spread {
		if n < 800 {
			t.Errorf("thirds have %v", spread)
		}
	}
	if cron.Jitter("x", 0) != 0 {
		t.Error("none is asked for")
	}
}

// FuzzParse checks that whatever is parsed has times in order.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0 0 29 2 *", "*/5 1-3 L * 5#2", "@every 90s", "1 2 15W 3 6L", "0 0 LW * *", "@daily"} {
		f.Add(s)
	}
	zone, err := cron.Zone("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at := time.Date(2026, 3, 28, 0, 0, 0, 0, zone)
		r, err := cron.Parse(s, zone, at)
		if err != nil {
			return
		}
		for range 5 {
			n := r.Next(at)
			if n.IsZero() {
				return
			}
			if !n.After(at) {
				t.Fatalf("%q: after %v comes %v", s, at, n)
			}
			at = n
		}
	})
}
