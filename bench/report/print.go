package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteJSON writes r as one JSON object on one line.
func (r *Result) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteTable writes r as a table. What was not measured is not in it.
func (r *Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) } // told by Flush
	c := &r.Conditions
	row("workload", "%s, %s, %s", r.Workload, r.Mode, c.sizes())
	if r.FloorWallMS > 0 {
		row("wall", "%.1f ms: %.1f times the floor of %.1f ms (goroutines and channels, in memory)", r.WallMS, r.Ratio, r.FloorWallMS)
	} else {
		row("wall", "%.1f ms", r.WallMS)
	}
	if r.Turns > 0 {
		row("turns", "%d, %.0f per second", r.Turns, r.TurnsPerS)
		row("written", "%.1f bytes per turn", r.BytesWrittenPerTurn)
	}
	if r.CallsPerS > 0 {
		row("calls", "%.0f per second, p50 %.3f ms, p99 %.3f ms", r.CallsPerS, r.P50MS, r.P99MS)
	}
	for _, f := range r.Figures {
		row(f.Name, "%s", f.text())
	}
	if r.CPUSeconds > 0 {
		row("cpu", "%.2f s, %.2f µs per turn", r.CPUSeconds, r.CPUSeconds*1e6/float64(max(r.Turns, 1)))
	}
	if r.RSSMB > 0 {
		row("memory", "%.0f MB", r.RSSMB)
	}
	row("disk", "%s, fdatasync of 4 KiB p50 %.3f ms", c.Disk, r.FsyncP50MS)
	row("conditions", "%s, %d cores, %s, revision %s, median of %d", c.Go, c.Cores, c.Date.Format(time.DateTime), c.Revision, max(c.Repeat, 1))
	for _, n := range r.Notes {
		row("", "%s", n)
	}
	for _, b := range r.Bars {
		row("bar", "%s", b.text())
	}
	row("verified", "%t", r.Verified)
	return t.Flush()
}

// sizes returns the size of a workload in one line.
func (c *Conditions) sizes() string {
	var sizes []string
	for name, n := range c.Size {
		sizes = append(sizes, fmt.Sprintf("%d %s", n, name))
	}
	slices.Sort(sizes)
	return strings.Join(sizes, ", ")
}

func (f *Figure) text() string {
	s := strings.TrimSpace(Number(f.Value) + " " + f.Unit)
	if f.FloorOf != "" {
		s += fmt.Sprintf(": %s times %s of %s", Number(f.Ratio), Number(f.Floor), f.FloorOf)
	}
	return s
}

func (b *Bar) text() string {
	met := "NOT met"
	if b.Met {
		met = "met"
	}
	return fmt.Sprintf("%s: %s, %s %s: %s", b.Name, Number(b.Measured), b.than(), Number(b.Bound), met)
}

func (b *Bar) than() string {
	if b.Least {
		return "at least"
	}
	return "at most"
}

// Number writes v with three digits that count, and thousands apart.
func Number(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "unknown"
	case a < 100:
		return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(a)))), 64)
	}
	s := strconv.FormatFloat(a, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		return "-" + s
	}
	return s
}
