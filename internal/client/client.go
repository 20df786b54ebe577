// Package client speaks the HTTP API of a Situ server, for the command line
// and for typed clients. It moves encoded values and knows no user types, no
// commands and nothing of the server's inside. It never retries by itself.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/wire"
)

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base string
	// HTTP makes the requests. It may be replaced before first use.
	HTTP *http.Client
}

// New returns a client of the server at base, such as http://127.0.0.1:8080.
func New(base string) *Client {
	base = strings.TrimRight(base, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 512, MaxIdleConnsPerHost: 512,
		IdleConnTimeout: 50 * time.Second, DisableCompression: true, ForceAttemptHTTP2: true}
	return &Client{base: base, HTTP: &http.Client{Transport: t}}
}

// Close closes idle connections.
func (c *Client) Close() { c.HTTP.CloseIdleConnections() }

// Options say how a call is made. The zero Options wait for the answer.
type Options struct {
	Key      string        // idempotency key
	Async    bool          // answer as soon as the call is durable
	After    time.Duration // deliver later; such a call is Async
	At       time.Time     // deliver then; such a call is Async
	Within   time.Duration // answer until then at the latest, or with kind "timeout"
	By       time.Time     // the same, as an instant
	Callback string        // URL to which the answer is posted; such a call is Async
	Policy   *wire.Policy  // nil is that of the method
	Trace    string        // W3C traceparent
	Want     wire.Format   // of the answer; None is that of the input
}

// Result is what a call led to.
type Result struct {
	ID    wire.InvocationID // set when the call is recorded
	Done  bool              // false: the answer is to come, ask for the invocation
	Body  wire.Payload      // None if the method answers nothing
	Again bool              // the answer was recorded by an earlier call with the same key
}

// Call calls a method or a function. An error of the handler is of kind
// fault.Failed, or whatever kind it gave it.
func (c *Client) Call(ctx context.Context, to wire.Address, in wire.Payload, o Options) (*Result, error) {
	path := "/v1/functions/" + segment(to.Method)
	if !to.Function() {
		path = "/v1/objects/" + segment(to.Type) + "/" + segment(to.Key) + "/" + segment(to.Method)
	}
	req, err := c.request(ctx, http.MethodPost, path, in.Data)
	if err != nil {
		return nil, err
	}
	o.set(req.Header, in.Format)
	_, res, err := c.result(req, to.String())
	return res, err
}

// RunFlow carries out a flow under a key, which is made if there is none; body
// has the flow and its input. It returns the key.
func (c *Client) RunFlow(ctx context.Context, key string, body []byte, o Options) (string, *Result, error) {
	path := "/v1/flows"
	if key != "" {
		path += "?key=" + url.QueryEscape(key)
	}
	req, err := c.request(ctx, http.MethodPost, path, body)
	if err != nil {
		return "", nil, err
	}
	o.set(req.Header, wire.JSON)
	resp, res, err := c.result(req, "the flow")
	if err != nil {
		return "", nil, err
	}
	return resp.Header.Get(api.HeaderFlow), res, nil
}

// Flow tells how a flow is.
func (c *Client) Flow(ctx context.Context, key string) (*api.Flow, error) {
	return get[api.Flow](ctx, c, "/v1/flows/"+segment(key), nil)
}

// result makes a request and reads what the call led to.
func (c *Client) result(req *http.Request, on string) (*http.Response, *Result, error) {
	resp, body, err := c.do(req, on)
	if err != nil {
		return nil, nil, err
	}
	res := &Result{Done: true, Again: resp.Header.Get(api.HeaderReplayed) != "",
		ID: wire.InvocationID(resp.Header.Get(api.HeaderInvocation))}
	switch {
	case resp.StatusCode == http.StatusAccepted:
		var inv api.Invocation
		if err := decode(body, &inv, on); err != nil {
			return nil, nil, err
		}
		res.ID, res.Done = wire.InvocationID(inv.ID), false
	case resp.StatusCode != http.StatusNoContent:
		res.Body = wire.Payload{Format: wire.JSON, Data: body}
		if strings.HasPrefix(resp.Header.Get("Content-Type"), mediaType[wire.CBOR]) {
			res.Body.Format = wire.CBOR
		}
	}
	return resp, res, nil
}

var mediaType = [...]string{wire.CBOR: "application/cbor", wire.JSON: "application/json"}

// set writes the options as headers.
func (o *Options) set(h http.Header, given wire.Format) {
	if given == wire.None {
		given = wire.JSON
	}
	want := o.Want
	if want == wire.None {
		want = given
	}
	h.Set("Content-Type", mediaType[given])
	h.Set("Accept", mediaType[want])
	if o.Key != "" {
		h.Set(api.HeaderKey, o.Key)
	}
	if o.Async {
		h.Set("Prefer", "respond-async")
	}
	if o.After > 0 {
		h.Set(api.HeaderDelay, o.After.String())
	}
	if !o.At.IsZero() {
		h.Set(api.HeaderDelay, o.At.UTC().Format(time.RFC3339Nano))
	}
	if o.Callback != "" {
		h.Set(api.HeaderCallback, o.Callback)
	}
	if p := o.Policy; p != nil {
		if retry := policy.RetryOf(p); retry != "" {
			h.Set(api.HeaderRetry, retry)
		}
		if p.Priority != wire.Normal {
			h.Set(api.HeaderPriority, p.Priority.String())
		}
		if p.OnFail != (wire.Address{}) {
			h.Set(api.HeaderOnFailure, p.OnFail.String())
		}
	}
	if o.Within != 0 {
		h.Set(api.HeaderWithin, o.Within.String())
	}
	if !o.By.IsZero() {
		h.Set(api.HeaderDeadline, o.By.UTC().Format(time.RFC3339Nano))
	}
	if o.Trace != "" {
		h.Set(api.HeaderTrace, o.Trace)
	}
}

