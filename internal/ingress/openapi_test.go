package ingress

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
)

// document is what the tests look at in openapi.json.
type document struct {
	OpenAPI    string
	Paths      map[string]map[string]described
	Components struct {
		Schemas    map[string]shape
		Parameters map[string]struct{ Name, In string }
	}
}

type described struct {
	OperationID string
	Parameters  []struct {
		Name, In string
		Ref      string `json:"$ref"`
	}
	Responses map[string]any
}

type shape struct {
	Type       string
	Properties map[string]shape
	Required   []string
	Enum       []string
}

func readDocument(t *testing.T) *document {
	t.Helper()
	d := new(document)
	if err := json.Unmarshal(openapi, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Every route is described, and everything described is a route.
func TestOpenAPIRoutes(t *testing.T) {
	d := readDocument(t)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("openapi is %q", d.OpenAPI)
	}
	var routed []string
	ids := map[string]bool{}
	for _, rt := range routes {
		routed = append(routed, rt.method+" "+rt.pattern)
		op, ok := d.Paths[rt.pattern][strings.ToLower(rt.method)]
		if !ok {
			t.Errorf("%s %s is not described", rt.method, rt.pattern)
			continue
		}
		var want, got []string
		for part := range strings.SplitSeq(rt.pattern, "/") {
			if strings.HasPrefix(part, "{") {
				want = append(want, strings.Trim(part, "{}"))
			}
		}
		for _, p := range op.Parameters {
			if p.In == "path" {
				got = append(got, p.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s %s: described parameters %q, want %q", rt.method, rt.pattern, got, want)
		}
		if op.OperationID == "" || ids[op.OperationID] || op.Responses["default"] == nil {
			t.Errorf("%s %s: no id of its own (%q), or no problem", rt.method, rt.pattern, op.OperationID)
		}
		ids[op.OperationID] = true
	}
	for path, ops := range d.Paths {
		for method := range ops {
			if !slices.Contains(routed, strings.ToUpper(method)+" "+path) {
				t.Errorf("%s %s is described, but is no route", method, path)
			}
		}
	}
}

// The described documents have the fields of package api, and the problem has
// every kind.
func TestOpenAPISchemas(t *testing.T) {
	d := readDocument(t)
	for name, v := range map[string]any{"Problem": api.Problem{}, "Misfit": api.Misfit{}, "Failure": api.Failure{}, "Invocation": api.Invocation{},
		"Flow": api.Flow{}, "Object": api.Object{}, "Objects": api.Objects{}, "Operation": api.Operation{}, "Type": api.Type{}, "Types": api.Types{},
		"Functions": api.Functions{}, "DeadLetter": api.DeadLetter{}, "DeadLetters": api.DeadLetters{}, "Health": api.Health{}, "Callback": api.Callback{}, "Answer": api.Answer{}, "AnswerError": api.AnswerError{}, "Status": api.Status{},
		"ScheduleSpec": api.ScheduleSpec{}, "ScheduleRetry": api.ScheduleRetry{}, "ScheduleCatchUp": api.ScheduleCatchUp{}, "Schedule": api.Schedule{},
		"ScheduleRun": api.ScheduleRun{}, "Schedules": api.Schedules{},
		"Trace": api.Trace{}, "Span": api.Span{}, "Usage": api.Usage{}, "UsageLine": api.UsageLine{},
		"Reason": api.Reason{}, "Pause": api.Pause{}, "Pauses": api.Pauses{}, "DeadFilter": api.DeadFilter{}, "RedriveRequest": api.RedriveRequest{},
		"Redrive": api.Redrive{}, "Redrives": api.Redrives{},
		"Deployed": api.Deployed{}, "Deployments": api.Deployments{}, "Deployment": api.Deployment{}, "DeployedVersion": api.DeployedVersion{}, "Promotion": api.Promotion{},
		"Rollout": api.Rollout{}, "Weights": api.Weights{}, "DeploymentReason": api.DeploymentReason{}, "DeploymentOn": api.DeploymentOn{}, "DeploymentOff": api.DeploymentOff{}, "DeploymentEvent": api.DeploymentEvent{}} {
		compare(t, name, d.Components.Schemas[name], reflect.TypeOf(v))
	}
	var kinds []string
	for k := fault.Internal; k.String() != fault.Internal.String() || k == fault.Internal; k++ {
		kinds = append(kinds, api.ProblemPrefix+k.String())
	}
	if got := d.Components.Schemas["Problem"].Properties["type"].Enum; !slices.Equal(got, kinds) {
		t.Errorf("described kinds:\n%q\nwant\n%q", got, kinds)
	}
}

func compare(t *testing.T, name string, s shape, typ reflect.Type) {
	t.Helper()
	var fields []string
	for f := range typ.Fields() {
		field, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, field)
		if _, ok := s.Properties[field]; !ok {
			t.Errorf("%s: the field %s is not described", name, field)
		}
		if optional := strings.Contains(rest, "omit"); optional == slices.Contains(s.Required, field) {
			t.Errorf("%s: the field %s may be left out: %t, but described otherwise", name, field, optional)
		}
	}
	for field := range s.Properties {
		if !slices.Contains(fields, field) {
			t.Errorf("%s: %s is described, but is no field", name, field)
		}
	}
}

// Every header that calls take is described.
func TestOpenAPIHeaders(t *testing.T) {
	d := readDocument(t)
	for _, path := range []string{"/v1/objects/{type}/{key}/{method}", "/v1/functions/{name}"} {
		var got []string
		for _, p := range d.Paths[path]["post"].Parameters {
			if c := d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]; c.In == "header" {
				got = append(got, strings.ToLower(c.Name))
			}
		}
		want := []string{"prefer", "idempotency-key", "situ-delay", "situ-retry", "situ-priority", "situ-on-failure", "situ-within", "situ-deadline", "situ-callback-url", "traceparent"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: headers %q, want %q", path, got, want)
		}
	}
}

// docs/http.md has every route, header and kind, with the kinds' statuses.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var want []string
	for _, rt := range routes {
		want = append(want, "`"+rt.method+" "+rt.pattern+"`")
	}
	for _, name := range []string{"Prefer", api.HeaderKey, api.HeaderDelay, api.HeaderRetry, api.HeaderPriority, api.HeaderOnFailure, api.HeaderWithin, api.HeaderDeadline, api.HeaderCallback, api.HeaderInvocation, api.HeaderReplayed, strings.ToLower(api.HeaderTrace), "Retry-After", "Allow", "Location", "Preference-Applied"} {
		want = append(want, "`"+name)
	}
	for k := fault.Internal; k.String() != fault.Internal.String() || k == fault.Internal; k++ {
		want = append(want, fmt.Sprintf("| `%s` | %d |", k, k.Status()))
	}
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("docs/http.md lacks %s", s)
		}
	}
}
