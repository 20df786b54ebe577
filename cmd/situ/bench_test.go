package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/situ-dev/situ/bench/command"
	"github.com/situ-dev/situ/bench/suite"
	"github.com/situ-dev/situ/internal/sandbox"
)

// TestMain makes this test binary the other processes of its own benchmarks.
func TestMain(m *testing.M) {
	sandbox.Serve()
	vetTool(os.Args[1:])
	if os.Getenv(command.OnceEnv) != "" {
		main()
	}
	suite.Serve()
	os.Exit(m.Run())
}

// The fields of the JSON object are what machines rely on.
var benchFields = []string{"bars", "bytes_written_per_turn", "calls_per_s", "conditions", "cpu_s", "durable", "figures", "floor_wall_ms",
	"fsync_p50_ms", "mode", "notes", "p50_ms", "p99_ms", "ratio", "rss_mb", "turns", "turns_per_s", "verified", "wall_ms", "workload"}

func TestBench(t *testing.T) {
	whole := []string{"floor_wall_ms", "turns", "turns_per_s", "bytes_written_per_turn", "rss_mb", "ratio"}
	for _, c := range []struct {
		args   string
		fields []string // that are not 0
	}{
		{"airline --flights 10 --passengers 12 --repeat 2", whole},
		{"airline --flights 3 --passengers 5 --mode worker", whole},
		{"airline --flights 3 --passengers 5 --mode deployed", whole},
		{"counter --objects 50 --callers 8 --calls 500", whole},
		{"counter --objects 50 --callers 8 --calls 500 --mode worker", whole},
		{"hot --callers 4 --seconds 0.05", whole},
		{"chain --callers 3 --chains 20 --crowd 10 --mode worker", []string{"turns", "calls_per_s", "p50_ms"}},
		{"workflow --callers 3 --workflows 20 --mode worker", []string{"turns", "calls_per_s", "p50_ms"}},
		{"fan --calls 3000 --mode worker", []string{"turns", "calls_per_s", "p50_ms"}},
		{"payload --sizes 1024,65536 --bytes 200000 --callers 4 --mode worker", []string{"turns", "calls_per_s"}},
		{"http --connections 3 --call-connections 5 --objects 10 --duration 500ms --rounds 1 --mode worker", []string{"calls_per_s", "p50_ms", "rss_mb"}},
		{"memory --residents 2000 --objects 1500 --starts 1 --mode worker", []string{"rss_mb"}},
		{"recover --objects 300 --tail 500000 --callers 3 --starts 1 --mode worker", nil},
		{"recover --objects 30 --tail 2000000 --bytes 100000 --callers 8 --starts 1", nil},
		{"overload --objects 5 --connections 20 --waiting 3 --times 2 --duration 5s --mode worker", []string{"calls_per_s", "rss_mb"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			out, code := benchOutput(t, append(strings.Fields(c.args), "--json", "--dir", t.TempDir())...)
			var got map[string]any
			if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
				t.Fatalf("code %d, %v:\n%s", code, err, out)
			}
			if fields := slices.Sorted(maps.Keys(got)); !slices.Equal(fields, benchFields) {
				t.Errorf("fields %q", fields)
			}
			for _, field := range append(c.fields, "wall_ms", "fsync_p50_ms") {
				if n, _ := got[field].(float64); n <= 0 {
					t.Errorf("%s is %v", field, got[field])
				}
			}
			if got["verified"] != true || got["durable"] != true {
				t.Errorf("%s", out)
			}
			if bars, ok := got["bars"].([]any); !ok || len(bars) > 0 {
				t.Errorf("bars of a toy: %v", got["bars"])
			}
		})
	}
}

func TestBenchTable(t *testing.T) {
	dir := t.TempDir()
	profile := t.TempDir() + "/cpu"
	out, code := benchOutput(t, "counter", "--objects", "3", "--callers", "2", "--calls", "50", "--dir", dir, "--cpuprofile", profile, "--memprofile", profile+".mem", "--blockprofile", profile+".block")
	if code != 0 || !strings.Contains(out, "verified") || !strings.Contains(out, "times the floor of") {
		t.Errorf("code %d:\n%s", code, out)
	}
	for _, name := range []string{profile, profile + ".mem", profile + ".block"} {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("the profile %s: %v", name, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the bench left %v, %v", left, err)
	}
}

// Results in files become tables, with no number that is not in them.
func TestBenchMarkdown(t *testing.T) {
	dir := t.TempDir()
	out, code := benchOutput(t, "counter", "--objects", "3", "--callers", "1", "--calls", "50", "--dir", t.TempDir(), "--json")
	if code != 0 {
		t.Fatal(out)
	}
	if err := os.WriteFile(dir+"/counter.json", []byte(out), 0o666); err != nil {
		t.Fatal(err)
	}
	table, code := benchOutput(t, "table", dir)
	if code != 0 || !strings.Contains(table, "## counter\n") || !strings.Contains(table, "| p50 of one caller in ms") {
		t.Errorf("code %d:\n%s", code, table)
	}
	doc := dir + "/RESULTS.md"
	for _, c := range []struct {
		doc  string
		code int
	}{{"before\n<!-- situ bench table: begin -->\nold\n<!-- situ bench table: end -->\nafter\n", 0}, {"no place\n", 1}} {
		if err := os.WriteFile(doc, []byte(c.doc), 0o666); err != nil {
			t.Fatal(err)
		}
		out, code := benchOutput(t, "table", dir, "--into", doc)
		got, err := os.ReadFile(doc)
		if err != nil || code != 0 != (c.code != 0) {
			t.Fatalf("code %d, %v: %s", code, err, out)
		}
		if code == 0 && (!strings.Contains(string(got), table) || strings.Contains(string(got), "old") || !strings.HasSuffix(string(got), "end -->\nafter\n")) {
			t.Errorf("%s", got)
		}
	}
}

func TestBenchUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"airline --flights 0", "at least one flight"},
		{"airline --passengers 1000", "1000 passengers do not fit"},
		{"counter --callers 0", "there is nothing to do"},
		{"hot --repeat 0", "run it once at least"},
		{"http --rounds 0", "there is nothing to do"},
		{"chain --links 1", "there is nothing to do"},
		{"workflow --steps 0", "there is nothing to do"},
		{"fan --calls 0", "there is nothing to do"},
		{"waiting --chains 3", "want 1000 chains at least"},
		{"payload --callers 0", "there is nothing to do"},
		{"memory --residents 0 --objects 0", "there is nothing to do"},
		{"recover --starts 0", "there is nothing to do"},
		{"overload --objects 1", "there is nothing to do"},
		{"http --cpuprofile x", "there is no profile"},
		{"table", "needs more arguments"},
		{"table .", "there is no result"},
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
