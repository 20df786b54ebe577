package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/otlp"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

// collector is a receiver of OTLP over HTTP.
type collector struct {
	t      *testing.T
	mu     sync.Mutex
	spans  []*tracepb.Span
	who    string
	path   string
	key    string
	status int
	got    chan struct{}
}

func newCollector(t *testing.T) (*collector, string) {
	c := &collector{t: t, status: http.StatusOK, got: make(chan struct{}, 1000)}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return c, s.URL
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() { c.got <- struct{}{} }()
	body, err := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			c.t.Error(err)
			return
		}
		body, _ = io.ReadAll(z)
	}
	var req coltracepb.ExportTraceServiceRequest
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, &req) != nil {
		c.t.Errorf("%s is no request of OTLP: %v", r.Header.Get("Content-Type"), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path, c.key = r.URL.Path, r.Header.Get("Api-Key")
	if c.status != http.StatusOK {
		w.WriteHeader(c.status)
		return
	}
	for _, rs := range req.ResourceSpans {
		for _, kv := range rs.Resource.Attributes {
			c.who += kv.Key + "=" + kv.Value.GetStringValue() + " "
		}
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(nil)
}

func exporter(t *testing.T, log io.Writer) *otlp.Exporter {
	t.Helper()
	e, err := otlp.FromEnv(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil || e == nil {
		t.Fatal(e, err)
	}
	return e
}

var (
	desk   = situ.NewType("desk")
	ask    = situ.NewMethod[int, int](desk, "ask")
	got    = situ.NewMethod[situ.Reply[int, int], int](desk, "got")
	double = situ.NewFunc[int, int]("double")
)

// TestChain sends the spans of a chain that waits: the continuation is a span
// of its own, linked to the one that waited, and the call's trace is their parent.
func TestChain(t *testing.T) {
	c, url := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	t.Setenv("OTEL_SERVICE_NAME", "shop")
	e := exporter(t, io.Discard)
	set, err := situ.Assemble(situ.Object(desk,
		situ.On(ask, func(_ *struct{}, t *situ.Turn, n int) (int, error) { return situ.Then(t, double.With(n), got, 1) }),
		situ.On(got, func(_ *struct{}, _ *situ.Turn, r situ.Reply[int, int]) (int, error) {
			return 0, situ.Errorf("odd", "%d is odd", r.Value+1)
		})),
		situ.Function(double, func(_ *situ.Turn, n int) (int, error) { return 2 * n, nil }))
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(node.Config{Dir: t.TempDir(), Shard: shard.Config{Ended: e.Offer}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = n.Run(ctx) })
	r := make([]*host.Runner, n.Shards())
	for i := range r {
		r[i] = host.NewRunner(set, host.Config{})
		defer r[i].Close()
	}
	m := set.Manifest()
	if err := n.Program(node.Main).SetHosts(func(id wire.ShardID) shard.Host { return r[id] }, &m); err != nil {
		t.Fatal(err)
	}
	resp, err := n.Invoke(t.Context(), &wire.Request{To: wire.Address{Type: "desk", Key: "1", Method: "ask"}, Async: true, Want: wire.JSON,
		Body: wire.Payload{Format: wire.JSON, Data: []byte("4")}, Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
	if err != nil {
		t.Fatal(err)
	}
	if rec, err := n.Invocation(t.Context(), resp.ID, 1<<40); err != nil || rec.Finished == 0 {
		t.Fatal(rec, err)
	}
	stop()
	group.Wait()
	done, cancel := context.WithCancel(context.Background())
	cancel()
	e.Run(done) // sends what there is
	c.check(string(resp.ID))
}

func (c *collector) check(id string) {
	by := map[string]*tracepb.Span{}
	for _, s := range c.spans {
		by[s.Name] = s
		if fmt.Sprintf("%x", s.TraceId) != "4bf92f3577b34da6a3ce929d0e0e4736" || len(s.SpanId) != 8 || s.StartTimeUnixNano == 0 || s.EndTimeUnixNano < s.StartTimeUnixNano {
			c.t.Errorf("%v", s)
		}
		if attribute(s.Attributes, "faas.invocation_id") != id {
			c.t.Errorf("%v", s.Attributes)
		}
	}
	root, call, later := by["desk.ask"], by["double"], by["desk.got"]
	if len(c.spans) != 3 || root == nil || call == nil || later == nil {
		c.t.Fatalf("%v", c.spans)
	}
	if fmt.Sprintf("%x", root.ParentSpanId) != "00f067aa0ba902b7" || !bytes.Equal(call.ParentSpanId, root.SpanId) || !bytes.Equal(later.ParentSpanId, root.SpanId) {
		c.t.Errorf("parents: %x, %x, %x of %x", root.ParentSpanId, call.ParentSpanId, later.ParentSpanId, root.SpanId)
	}
	if len(later.Links) != 2 || !bytes.Equal(later.Links[0].SpanId, root.SpanId) || !bytes.Equal(later.Links[1].SpanId, call.SpanId) ||
		attribute(later.Links[0].Attributes, "situ.link") != "waited" || len(root.Links)+len(call.Links) != 0 {
		c.t.Errorf("links: %v", later.Links)
	}
	if later.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || root.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		c.t.Errorf("status: %v, %v", later.Status, root.Status)
	}
	if attribute(root.Attributes, "situ.callback") != "waiting" || attribute(root.Attributes, "situ.object.key") != "1" || attribute(call.Attributes, "faas.name") != "double" {
		c.t.Errorf("%v, %v", root.Attributes, call.Attributes)
	}
	if !strings.Contains(c.who, "service.name=shop ") || !strings.Contains(c.who, "deployment.environment.name=test ") || c.path != "/v1/traces" || c.key != "secret" {
		c.t.Errorf("%s at %s with key %q", c.who, c.path, c.key)
	}
}

func attribute(all []*commonpb.KeyValue, key string) string {
	i := slices.IndexFunc(all, func(kv *commonpb.KeyValue) bool { return kv.Key == key })
	if i < 0 {
		return ""
	}
	return all[i].Value.GetStringValue()
}

func told(n int, trace string) (all []span.Told) {
	for i := range n {
		all = append(all, span.Told{Chain: "0000-x", Trace: trace, Row: span.Row{ID: wire.SpanID(2 * (i + 1)), To: wire.Address{Method: "f"}, State: span.Ended, Begun: 1, Ended: 2}})
	}
	return all
}

// TestQueueIsBounded: what there is no room for, and what a collector does not
// take, is dropped and counted.
func TestQueueIsBounded(t *testing.T) {
	c, url := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url+"/here")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
	var log bytes.Buffer
	e := exporter(t, &log)
	e.Offer(told(15, ""))
	e.Offer(told(1, ""))
	if e.Dropped() != 6 {
		t.Errorf("%d dropped", e.Dropped())
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	e.Run(done)
	if len(c.spans) != 10 || c.path != "/here" {
		t.Errorf("%d spans at %s", len(c.spans), c.path)
	}
	c.status = http.StatusBadRequest
	e = exporter(t, &log)
	e.Offer(told(4, ""))
	e.Run(done)
	if e.Dropped() != 4 || !strings.Contains(log.String(), "did not take") {
		t.Errorf("%d dropped: %s", e.Dropped(), log.String())
	}
}

// TestFullBatchIsSentAtOnce, and not only when the delay is over.
func TestFullBatchIsSentAtOnce(t *testing.T) {
	c, url := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	e := exporter(t, io.Discard)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { e.Run(ctx) })
	e.Offer(told(4, ""))
	<-c.got
	stop()
	group.Wait()
}

// TestSampled: a chain whose caller does not record its trace is not told of; one
// whose trace the door made is, without a parent.
func TestSampled(t *testing.T) {
	c, url := newCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	e := exporter(t, io.Discard)
	e.Offer(told(1, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"))
	trace := []byte("0123456789abcdef")
	e.Offer(told(1, fmt.Sprintf("00-%x-%016x-00", trace, span.DoorParent(trace))))
	done, cancel := context.WithCancel(context.Background())
	cancel()
	e.Run(done)
	if len(c.spans) != 1 || !bytes.Equal(c.spans[0].TraceId, trace) || c.spans[0].ParentSpanId != nil {
		t.Errorf("%v", c.spans)
	}
}

// TestFromEnv: no exporter if none is wanted, and an error that names what is
// wrong.
func TestFromEnv(t *testing.T) {
	for _, c := range []struct{ name, value, wrong string }{
		{"", "", ""}, {"OTEL_SDK_DISABLED", "true", ""}, {"OTEL_TRACES_EXPORTER", "none", ""},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "many", "OTEL_BSP_MAX_QUEUE_SIZE"}, {"OTEL_BSP_SCHEDULE_DELAY", "0", "OTEL_BSP_SCHEDULE_DELAY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
			if c.name != "" {
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
				t.Setenv(c.name, c.value)
			}
			e, err := otlp.FromEnv(slog.New(slog.DiscardHandler))
			if e != nil && c.wrong == "" || fault.Is(err, fault.Invalid) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
}
