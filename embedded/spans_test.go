package embedded_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
)

// TestSpans has the spans of a chain come to a collector, at the latest when the
// platform is closed, and none unless that is asked for.
func TestSpans(t *testing.T) {
	var requests atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/traces" {
			requests.Add(1)
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	hello := situ.NewFunc[string, string]("hello")
	for _, spans := range []bool{false, true} {
		requests.Store(0)
		p, err := embedded.Open(t.TempDir(), embedded.Options{Spans: spans}, situ.Function(hello, func(_ *situ.Turn, s string) (string, error) { return s, nil }))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := situ.Do(t.Context(), p, hello.With("x").Idempotent("k")); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if got := requests.Load() > 0; got != spans {
			t.Errorf("asked for %v: %d requests", spans, requests.Load())
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if p, err := embedded.Open(t.TempDir(), embedded.Options{Spans: true}); err == nil {
		_ = p.Close()
		t.Error("a protocol that there is not is taken")
	}
}
