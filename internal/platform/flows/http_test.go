package flows_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/embedded"
	"github.com/situ-dev/situ/flow/graph"
	"github.com/situ-dev/situ/internal/ingress"
)

// served is a platform behind its HTTP API.
func served(t *testing.T) (base string) {
	t.Helper()
	p, err := embedded.Open(t.TempDir(), embedded.Options{Shards: 2}, program()...)
	if err != nil {
		t.Fatal(err)
	}
	n := p.Node()
	s := httptest.NewServer(ingress.New(ingress.Platform{Engine: n, Objects: n, DeadLetters: n}, ingress.Config{}))
	t.Cleanup(func() {
		s.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// send makes a request; headers are "Name: value".
func send(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it was read to its end
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// A flow is submitted over HTTP as it is, waits like any call or does not, and can be
// asked for.
func TestHTTP(t *testing.T) {
	base := served(t)
	post := func(body string, headers ...string) (*http.Response, string) {
		return send(t, "POST", base+"/v1/flows", body, headers...)
	}
	twiceAll := `{"flow":{"name":"all","do":{"map":{"$ref":"#/input"},"do":{"call":"twice","input":{"$ref":"#/item"}}}},"input":[1,2,3]}`
	resp, text := post(twiceAll)
	if resp.StatusCode != 200 || text != "[2,4,6]" || resp.Header.Get("Situ-Flow") == "" {
		t.Errorf("%s %s %v", resp.Status, text, resp.Header)
	}
	resp, text = send(t, "GET", base+"/v1/flows/"+resp.Header.Get("Situ-Flow"), "")
	if resp.StatusCode != 200 || !strings.Contains(text, `"name":"all","status":"done"`) {
		t.Errorf("%s %s", resp.Status, text)
	}

	// With a key it has its effect once; without waiting, too.
	add := `{"flow":{"do":{"call":"tally/h.add","input":{"by":1}}}}`
	first, _ := post(add, "Idempotency-Key: one", "Prefer: respond-async")
	if first.StatusCode != 202 || !strings.HasPrefix(first.Header.Get("Location"), "/v1/invocations/") {
		t.Errorf("%s %v", first.Status, first.Header)
	}
	_, text = send(t, "GET", base+first.Header.Get("Location")+"?wait=10s", "")
	if !strings.Contains(text, `"result":{"total":1}`) {
		t.Error(text)
	}
	again, text := post(add, "Idempotency-Key: one")
	if again.StatusCode != 200 || text != `{"total":1}` || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Situ-Flow") != first.Header.Get("Situ-Flow") {
		t.Errorf("%s %s %v", again.Status, text, again.Header)
	}
	for range 2 { // the same connection, the same head: other flows all the same
		if _, text = post(add, "Content-Type: application/json"); text == `{"total":1}` {
			t.Errorf("a flow was taken for another: %s", text)
		}
	}

	// What is wrong is told before anything is written, with its place.
	for body, want := range map[string]string{
		`{"flow":{"do":{"call":"nobody"}}}`:                         `{"pointer":"#/flow/do/call","detail":"there is no function \"nobody\"`,
		`{"flow":{"do":{"call":"tally/h.ad"}}}`:                     `did you mean \"add\"?`,
		`{"flow":{"do":{"call":"tally/h.add","input":{"by":"1"}}}}`: `{"pointer":"#/flow/do/input/by","detail":"is the string \"1\"; want a whole number"}`,
		`{"flow":{"do":{"name":"a","value":{"$ref":"#/steps/a"}}}}`: "in a circle",
		`{"flow":{"do":{"value":{"$ref":"#/steps/b"}}}}`:            `there is no step \"b\"`,
		`{"flow":{"do":{"call":"twice","input":1,"retry":0}}}`:      "not between 1",
		`{"flow":7}`:                   "want a flow, an object",
		`{"floww":{"do":{"value":1}}}`: `did you mean \"flow\"?`,
		`{"flow":{"do":{"value":1}}`:   "not well-formed JSON",
		`{"flow":{"do":{"call":"tally/h.add","input":{"by":1,"x":2}}}}`: `#/flow/do/input/x`,
	} {
		resp, text := post(body)
		if resp.StatusCode != 422 && resp.StatusCode != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %s %s", body, resp.Status, text)
		}
		resp, text = send(t, "POST", base+"/v1/objects/situ.flow/x/run", body)
		if resp.StatusCode != 422 && resp.StatusCode != 400 || !strings.Contains(text, want) {
			t.Errorf("as an object: %s: %s %s", body, resp.Status, text)
		}
	}
	for _, inner := range []string{"answered", "woken", "go-on", "expire"} {
		resp, text = send(t, "POST", base+"/v1/objects/situ.flow/x/"+inner, `{"run":1}`)
		if resp.StatusCode != 404 || !strings.Contains(text, "for the program itself") {
			t.Errorf("%s from outside: %s %s", inner, resp.Status, text)
		}
	}
	resp, _ = send(t, "GET", base+"/v1/flows/x", "")
	if resp.StatusCode != 404 {
		t.Errorf("a flow that there is not: %s", resp.Status)
	}
	resp, text = send(t, "GET", base+"/v1/flows.schema.json", "")
	if !json.Valid([]byte(text)) || resp.StatusCode != 200 {
		t.Errorf("schema: %s", resp.Status)
	}

	// A client in Go carries flows, and policies.
	c := situ.NewClient(base)
	defer c.Close()
	got, err := situ.Do(t.Context(), c, graph.Run[[]int]("go", graph.New("", graph.Map(graph.Ref("#/input"), graph.Function("twice", graph.Ref("#/item")))), []int{5}))
	if err != nil || len(got) != 1 || got[0] != 10 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = situ.Do(t.Context(), c, addTo.To("c", add1(-1)).Retry(situ.Retry{Attempts: 2, Backoff: 1, On: []string{"negative"}}).OnFailure(situ.Untyped[json.RawMessage]("tally/c.note", nil)))
	if situ.CodeOf(err) != "negative" {
		t.Errorf("over HTTP with a policy: %v", err)
	}
	for header, want := range map[string]string{"Situ-Retry: often": "Situ-Retry: policy", "Situ-Priority: urgent": "Situ-Priority: policy", "Situ-On-Failure: nobody": "there is no function"} {
		resp, text := send(t, "POST", base+"/v1/functions/twice", "1", header)
		if resp.StatusCode < 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %s %s", header, resp.Status, text)
		}
	}
}

func add1(n int) add { return add{By: n} }
