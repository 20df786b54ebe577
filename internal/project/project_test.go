package project

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/bundle"
	"github.com/situ-dev/situ/internal/fault"
)

// dirOf makes a directory named bank with these files.
func dirOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "My Bank")
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const full = `
name: bank
kind: go
source: cmd/bank
ignore: ["*.tmp"]
functions:
  report: {timeout: 30s, concurrency: 4, rate: 600/min, retries: 0, max-age: 2d, on-failure: alarm}
types:
  account: {rate: 1000/s, max-state: 1MiB, max-mailbox: 50}
limits: {memory: 256MiB, cpu: 0.5, files: 128, processes: 32, timeout: 1m, workers: 4, min-workers: 1, idle: 5m}
env: {LEVEL: info, PORT: 8080}
secrets: {DB: db-password}
schedules:
  nightly: {cron: "0 3 * * *", time-zone: Europe/Berlin, function: report, input: {full: true}}
  beat: {every: 30s, object: account/ann, method: beat}
network: deny
`

func TestManifest(t *testing.T) {
	dir := dirOf(t, map[string]string{Name: full, "cmd/bank/main.go": "package main"})
	p, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	none := 0
	want := bundle.Manifest{Format: 1, Name: "bank", Kind: bundle.Go, Command: []string{"bank"},
		Functions: map[string]bundle.Function{"report": {TimeoutMS: 30000, Concurrency: 4, RatePerS: 10, Retries: &none, MaxAgeS: 172800, OnFailure: "alarm"}},
		Types:     map[string]bundle.Type{"account": {RatePerS: 1000, MaxState: 1 << 20, MaxMailbox: 50}},
		Limits:    bundle.Limits{Memory: 256 << 20, CPU: 0.5, Files: 128, Processes: 32, TimeoutMS: 60000, Workers: 4, MinWorkers: 1, IdleMS: 300000},
		Env:       map[string]string{"LEVEL": "info", "PORT": "8080"}, Secrets: map[string]string{"DB": "db-password"},
		Schedules: map[string]bundle.Schedule{"nightly": {Cron: "0 3 * * *", TimeZone: "Europe/Berlin", Function: "report", Input: []byte(`{"full":true}`)},
			"beat": {EveryMS: 30000, Object: "account/ann", Method: "beat"}},
		Network: bundle.NetworkDeny}
	if got := p.Manifest([]string{"bank"}); !reflect.DeepEqual(got, want) {
		t.Errorf("it is\n%+v, want\n%+v", got, want)
	}
}

// A directory without a file is known by what is in it.
func TestGuess(t *testing.T) {
	for _, c := range []struct {
		files   map[string]string
		kind    bundle.Kind
		handler string
	}{
		{map[string]string{"main.go": ""}, bundle.Go, ""},
		{map[string]string{"bootstrap": ""}, bundle.Lambda, ""},
		{map[string]string{Name: "program: out/app.zip"}, bundle.Lambda, ""},
		{map[string]string{Name: "program: out/app"}, bundle.Binary, ""},
		{map[string]string{"index.mjs": ""}, bundle.Node, "index.handler"},
		{map[string]string{"handler.py": ""}, bundle.Python, "handler.handler"},
		{map[string]string{Name: "source: src", "src/index.js": ""}, bundle.Node, "index.handler"},
	} {
		p, err := Load(dirOf(t, c.files))
		if err != nil || p.Kind != c.kind || p.Handler != c.handler || p.Name != "my-bank" {
			t.Errorf("%v: %+v, %v", c.files, p, err)
		}
	}
}

