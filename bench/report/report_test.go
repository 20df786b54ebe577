package report_test

import (
	"bytes"
	"os"
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
