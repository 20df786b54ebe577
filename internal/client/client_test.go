package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/client"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/ingress"
	"github.com/situ-dev/situ/internal/ingress/ingresstest"
	"github.com/situ-dev/situ/internal/wire"
)

func start(t *testing.T) (*client.Client, *ingresstest.Platform) {
	t.Helper()
	p := ingresstest.New()
	now := func() time.Time { return time.Unix(0, int64(ingresstest.Epoch)) }
	s := httptest.NewServer(ingress.New(ingress.Platform{Engine: p, Objects: p, DeadLetters: p, Monitor: p}, ingress.Config{Now: now}))
	c := client.New(s.URL + "/")
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, p
}

func json(s string) wire.Payload { return wire.Payload{Format: wire.JSON, Data: []byte(s)} }

func TestCall(t *testing.T) {
	c, p := start(t)
	ctx := context.Background()
	to := wire.Address{Type: "counter", Key: "a/b ü?#%2F", Method: "add"}
	res, err := c.Call(ctx, to, json(`{"by":2}`), client.Options{Key: "k 1"})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("a malformed key: %+v, %v", res, err)
	}
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	res, err = c.Call(ctx, to, json(`{"by":2}`), client.Options{Key: "k1", Trace: trace})
	if err != nil || !res.Done || string(res.Body.Data) != "2" || res.Body.Format != wire.JSON || res.ID != "key-k1" || res.Again {
		t.Fatalf("%+v, %v", res, err)
	}
	if p.Last.To != to || p.Last.Trace != trace {
		t.Errorf("the platform got %+v", p.Last)
	}
	if res, err = c.Call(ctx, to, json(`{"by":2}`), client.Options{Key: "k1"}); err != nil || !res.Again {
		t.Errorf("again: %+v, %v", res, err)
	}
	res, err = c.Call(ctx, to, wire.Payload{Format: wire.CBOR, Data: []byte{0xa1, 0x62, 'b', 'y', 3}}, client.Options{})
	if err != nil || res.Body.Format != wire.CBOR || string(res.Body.Data) != "\x05" {
		t.Errorf("CBOR: %+v, %v", res, err)
	}
	to.Method = "reset"
	if res, err = c.Call(ctx, to, wire.Payload{}, client.Options{}); err != nil || res.Body.Format != wire.None || !res.Done {
		t.Errorf("nothing: %+v, %v", res, err)
	}
	for _, key := range []string{".", "..", "a/../b", "%", "+"} {
		to := wire.Address{Type: "counter", Key: key, Method: "value"}
		if _, err := c.Call(ctx, to, wire.Payload{}, client.Options{}); err != nil || p.Last.To != to {
			t.Errorf("the key %q arrived as %q, %v", key, p.Last.To.Key, err)
		}
	}
}

func TestAsync(t *testing.T) {
	c, p := start(t)
	ctx := context.Background()
	to := wire.Address{Method: "echo"}
	res, err := c.Call(ctx, to, json(`7`), client.Options{Async: true})
	if err != nil || res.Done || res.ID != "i1" {
		t.Fatalf("%+v, %v", res, err)
	}
	inv, err := c.Invocation(ctx, res.ID, time.Second)
	if err != nil || inv.Status != api.Done || string(inv.Result) != "7" {
		t.Errorf("%+v, %v", inv, err)
	}
	if res, err = c.Call(ctx, to, json(`7`), client.Options{After: time.Hour}); err != nil || res.Done || p.Last.Due != ingresstest.Epoch+3600e9 {
		t.Errorf("after: %+v, %v, due %d", res, err, p.Last.Due)
	}
	at := time.Unix(0, int64(ingresstest.Epoch)+12345)
	if res, err = c.Call(ctx, to, json(`7`), client.Options{At: at}); err != nil || res.Done || p.Last.Due != ingresstest.Epoch+12345 {
		t.Errorf("at: %+v, %v, due %d", res, err, p.Last.Due)
	}
}

