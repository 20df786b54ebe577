package situ_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/internal/ingress"
)

// TestClient checks that a call over HTTP answers what the same call answers
// inside the platform's process, errors included.
func TestClient(t *testing.T) {
	typ := situ.NewType("till")
	take := situ.NewMethod[int, int](typ, "take")
	type state struct{ N int }
	p, err := embedded.Open(t.TempDir(), embedded.Options{}, situ.Object(typ,
		situ.On(take, func(s *state, _ *situ.Turn, n int) (int, error) {
			if s.N += n; s.N > 10 {
				return 0, situ.Errorf("full", "no room for %d", n)
			}
			return s.N, nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	srv := httptest.NewServer(ingress.New(ingress.Platform{Engine: p.Node(), Objects: p.Node(), DeadLetters: p.Node(), Monitor: p.Node()}, ingress.Config{}))
	defer srv.Close()
	client := situ.NewClient(srv.URL)
	defer client.Close()
	for i, caller := range []situ.Caller{p, client} {
		if n, err := situ.Do(context.Background(), caller, take.To("a", 4)); n != 4*(i+1) || err != nil {
			t.Errorf("caller %d: %d, %v", i, n, err)
		}
		_, err := situ.Do(context.Background(), caller, take.To("a", 9))
		e, ok := errors.AsType[*situ.Error](err)
		if !ok || *e != (situ.Error{Code: "full", Kind: "failed", Message: "no room for 9"}) {
			t.Errorf("caller %d: %#v", i, err)
		}
	}
}