// Invocation returns the record of a call, after waiting up to wait for its
// answer.
func (c *Client) Invocation(ctx context.Context, id wire.InvocationID, wait time.Duration) (*api.Invocation, error) {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	return get[api.Invocation](ctx, c, "/v1/invocations/"+segment(string(id)), q)
}

// Trace returns what is known of the chain of a recorded call: at most limit
// of its calls, 0 is the server's bound.
func (c *Client) Trace(ctx context.Context, id string, limit int) (*api.Trace, error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return get[api.Trace](ctx, c, "/v1/invocations/"+segment(id)+"/trace", q)
}

// UsageQuery says what usage is asked for. Zero fields are the server's
// defaults.
type UsageQuery struct {
	By, Since, Memory, Price string
	Cursor                   string
	Limit                    int
}

// Usage returns what was counted, and what it costs.
func (c *Client) Usage(ctx context.Context, u UsageQuery) (*api.Usage, error) {
	q := url.Values{}
	for name, v := range map[string]string{"by": u.By, "since": u.Since, "memory": u.Memory, "price": u.Price, "cursor": u.Cursor} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if u.Limit > 0 {
		q.Set("limit", strconv.Itoa(u.Limit))
	}
	return get[api.Usage](ctx, c, "/v1/usage", q)
}

// Object returns the committed state of an object.
func (c *Client) Object(ctx context.Context, id wire.ObjectID) (*api.Object, error) {
	return get[api.Object](ctx, c, objectPath(id), nil)
}

// Delete deletes the state of an object.
func (c *Client) Delete(ctx context.Context, id wire.ObjectID) error {
	return c.send(ctx, http.MethodDelete, objectPath(id))
}

func objectPath(id wire.ObjectID) string {
	return "/v1/objects/" + segment(id.Type) + "/" + segment(id.Key)
}

// List returns a page of the objects of a type.
func (c *Client) List(ctx context.Context, typ, prefix, cursor string, limit int) (*api.Objects, error) {
	return get[api.Objects](ctx, c, "/v1/objects/"+segment(typ), page("prefix", prefix, cursor, limit))
}

func page(name, value, cursor string, limit int) url.Values {
	q := url.Values{}
	for k, v := range map[string]string{name: value, "cursor": cursor} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q
}

// Types lists the object types of the loaded program; with all, those of the
// platform, too.
func (c *Client) Types(ctx context.Context, all bool) (*api.Types, error) {
	return get[api.Types](ctx, c, "/v1/objects", withAll(all))
}

// Functions lists the functions of the loaded program; with all, those of the
// platform, too.
func (c *Client) Functions(ctx context.Context, all bool) (*api.Functions, error) {
	return get[api.Functions](ctx, c, "/v1/functions", withAll(all))
}

// Describe returns what the loaded program announces; with all, what the
// platform has, too.
func (c *Client) Describe(ctx context.Context, all bool) (*host.Manifest, error) {
	return get[host.Manifest](ctx, c, "/v1/describe", withAll(all))
}

func withAll(all bool) url.Values {
	if all {
		return url.Values{"all": {"true"}}
	}
	return nil
}

// Status returns how the node is doing.
func (c *Client) Status(ctx context.Context) (*api.Status, error) {
	return get[api.Status](ctx, c, "/v1/status", nil)
}

// DeadLetter returns one dead letter.
func (c *Client) DeadLetter(ctx context.Context, id string) (*api.DeadLetter, error) {
	return get[api.DeadLetter](ctx, c, "/v1/dead/"+segment(id), nil)
}

// RetryDead delivers a dead letter again.
func (c *Client) RetryDead(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodPost, "/v1/dead/"+segment(id)+"/retry")
}

// DropDead forgets a dead letter.
func (c *Client) DropDead(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodDelete, "/v1/dead/"+segment(id))
}

// segment escapes a segment of a path. Dots alone are escaped too: a path is
// often cleaned on its way.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

func (c *Client) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, r)
	if err != nil {
		return nil, c.badAddress(err)
	}
	return req, nil
}

func (c *Client) send(ctx context.Context, method, path string) error {
	req, err := c.request(ctx, method, path, nil)
	if err != nil {
		return err
	}
	_, _, err = c.do(req, "")
	return err
}

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (*T, error) {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return ask[T](ctx, c, http.MethodGet, path, nil)
}

// ask sends a request, with body as JSON unless it is nil, and returns the document that is
// answered, if any.
func ask[T any](ctx context.Context, c *Client, method, path string, body []byte) (*T, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", mediaType[wire.JSON])
	}
	_, answer, err := c.do(req, "")
	if err != nil {
		return nil, err
	}
	v := new(T)
	if len(answer) == 0 && method != http.MethodGet {
		return v, nil
	}
	return v, decode(answer, v, path)
}

func decode(body []byte, v any, on string) error {
	if err := json.Unmarshal(body, v); err != nil {
		return strange(on, "an answer that is not JSON: %v", err)
	}
	return nil
}
