package client

import (
	"errors"
	"net/http"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/frugal"
)

// FuzzProblem reads any answer as an error: there is always one, with a kind
// that says whether to try again.
func FuzzProblem(f *testing.F) {
	f.Add(503, "7", []byte(`{"type":"urn:situ:problem:unavailable","title":"t","status":503,"detail":"d","errors":[{"pointer":"#","detail":"x"}]}`))
	f.Add(502, "-9223372036854775808", []byte("<html>bad gateway"))
	f.Add(0, "x", []byte(`{"type":"urn:situ:problem:"}`))
	f.Fuzz(func(t *testing.T, status int, after string, body []byte) {
		resp := &http.Response{StatusCode: status, Status: "status", Header: http.Header{"Retry-After": {after}}}
		var err error
		frugal.Check(t, len(body), func() { err = problem(resp, body, "t/k.m") })
		if err == nil || err.Error() == "" {
			t.Errorf("%d %q is no error", status, body)
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.fault.Retry < 0 || fault.KindOf(err).String() == "" {
			t.Errorf("%d %q %q: %+v", status, after, body, err)
		}
	})
}
