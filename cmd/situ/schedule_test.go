package main

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/ingress"
)

// TestSchedule puts, looks at, steers and forgets a schedule of a platform that
// runs.
func TestSchedule(t *testing.T) {
	typ := situ.NewType("report")
	build := situ.NewMethod[struct{ Days int }, int](typ, "build")
	p, err := embedded.Open(t.TempDir(), embedded.Options{Shards: 1}, situ.Object(typ,
		situ.On(build, func(_ *struct{}, _ *situ.Turn, in struct{ Days int }) (int, error) { return in.Days, nil })))
	if err != nil {
		t.Fatal(err)
	}
	n := p.Node()
	server := httptest.NewServer(ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n, Monitor: n}, ingress.Config{Local: true}))
	defer func() {
		server.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, step := range []struct {
		args string
		want []string
	}{
		{`schedule put nightly report/sales build {"Days":7} --cron @daily --zone Europe/Berlin`, []string{"status   active", "@daily in Europe/Berlin", "report/sales.build", "NEXT", "00:00:00 +0"}},
		{"schedule ls", []string{"NAME", "nightly", "active", "report/sales.build"}},
		{"schedule ls none", []string{"NAME"}},
		{"schedule pause nightly", []string{"paused nightly"}},
		{"schedule get nightly", []string{"status   paused", `{"Days":7}`}},
		{"schedule resume nightly", []string{"resumed nightly"}},
		{"schedule run nightly", []string{"begun nightly"}},
		{"schedule get nightly --json", []string{`"begun":1`, `"status":"active"`}},
		{"schedule rm nightly", []string{"removed nightly"}},
	} {
		var out, errs bytes.Buffer
		c := &console{in: strings.NewReader(""), out: &out, err: &errs, env: func(string) string { return "" }, server: ""}
		if code := run(t.Context(), c, append(strings.Fields(step.args), "--server", server.URL)); code != 0 {
			t.Fatalf("%s: exit code %d: %s", step.args, code, errs.String())
		}
		for _, want := range step.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", step.args, want, out.String())
			}
		}
	}
	var out, errs bytes.Buffer
	c := &console{out: &out, err: &errs, env: func(string) string { return "" }}
	if code := run(t.Context(), c, []string{"schedule", "get", "nightly", "--server", server.URL}); code == 0 || !strings.Contains(errs.String(), "no such schedule") {
		t.Errorf("after rm: exit code %d, %s", code, errs.String())
	}
}
