package report_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/bench/report"
)

func TestMedian(t *testing.T) {
	runs := []report.Result{{WallMS: 9, Turns: 3, P50MS: 1, Verified: true}, {WallMS: 1, Turns: 1, P50MS: 2, Verified: true}, {WallMS: 5, Turns: 2, P50MS: 3, Verified: true}}
	if m := report.Median(runs); m.WallMS != 5 || m.Turns != 2 || m.P50MS != 2 || !m.Verified || m.Conditions.Repeat != 3 {
		t.Errorf("%+v", m)
	}
	runs[1].Verified = false
	if report.Median(runs).Verified {
		t.Error("one run that is wrong makes all wrong")
	}
}

func TestQuantiles(t *testing.T) {
	var a, b report.Latencies
	for i := 1; i <= 100; i++ {
		a = append(a, time.Duration(i)*time.Millisecond)
	}
	if p50, p99 := report.Quantiles(a[:30], b, a[30:]); p50 != 51 || p99 != 100 {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
	if p50, p99 := report.Quantiles(b); p50 != 0 || p99 != 0 {
		t.Errorf("of nothing: %v, %v", p50, p99)
	}
}

func TestUsage(t *testing.T) {
	cpu, rss := report.Usage(os.Getpid())
	if rss < 1<<20 || rss > 1<<36 {
		t.Errorf("this process has %d bytes", rss)
	}
	for begin := time.Now(); time.Since(begin) < 10*time.Second; {
		if later, _ := report.Usage(os.Getpid()); later > cpu {
			return
		}
	}
	t.Errorf("ten seconds of work took %v", cpu)
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := report.NewProgress(&b)
	p.Show("load", 0, 10)
	p.Show("load", 5, 10) // too soon
	p.Show("load", 10, 10)
	p.Clear()
	if s := b.String(); strings.Contains(s, "5/10") || !strings.Contains(s, "0/10") || !strings.Contains(s, "10/10") {
		t.Errorf("%q", s)
	}
	var none *report.Progress
	none.Show("load", 1, 2)
	none.Clear()
}

func TestFigures(t *testing.T) {
	run := func(value, floor float64, more ...string) (r report.Result) {
		r.AddOver("calls", value, "calls/s", floor, "nothing")
		for _, name := range more {
			r.Add(name, value, "ms")
		}
		return r
	}
	// The ratio is the median of the ratios: 0.5, 0.25, 0.1.
	m := report.Median([]report.Result{run(1, 2, "once"), run(2, 8), run(1, 10)})
	if f := m.Figure("calls"); len(m.Figures) != 1 || f.Value != 1 || f.Floor != 8 || f.Ratio != 0.25 || f.Unit != "calls/s" || f.FloorOf != "nothing" {
		t.Errorf("%+v", m.Figures)
	}
	m = report.Median([]report.Result{run(1, 2), run(3, 4)})
	if f := m.Figure("calls"); f.Value != 2 || f.Ratio != 0.625 {
		t.Errorf("of two: %+v", m.Figures)
	}
	if f := m.Figure("none"); f != (report.Figure{}) {
		t.Errorf("%+v", f)
	}
}

// A bar is met on its side of the bound only, and never by what was not
// measured.
func TestBars(t *testing.T) {
	for _, c := range []struct {
		bar  report.Bar
		want bool
	}{
		{report.AtMost("x", 2, 2), true}, {report.AtMost("x", 2.1, 2), false}, {report.AtMost("x", 0, 2), false},
		{report.AtMost("x", math.NaN(), 2), false}, {report.AtMost("x", math.Inf(1), 2), false},
		{report.AtLeast("x", 2, 2), true}, {report.AtLeast("x", 1.9, 2), false}, {report.AtLeast("x", math.NaN(), 2), false},
	} {
		if c.bar.Met != c.want {
			t.Errorf("%+v", c.bar)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.01234: "0.0123", 1.5: "1.50", 12.345: "12.3", 123.4: "123", 12345678: "12,345,678", -1234: "-1,234", math.Inf(1): "unknown"} {
		if got := report.Number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// What WriteJSON writes, Read reads, and the tables show: a result that is not
// verified meets no bar.
func TestMarkdown(t *testing.T) {
	dir := t.TempDir()
	r := report.Result{Workload: "try", Mode: "embedded", Verified: true, WallMS: 12.3, P50MS: 1, P99MS: 2,
		Conditions: report.Conditions{Disk: "ext4", Size: map[string]int{"things": 3}}, Notes: []string{"a note"}}
	r.AddOver("speed", 10, "m/s", 20, "light")
	r.Bars = []report.Bar{report.AtLeast("speed / light", 0.5, 0.4), report.AtMost("slowness", 3, 2)}
	bad := r
	bad.Verified, bad.Mode = false, "worker"
	var b bytes.Buffer
	if err := errors.Join(r.WriteJSON(&b), bad.WriteJSON(&b), os.WriteFile(filepath.Join(dir, "1.json"), b.Bytes(), 0o666)); err != nil {
		t.Fatal(err)
	}
	all, err := report.Read(dir)
	if err != nil || len(all) != 2 || !reflect.DeepEqual(all[0], r) {
		t.Fatalf("%+v, %v", all, err)
	}
	b.Reset()
	if err := report.WriteMarkdown(&b, all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| try | embedded | ext4 | speed / light | 0.500 | at least 0.400 | met |\n",
		"| try | worker | ext4 | speed / light | 0.500 | at least 0.400 | **not met** |\n",
		"| try | embedded | ext4 | slowness | 3.00 | at most 2.00 | **not met** |\n",
		"| worker | ext4 | 3 things | 12.3 ms |", " | **NO** |\n",
		"| embedded | ext4 | 3 things | speed | 10.0 m/s | 20.0 m/s (light) | 0.500 |\n",
		"- embedded, ext4: a note\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, b.String())
		}
	}
}

// Into writes what is between the marks anew, and nothing else, as often as it
// is called.
func TestInto(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.md")
	const doc = "# A\n<!-- situ bench summary of calls work: begin -->\nold\n<!-- situ bench summary: end -->\nB\n" +
		"<!-- situ bench table: begin -->\nold\n<!-- situ bench table: end -->\nC\n"
	if err := os.WriteFile(path, []byte(doc), 0o666); err != nil {
		t.Fatal(err)
	}
	calls := report.Result{Workload: "calls", Mode: "embedded", Verified: true, WallMS: 2000, Turns: 3000, CallsPerS: 1500, P50MS: 0.5, Ratio: 9,
		Conditions: report.Conditions{Disk: "ext4", Revision: "r17", Repeat: 3, Size: map[string]int{"callers": 3}}}
	work, other, bad := calls, calls, calls
	work.Workload, work.Turns = "work", 30_000
	other.Workload = "other"
	bad.Verified, bad.Mode = false, "worker"
	for range 2 {
		if err := report.Into(path, []report.Result{calls, work, other, bad}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = "# A\n<!-- situ bench summary of calls work: begin -->\n\n| workload | size | mode | disk | result |\n|---|---|---|---|---|\n" +
		"| calls | 3 callers | embedded | ext4 | 1,500 calls/s, p50 0.500 ms |\n" +
		"| work | 3 callers | embedded | ext4 | 2,000 ms, 9.00 times its floor |\n"
	text := string(b)
	if !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "\n<!-- situ bench table: end -->\nC\n") {
		t.Errorf("got\n%s", text)
	}
	for part, n := range map[string]int{"old": 0, "## Bars": 1, "## other": 1, "revision r17": 1 + 3, "\nB\n": 1} {
		if got := strings.Count(text, part); got != n {
			t.Errorf("%q is %d times in\n%s", part, got, text)
		}
	}
	if err := os.WriteFile(path, []byte("nothing"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := report.Into(path, []report.Result{calls}); err == nil {
		t.Error("a document without marks")
	}
}
