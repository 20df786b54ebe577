package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ingress/h1"
	"github.com/situ-dev/situ/internal/wire"
)

// instantEngine answers at once, and does nothing.
type instantEngine struct {
	manifest *host.Manifest
	resp     wire.Response
}

func (e *instantEngine) Begin(*wire.Request, func(*wire.Response, error)) (*wire.Response, func(), error) {
	return &e.resp, nil, nil
}
func (e *instantEngine) Invocation(context.Context, wire.InvocationID, time.Duration) (*wire.Invocation, error) {
	return nil, fault.New(fault.NotFound, "", "", "none")
}
func (e *instantEngine) Manifest() *host.Manifest { return e.manifest }

const addInput = `{"type":"object","properties":{"by":{"type":"integer"},"why":{"type":"string"}},"required":["by"],"additionalProperties":false}`

func newInstant() *instantEngine {
	return &instantEngine{resp: wire.Response{Done: true, Body: wire.Payload{Format: wire.JSON, Data: []byte(`{"n":1}`)}},
		manifest: &host.Manifest{Types: []host.TypeManifest{{Name: "counter", Methods: []host.MethodManifest{{Name: "add", In: json.RawMessage(addInput)}}}}}}
}

// Every kind has a title, and nothing else has.
func TestTitles(t *testing.T) {
	for k := fault.Internal; k.String() != fault.Internal.String() || k == fault.Internal; k++ {
		if titles[k] == "" {
			t.Errorf("the kind %s has no title", k)
		}
	}
}

