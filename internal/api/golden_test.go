package api_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/golden"
)

// documents has one of each document of the API, every member set.
func documents() map[string]any {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	offset := 7
	failure := api.Failure{Kind: "failed", Code: "full", Message: "no seat", Detail: "a stack"}
	object := api.Object{Type: "flight", Key: "BA 123/x", Size: 300, Modified: at, State: json.RawMessage(`{"n":1}`)}
	letter := api.DeadLetter{ID: "3-7", Kind: "call", Target: "flight/BA123.cancel", Attempts: 5, At: at, Made: at, Paused: true, Chain: "0003-x",
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Reason: failure, Input: json.RawMessage(`{}`)}
	op := api.Operation{Name: "cancel", Doc: "Cancels it.", ReadOnly: true}
	return map[string]any{
		"problem": &api.Problem{Type: api.ProblemPrefix + "unfit", Title: "The input does not fit the schema", Status: 422, Detail: "why",
			Instance: "/v1/invocations/0003-x", Code: "full", Exists: []string{"cancel", "book"}, Offset: &offset,
			Errors: []api.Misfit{{Pointer: "#/a/0", Detail: "is text; want a number"}}},
		"invocation":  &api.Invocation{ID: "0003-x", Status: api.Failed, Target: "flight/BA123.cancel", Created: at, Finished: at, Expires: at, Result: json.RawMessage(`[1]`), Error: &failure},
		"accepted":    &api.Invocation{ID: "0003-x", Status: api.Pending},
		"object":      &object,
		"objects":     &api.Objects{Objects: []api.Object{object}, Next: "cursor"},
		"types":       &api.Types{Types: []api.Type{{Name: "flight", Doc: "A flight.", Methods: []api.Operation{op}}}},
		"functions":   &api.Functions{Functions: []api.Operation{op}},
		"dead-letter": &letter,
		"dead":        &api.DeadLetters{Letters: []api.DeadLetter{letter}, Next: "cursor"},
		"callback":    &api.Callback{Status: api.Pending, Created: at, Expires: at, HeartbeatS: 1.5, SilentSince: at, Schema: json.RawMessage(`{"type":"integer"}`)},
		"answer":      &api.Answer{Result: json.RawMessage(`[1]`), Error: &api.AnswerError{Code: "full", Message: "no seat"}, Heartbeat: true},
		"health":      &api.Health{Status: "ok"},
		"status": &api.Status{Version: "v1.2.3", Mode: "serve", State: "running", Started: at, UptimeS: 1.5, DataDir: "/var/lib/x", BytesWritten: 1 << 40,
			Disk: api.DiskStatus{Free: 1 << 41, Writable: true}, Worker: &api.WorkerStatus{PID: 4711, State: "running", Restarts: 2},
			Shards: []api.ShardStatus{{ID: 1, Seq: 2, Resident: 3, Queued: 4, Timers: 5, Outbox: 6, Dead: 7, Parked: 10, Rescued: 8, OverdueMS: 9, Stuck: "a commit does not end"}}},
	}
}

// TestGolden holds every document to the JSON that clients know, and reads the
// same values out of it.
func TestGolden(t *testing.T) {
	for name, doc := range documents() {
		got, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		// Members may be added, but not changed.
		want := golden.File(t, name+".golden.json", append(got, '\n'))
		back := reflect.New(reflect.TypeOf(doc).Elem()).Interface()
		if err := json.Unmarshal(want, back); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, _ := json.MarshalIndent(back, "", "  "); !bytes.Equal(append(again, '\n'), want) {
			t.Errorf("%s reads as %s", name, again)
		}
	}
}

// Every exported struct of the package is in a golden file with no member left
// out: a new member that is not set here is found.
func TestGoldenIsWhole(t *testing.T) {
	for name, doc := range documents() {
		if name != "accepted" {
			whole(t, name, reflect.ValueOf(doc))
		}
	}
}

func whole(t *testing.T, path string, v reflect.Value) {
	if v.IsZero() {
		t.Errorf("%s is not set", path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		whole(t, path, v.Elem())
	case reflect.Slice:
		if v.Type() != reflect.TypeFor[json.RawMessage]() {
			for i := range v.Len() {
				whole(t, path, v.Index(i))
			}
		}
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				whole(t, path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
}
