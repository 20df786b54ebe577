package otlp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

// schema is the version of the semantic conventions whose names are used.
const schema = "https://opentelemetry.io/schemas/1.37.0"

// spanOf describes one call, or one later turn that took an answer: from its
// first run to its last. It is nil if the call from outside came with a trace
// that is not recorded.
func spanOf(t *span.Told) *tracepb.Span {
	trace, outside, sampled := parent(t)
	if !sampled {
		return nil
	}
	r := &t.Row
	s := &tracepb.Span{TraceId: trace, SpanId: name(t.Chain, r.ID), Name: r.To.Method, Kind: tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(r.Begun), EndTimeUnixNano: uint64(max(r.Ended, r.Begun)), Flags: 0x101}
	if r.To.Type != "" {
		s.Name = r.To.Type + "." + r.To.Method
	}
	if r.OneWay() || r.Continuation() {
		s.Kind = tracepb.Span_SPAN_KIND_CONSUMER
	}
	trigger := "other"
	switch {
	case r.Parent != 0:
		s.ParentSpanId = name(t.Chain, r.Parent)
	default:
		s.ParentSpanId = outside
		trigger = "http"
	}
	if r.Due != 0 && r.Due > r.Made {
		trigger = "timer"
	}
	s.Attributes = []*commonpb.KeyValue{text("faas.name", s.Name), text("faas.trigger", trigger), text("faas.invocation_id", string(t.Chain)),
		number("situ.queued_us", int64(max(r.Begun-max(r.Made, r.Due), 0)/1e3)), number("situ.active_us", int64(r.Active/1e3)), number("situ.runs", int64(r.Runs))}
	if r.To.Key != "" {
		s.Attributes = append(s.Attributes, text("situ.object.key", r.To.Key))
	}
	if how := [...]string{"", "handed-on", "waiting", "held"}[min(r.How, span.Held)]; how != "" {
		s.Attributes = append(s.Attributes, text("situ.callback", how))
	}
	if r.Continuation() {
		s.Links = []*tracepb.Span_Link{link(trace, t.Chain, r.Parent, "waited"), link(trace, t.Chain, r.ID&^1, "answered")}
	}
	s.Status = &tracepb.Status{}
	if r.Fail != nil {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: r.Fail.Message}
		s.Attributes = append(s.Attributes, text("error.type", r.Fail.Kind))
	}
	return s
}

// link ties a continuation to the turn that waited, or to the call that was
// waited for.
func link(trace []byte, chain wire.InvocationID, to wire.SpanID, why string) *tracepb.Span_Link {
	return &tracepb.Span_Link{TraceId: trace, SpanId: name(chain, to), Attributes: []*commonpb.KeyValue{text("situ.link", why)}}
}

// name makes the name of a span for those outside.
func name(chain wire.InvocationID, id wire.SpanID) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(chain), uint64(id)))
	return sum[:8]
}

// parent returns the trace of a chain, and the span outside that called, if the
// call said which.
func parent(t *span.Told) (trace, outside []byte, sampled bool) {
	parts := strings.Split(t.Trace, "-")
	if len(parts) >= 4 && len(parts[1]) == 32 && len(parts[2]) == 16 {
		id, err := hex.DecodeString(parts[1])
		from, err2 := hex.DecodeString(parts[2])
		flags, err3 := hex.DecodeString(parts[3])
		if err == nil && err2 == nil && err3 == nil && len(flags) == 1 {
			if binary.BigEndian.Uint64(from) == span.DoorParent(id) {
				return id, nil, true // nobody outside has said otherwise
			}
			return id, from, flags[0]&1 == 1
		}
	}
	sum := sha256.Sum256([]byte(t.Chain))
	return sum[:16], nil, true
}

func text(key, v string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}}
}

func number(key string, v int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v}}}
}