// Problems are written as encoding/json does it, with a line feed.
func TestAppendPlain(t *testing.T) {
	offset := 3
	for _, c := range []struct {
		p     api.Problem
		plain bool
	}{
		{api.Problem{Type: "urn:x", Title: "T", Status: 429}, true},
		{api.Problem{Type: "urn:x", Title: "T", Status: 429, Detail: "a/b.c: it's full", Instance: "/v1/a%20b", Code: "c"}, true},
		{api.Problem{Detail: `say "no"`}, false},
		{api.Problem{Detail: `\`}, false},
		{api.Problem{Code: "a&b"}, false},
		{api.Problem{Instance: "/<"}, false},
		{api.Problem{Title: "é"}, false},
		{api.Problem{Type: "\n"}, false},
		{api.Problem{Offset: &offset}, false},
		{api.Problem{Exists: []string{"x"}}, false},
		{api.Problem{Errors: []api.Misfit{{}}}, false},
	} {
		want, err := json.Marshal(c.p)
		got, plain := appendPlain(nil, &c.p)
		if err != nil || plain != c.plain || plain && string(got) != string(want)+"\n" {
			t.Errorf("%+v: %s, %v; want %s, %v", c.p, got, plain, want, err)
		}
	}
}

func TestTraceparent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for in, want := range map[string]string{
		good:                      good,
		"cc" + good[2:]:           good,
		"cc" + good[2:] + "-more": good,
	} {
		if got := traceOf(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	for _, bad := range []string{"", "ff" + good[2:], good + "-x", good + "x", "cc" + good[2:] + "x", strings.ToUpper(good), good[:54],
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		strings.Replace(good, "-", "_", 1), "0g" + good[2:]} {
		if got := traceOf(bad); got != "" {
			t.Errorf("%q became %q", bad, got)
		}
	}
	a, b := newTrace(), newTrace()
	if a == b || !validTrace(a) || len(a) != traceLen {
		t.Errorf("new traces are %s and %s", a, b)
	}
}

func traceOf(header string) string {
	x := exchange{head: &h1.Head{}}
	x.head.Add("traceparent", header)
	return x.trace()
}

// A new manifest is seen by the next request, an old one is not compiled again.
func TestReload(t *testing.T) {
	e := newInstant()
	h := New(Platform{Engine: e}, Config{})
	first := h.catalogue()
	if h.catalogue() != first {
		t.Error("the same manifest was compiled twice")
	}
	e.manifest = &host.Manifest{}
	if _, err := h.catalogue().method("counter", "add"); err == nil {
		t.Error("a method of the old program is still there")
	}
}

// An input schema that cannot be used does not stop calls.
func TestBrokenSchema(t *testing.T) {
	e := newInstant()
	e.manifest.Types[0].Methods[0].In = json.RawMessage(`{"type":7}`)
	h := New(Platform{Engine: e}, Config{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/objects/counter/a/add", strings.NewReader(`{"x":1}`)))
	if w.Code != 200 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// Bodies of unknown length are bounded too, and a large one within the bound
// arrives whole.
func TestBodies(t *testing.T) {
	e := newInstant()
	e.manifest.Functions = []host.MethodManifest{{Name: "echo"}}
	s := httptest.NewServer(New(Platform{Engine: e}, Config{MaxBody: 200 << 10}))
	defer s.Close()
	for _, c := range []struct {
		size    int
		chunked bool
		want    int
	}{
		{100, false, 200}, {100, true, 200}, {150 << 10, false, 200}, {150 << 10, true, 200},
		{200 << 10, false, 200}, {200 << 10, true, 200}, {200<<10 + 1, false, 413}, {200<<10 + 1, true, 413},
	} {
		body := append(bytes.Repeat([]byte(" "), c.size-1), '1')
		var r io.Reader = bytes.NewReader(body)
		if c.chunked {
			r = struct{ io.Reader }{r}
		}
		resp, err := http.Post(s.URL+"/v1/functions/echo", "application/json", r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%d bytes (chunked: %t): %s %s, want %d", c.size, c.chunked, resp.Status, b, c.want)
		}
	}
}

// A call that takes longer than the door's patience has an unknown outcome.
func TestPatience(t *testing.T) {
	h := New(Platform{Engine: &slowEngine{*newInstant()}}, Config{Patience: time.Millisecond})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/objects/counter/a/add", strings.NewReader(`{"by":1}`)))
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != 504 || !strings.Contains(p.Detail, "may have been carried out") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// slowEngine never answers.
type slowEngine struct{ instantEngine }

func (e *slowEngine) Begin(*wire.Request, func(*wire.Response, error)) (*wire.Response, func(), error) {
	return nil, func() {}, nil
}

func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/objects/counter/a/add", "application/json", "respond-async, wait=1", "90s", []byte(`{"by":1}`))
	f.Add("POST", "/v1/functions/%41", "application/cbor", "wait", "2026-01-02T03:04:05Z", []byte{0xa1})
	f.Add("GET", "/v1/objects/counter?limit=1&prefix=%2F", "", "", "", []byte{})
	h := New(Platform{Engine: newInstant()}, Config{})
	f.Fuzz(func(t *testing.T, method, path, contentType, prefer, delay string, body []byte) {
		r, err := http.NewRequest(method, "http://localhost"+path, bytes.NewReader(body))
		if err != nil || r.Method == "GET" || r.Method == "DELETE" || r.Method == "" || r.Method == "HEAD" || strings.Contains(path, "dead") {
			return // needs a platform
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Prefer", prefer)
		r.Header.Set("Situ-Delay", delay)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == 500 {
			t.Errorf("%s %s: %s", method, path, w.Body)
		}
	})
}

// FuzzRoute gives the router any names: whatever they are, a path that was
// made of them by escaping brings just them to the handler; and any path is
// routed without harm.
func FuzzRoute(f *testing.F) {
	for _, s := range [][3]string{{"flight", "BA 123/x", "cancel"}, {"a", "..", "b"}, {"a", ".", "b"}, {"t", "%2F", "m"}, {"t", "ключ\x00", "m"}, {"t", "a+b&c=d?e#f;g", "m"},
		{"..", "..", ".."}, {"", "", ""}, {"t", "\xff", "m"}} {
		f.Add(s[0], s[1], s[2], "/v1/objects/"+s[0]+"/"+s[1]+"/"+s[2])
	}
	for _, path := range []string{"//v1/objects/a/b/c", "/v1//objects", "/v1/objects/a/%", "/v1/objects/a/%2f%2E%2e/c", "/v1/objects/a/b/c/", "/healthz/", "*", "/v1/objects/a/b/c/d/e/f"} {
		f.Add("t", "k", "m", path)
	}
	route := func(t *testing.T, method, path string) (*exchange, *route, error) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Skip()
		}
		x := &exchange{head: &h1.Head{Method: method, Path: u.EscapedPath()}}
		rt, err := x.route()
		return x, rt, err
	}
	f.Fuzz(func(t *testing.T, typ, key, method, path string) {
		if strings.HasPrefix(path, "/") {
			for _, m := range []string{"GET", "POST", "DELETE", "HEAD", "PUT"} {
				if _, rt, err := route(t, m, path); (rt == nil) == (err == nil) {
					t.Errorf("%s %s is routed to %v, %v", m, path, rt, err)
				}
			}
		}
		x, rt, err := route(t, "POST", "/v1/objects/"+url.PathEscape(typ)+"/"+url.PathEscape(key)+"/"+url.PathEscape(method))
		if err != nil || rt.pattern != "/v1/objects/{type}/{key}/{method}" || x.args[0] != typ || x.args[1] != key || x.args[2] != method {
			t.Errorf("%q %q %q is routed to %v with %q, %v", typ, key, method, rt, x.args, err)
		}
	})
}

// nowhere is a response that goes nowhere.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkCall measures what the door adds to a call.
func BenchmarkCall(b *testing.B) {
	h := New(Platform{Engine: newInstant()}, Config{})
	body := []byte(`{"by":1,"why":"because"}`)
	r, _ := http.NewRequest("POST", "http://localhost/v1/objects/counter/key-000001/add", nil)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "*/*")
	r.ContentLength = int64(len(body))
	w := &nowhere{header: http.Header{}}
	rd := bytes.NewReader(body)
	r.Body = io.NopCloser(rd)
	b.ReportAllocs()
	for b.Loop() {
		rd.Reset(body)
		clear(w.header)
		h.ServeHTTP(w, r)
		if w.status != 200 {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkRoundTrip measures a call over a connection on this machine, both
// ends included.
func BenchmarkRoundTrip(b *testing.B) {
	s := httptest.NewServer(New(Platform{Engine: newInstant()}, Config{}))
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		resp, err := s.Client().Post(s.URL+"/v1/objects/counter/key-000001/add", "application/json", strings.NewReader(`{"by":1}`))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
