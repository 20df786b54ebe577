// Package otlp sends the spans of chains to a collector of OpenTelemetry, by
// OTLP over HTTP, if the standard variables of the environment name one. It
// keeps nobody waiting: what a slow collector does not take is dropped, and
// counted.
package otlp

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/span"
)

// Exporter sends spans. Run it.
type Exporter struct {
	client   otlptrace.Client
	resource *resourcepb.Resource
	log      *slog.Logger
	most     int           // in the queue
	batch    int           // in one request
	delay    time.Duration // between requests
	timeout  time.Duration // of one

	mu      sync.Mutex
	queue   []span.Told
	wake    chan struct{} // the queue has a batch
	dropped uint64
}

// FromEnv returns an exporter as the variables OTEL_* want it, nil if they want
// none: an endpoint is named by OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. The error, of kind fault.Invalid, says
// which variable cannot be used.
func FromEnv(log *slog.Logger) (*Exporter, error) {
	set := func(name string) string { return strings.TrimSpace(os.Getenv(name)) }
	if set("OTEL_EXPORTER_OTLP_ENDPOINT")+set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		strings.EqualFold(set("OTEL_SDK_DISABLED"), "true") || set("OTEL_TRACES_EXPORTER") == "none" || set("OTEL_TRACES_SAMPLER") == "always_off" {
		return nil, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := set(name); p != "" {
			if p != "http/protobuf" {
				return nil, fault.New(fault.Invalid, "otlp", name, "the protocol %q is not spoken here: use http/protobuf, and the collector's port for it (4318)", p)
			}
			break
		}
	}
	e := &Exporter{client: otlptracehttp.NewClient(), log: log, wake: make(chan struct{}, 1)}
	for _, v := range []struct {
		name string
		def  int
		to   func(int)
	}{
		{"OTEL_BSP_MAX_QUEUE_SIZE", 2048, func(n int) { e.most = n }},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, func(n int) { e.batch = n }},
		{"OTEL_BSP_SCHEDULE_DELAY", 5000, func(n int) { e.delay = time.Duration(n) * time.Millisecond }},
		{"OTEL_BSP_EXPORT_TIMEOUT", 30000, func(n int) { e.timeout = time.Duration(n) * time.Millisecond }},
	} {
		n := v.def
		if s := set(v.name); s != "" {
			var err error
			if n, err = strconv.Atoi(s); err != nil || n < 1 {
				return nil, fault.New(fault.Invalid, "otlp", v.name, "%q is not a number over 0", s)
			}
		}
		v.to(n)
	}
	e.batch = min(e.batch, e.most)
	return e, e.describe()
}

// describe says who sends: what the environment says, and a name.
func (e *Exporter) describe() error {
	res, err := resource.New(context.Background(), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return fault.New(fault.Invalid, "otlp", "OTEL_RESOURCE_ATTRIBUTES", "%v", err)
	}
	e.resource = &resourcepb.Resource{}
	named := false
	for _, kv := range res.Attributes() {
		named = named || kv.Key == "service.name"
		e.resource.Attributes = append(e.resource.Attributes, text(string(kv.Key), kv.Value.String()))
	}
	if !named {
		e.resource.Attributes = append(e.resource.Attributes, text("service.name", "situ"))
	}
	return nil
}

// Offer takes spans that have ended. It does not block: what there is no room
// for is dropped. It is a conf.Config.Ended.
func (e *Exporter) Offer(told []span.Told) {
	e.mu.Lock()
	defer e.mu.Unlock()
	room := e.most - len(e.queue)
	if room < len(told) {
		e.dropped += uint64(len(told) - room)
		told = told[:room]
	}
	e.queue = append(e.queue, told...)
	if len(e.queue) >= e.batch {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// Dropped returns how many spans were dropped: there was no room in the queue,
// or the collector did not take them.
func (e *Exporter) Dropped() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dropped
}

// Run sends until ctx is done, and then what is left.
func (e *Exporter) Run(ctx context.Context) {
	if err := e.client.Start(context.WithoutCancel(ctx)); err != nil {
		e.log.Warn("spans cannot be sent", "error", err)
		return
	}
	tick := time.NewTicker(e.delay)
	defer tick.Stop()
	var told uint64
	for {
		select {
		case <-e.wake:
		case <-tick.C:
		case <-ctx.Done():
			e.flush(context.WithoutCancel(ctx))
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeout)
			defer cancel()
			_ = e.client.Stop(stop) // all that could be sent was
			return
		}
		e.flush(context.WithoutCancel(ctx)) // each request is bounded
		if n := e.Dropped(); n > told {
			e.log.Warn("spans were dropped: the collector is slow or does not answer", "count", n-told)
			told = n
		}
	}
}

// flush sends what is in the queue, until a request fails.
func (e *Exporter) flush(ctx context.Context) {
	for {
		e.mu.Lock()
		n := min(e.batch, len(e.queue))
		part := e.queue[:n:n]
		e.queue = e.queue[n:]
		if len(e.queue) == 0 {
			e.queue = nil
		}
		e.mu.Unlock()
		if n == 0 {
			return
		}
		if err := e.send(ctx, part); err != nil {
			e.mu.Lock()
			e.dropped += uint64(n)
			e.mu.Unlock()
			e.log.Warn("a collector did not take spans", "count", n, "error", err)
			return
		}
	}
}

func (e *Exporter) send(ctx context.Context, part []span.Told) error {
	scope := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: "github.com/situ-dev/situ"}, SchemaUrl: schema}
	for i := range part {
		if s := spanOf(&part[i]); s != nil {
			scope.Spans = append(scope.Spans, s)
		}
	}
	if len(scope.Spans) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	return e.client.UploadTraces(ctx, []*tracepb.ResourceSpans{{Resource: e.resource, ScopeSpans: []*tracepb.ScopeSpans{scope}}})
}