// What is wrong is told with file and line, all of it, before anything is built.
func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"kind: gp":                                                                 "kind: there is no kind \"gp\"; did you mean go?",
		"kid: go":                                                                  "situ.yaml:1: there is no kid; did you mean kind?",
		"kind: go\nlimits: {memory: lots}":                                         "situ.yaml:2: limits.memory: \"lots\" is no size",
		"kind: go\nlimits: {memory: 1MiB}":                                         "no program runs in less than 16MiB",
		"kind: go\nlimits: {timeout: 5}":                                           "is no time",
		"kind: go\nlimits: {timeout: -5s}":                                         "not less than none",
		"kind: go\nlimits: {cpu: -1}":                                              "limits.cpu: it is less than none",
		"kind: go\nlimits: {workers: 1, min-workers: 2}":                           "min-workers: it is 2, and workers is 1",
		"kind: go\nfunctions: {f: {rate: 5}}":                                      "is no rate",
		"kind: go\nname: Bank":                                                     "the name of a deployment",
		"kind: go\nsource: ../other":                                               "not in the project",
		"kind: go\nsource: /tmp":                                                   "not in the project",
		"kind: go\nenv: {SITU_X: y}":                                               "is the platform's",
		"kind: go\nschedules: {s: {function: f}}":                                  "schedules.s: it is to have one of cron and every",
		"kind: go\nschedules: {s: {every: 5s}}":                                    "one of function and object",
		"kind: go\nschedules: {s: {every: 1500ms, function: f}}":                   "whole seconds",
		"kind: go\nschedules: {s: {cron: '61 * * * *', function: f}}":              "61",
		"kind: go\nschedules: {s: {cron: '@daily', time-zone: Mars, function: f}}": "time zone",
		"kind: go\nschedules: {s: {every: 5s, object: a}}":                         "TYPE/KEY",
		"kind: node\nhandler: index":                                               "FILE.EXPORT",
		"kind: node\nhandler: a.b\ntypes: {t: {}}":                                 "has no object types",
		"kind: node\nhandler: a.b\nfunctions: {t: {}}":                             "is one function, named my-bank",
		"kind: python":                                                             "handler: it is not said",
		"name: x":                                                                  "it cannot be seen what this is",
		"kind: go\nenv: {A: x}\nsecrets: {A: y}\nlimits: {cpu: -1}":                "given twice",
	} {
		_, err := Load(dirOf(t, map[string]string{Name: text}))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), Name) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "nothing")); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "situ new nothing") {
		t.Error(err)
	}
}

func TestDiff(t *testing.T) {
	was := bundle.Manifest{Format: 1, Name: "a", Kind: bundle.Go, Command: []string{"a"}, Env: map[string]string{"X": "1", "Y": "<2>"}, Limits: bundle.Limits{Memory: 1 << 40}}
	now := was
	now.Env, now.Limits, now.Command = map[string]string{"X": "1", "Z": "3"}, bundle.Limits{Memory: 2 << 40}, []string{"a", "-v"}
	got, err := Diff(&was, &now)
	want := []Change{{"command[1]", "", `"-v"`}, {"env.Y", `"<2>"`, ""}, {"env.Z", "", `"3"`}, {"limits.memory", "1099511627776", "2199023255552"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Diff(&was, &was); err != nil || len(got) != 0 {
		t.Errorf("the same: %v, %v", got, err)
	}
	if got, err := Diff(nil, &was); err != nil || len(got) != 6 {
		t.Errorf("a new one: %v, %v", got, err)
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]int64{"1GiB": 1 << 30, "1.5 KiB": 1536, "2MB": 2e6, "0": 0, "7B": 7} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || int64(b) != want {
			t.Errorf("%s is %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5", "9e99", "NaN", "1 ZiB"} {
		if (*Bytes)(new(Bytes)).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is a size", text)
		}
	}
	var d Duration
	if err := d.UnmarshalText([]byte("7d")); err != nil || time.Duration(d) != 168*time.Hour {
		t.Error(d, err)
	}
	for _, text := range []string{"0/s", "-1/s", "1/day", "1", "NaN/s", "Inf/s", "/s"} {
		if new(Rate).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is a rate", text)
		}
	}
}