func TestErrors(t *testing.T) {
	c, p := start(t)
	ctx := context.Background()
	_, err := c.Call(ctx, wire.Address{Type: "counter", Key: "a", Method: "fail"}, json(`{"code":"full"}`), client.Options{})
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != fault.Failed || e.Code != "full" || err.Error() != "counter/a.fail: it was asked to" {
		t.Errorf("%v, %+v", err, e)
	}
	_, err = c.Call(ctx, wire.Address{Type: "counter", Key: "a", Method: "add"}, json(`{}`), client.Options{})
	if p, ok := errors.AsType[*client.Error](err); !ok || len(p.Problem.Errors) != 1 || p.Problem.Errors[0].Pointer != "#/by" {
		t.Errorf("%v", err)
	}
	for k := fault.Internal; k <= fault.Locked; k++ {
		p.Refuse = &fault.Error{Kind: k, Msg: "no", Retry: 3 * time.Second}
		_, err := c.Call(ctx, wire.Address{Method: "echo"}, json(`1`), client.Options{})
		if e, _ := errors.AsType[*fault.Error](err); e == nil || e.Kind != k {
			t.Errorf("the kind %s came as %v", k, err)
		} else if k.Retryable() && k != fault.Timeout && e.Retry != 3*time.Second {
			t.Errorf("%s: retry after %v", k, e.Retry)
		}
	}
}

// What is no problem document is understood by its status.
func TestForeignAnswers(t *testing.T) {
	status, body := 0, ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	defer s.Close()
	c := client.New(s.URL)
	for code, kind := range map[int]fault.Kind{404: fault.NotFound, 401: fault.Invalid, 413: fault.TooLarge, 429: fault.Busy, 502: fault.Unavailable, 504: fault.Timeout, 500: fault.Internal} {
		status, body = code, "<html>"
		if _, err := c.Status(context.Background()); !fault.Is(err, kind) {
			t.Errorf("%d came as %v", code, err)
		}
	}
	status = 200
	if _, err := c.Status(context.Background()); !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("an answer that is not JSON: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	c := client.New(s.URL)
	s.Close()
	if _, err := c.Status(context.Background()); !fault.Is(err, fault.Unavailable) || !errors.Is(err, client.ErrNoServer) {
		t.Errorf("no server: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Status(ctx); !fault.Is(err, fault.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := client.New("http://[bad").Status(context.Background()); !fault.Is(err, fault.Invalid) {
		t.Errorf("no address: %v", err)
	}
	if _, err := client.New(strings.TrimPrefix(s.URL, "http://") + "/").Status(context.Background()); err == nil || !strings.Contains(err.Error(), "no situ at "+s.URL) {
		t.Errorf("an address without http://: %v", err)
	}
}

// All that can be looked at arrives.
func TestLook(t *testing.T) {
	c, _ := start(t)
	ctx := context.Background()
	id := wire.ObjectID{Type: "counter", Key: "c/d e"}
	if o, err := c.Object(ctx, id); err != nil || string(o.State) != `{"hits":3}` || o.Key != id.Key {
		t.Errorf("object: %+v, %v", o, err)
	}
	if l, err := c.List(ctx, "counter", "c/", "", 5); err != nil || len(l.Objects) != 1 {
		t.Errorf("list: %+v, %v", l, err)
	}
	if err := c.Delete(ctx, id); err != nil {
		t.Error(err)
	}
	if err := c.Delete(ctx, id); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if v, err := c.Types(ctx, false); err != nil || len(v.Types) != 1 {
		t.Errorf("types: %+v, %v", v, err)
	}
	if v, err := c.Functions(ctx, false); err != nil || len(v.Functions) != 1 {
		t.Errorf("functions: %+v, %v", v, err)
	}
	if v, err := c.Describe(ctx, true); err != nil || len(v.Functions) != 2 {
		t.Errorf("manifest: %+v, %v", v, err)
	}
	if v, err := c.Status(ctx); err != nil || len(v.Shards) != 2 {
		t.Errorf("status: %+v, %v", v, err)
	}
	if v, err := c.Dead(ctx, "counter", "", 0); err != nil || len(v.Letters) != 1 {
		t.Errorf("dead: %+v, %v", v, err)
	}
	if v, err := c.DeadLetter(ctx, "3-17"); err != nil || string(v.Input) != `{"by":1}` {
		t.Errorf("letter: %+v, %v", v, err)
	}
	if err := c.RetryDead(ctx, "3-17"); err != nil {
		t.Error(err)
	}
	if err := c.DropDead(ctx, "3-17"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
