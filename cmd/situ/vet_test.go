package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestVet has situ vet look at code that is wrong, at code that is right, and at
// nothing. The tool that go vet runs is this test.
func TestVet(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // it is run for each package of the standard library
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"vet ../../docs/testdata/late", 1, "late.go:11:44: workflow code uses time.Now; use f.Now()\n"},
		{"vet --json ../../docs/testdata/late", 1, `"message":"workflow code uses time.Now; use f.Now()"`},
		{"vet ../../examples/checkout/...", 0, ""},
		{"vet ./nowhere", 64, "nowhere"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), &console{out: &out, err: &errs, env: func(string) string { return "" }}, strings.Fields(c.args))
		if code != c.code || !strings.Contains(out.String()+errs.String(), c.want) || c.want == "" && out.Len() > 0 {
			t.Errorf("%s: exit code %d\n%s%s", c.args, code, &out, &errs)
		}
	}
}
