package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMain makes this test binary the worker of its own benchmarks.
func TestMain(m *testing.M) {
	beWorker()
	os.Exit(m.Run())
}

// The fields of the JSON object are what machines rely on.
var benchFields = []string{"bytes_written_per_turn", "calls_per_s", "conditions", "cpu_s", "durable", "floor_wall_ms", "fsync_p50_ms",
	"mode", "p50_ms", "p99_ms", "rss_mb", "turns", "turns_per_s", "verified", "wall_ms", "workload"}

func TestBench(t *testing.T) {
	for _, args := range []string{
		"airline --flights 10 --passengers 12 --repeat 2",
		"airline --flights 3 --passengers 5 --mode worker",
		"counter --objects 50 --callers 8 --calls 500",
		"counter --objects 50 --callers 8 --calls 500 --mode worker",
		"hot --callers 4 --seconds 0.05",
	} {
		t.Run(args, func(t *testing.T) {
			out, code := benchOutput(t, append(strings.Fields(args), "--json", "--dir", t.TempDir())...)
			var got map[string]any
			if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
				t.Fatalf("code %d, %v:\n%s", code, err, out)
			}
			if fields := slices.Sorted(maps.Keys(got)); !slices.Equal(fields, benchFields) {
				t.Errorf("fields %q", fields)
			}
			for _, field := range []string{"wall_ms", "floor_wall_ms", "turns", "turns_per_s", "bytes_written_per_turn", "rss_mb", "fsync_p50_ms"} {
				if n, _ := got[field].(float64); n <= 0 {
					t.Errorf("%s is %v", field, got[field])
				}
			}
			if got["verified"] != true || got["durable"] != true {
				t.Errorf("%s", out)
			}
		})
	}
}

func TestBenchTable(t *testing.T) {
	dir := t.TempDir()
	profile := t.TempDir() + "/cpu"
	out, code := benchOutput(t, "counter", "--objects", "3", "--callers", "2", "--calls", "50", "--dir", dir, "--cpuprofile", profile, "--memprofile", profile+".mem")
	if code != 0 || !strings.Contains(out, "verified") || !strings.Contains(out, "times the floor of") {
		t.Errorf("code %d:\n%s", code, out)
	}
	for _, name := range []string{profile, profile + ".mem"} {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("the profile %s: %v", name, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the bench left %v, %v", left, err)
	}
}

func TestBenchUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"airline --flights 0", "at least one flight"},
		{"airline --passengers 1000", "1000 passengers do not fit"},
		{"counter --callers 0", "there is nothing to do"},
		{"hot --repeat 0", "run it once at least"},
		{"hot --mode fast --calls 1", `no mode "fast": the modes are embedded, worker`},
	} {
		out, code := benchOutput(t, append(strings.Fields(c.args), "--dir", t.TempDir())...)
		if code == 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: code %d, %s", c.args, code, out)
		}
	}
}

// benchOutput runs situ bench and returns what it printed.
func benchOutput(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var b bytes.Buffer
	c := &console{in: strings.NewReader(""), out: &b, err: &b, env: func(string) string { return "" }}
	code := run(t.Context(), c, append([]string{"bench"}, args...))
	return b.String(), code
}
