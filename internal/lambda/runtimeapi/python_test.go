package runtimeapi

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// python is a host of a function whose file app/fn.py has that text.
func python(t *testing.T, text, handler string) *Host {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"app/fn.py": text, "app/beside.py": "def double(n): return 2 * n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := NewHost(Function{Name: "f", Dir: dir, Handler: handler, Most: 1, Timeout: 2 * time.Second, Alone: true, Env: []string{"LEVEL=info"}},
		Config{Scratch: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

const pythonFunction = `
import os, sys, time, beside

count = 0

def handler(event, context):
    global count
    count += 1
    do = event.get("do")
    if do == "raise":
        raise ValueError("no: \u00e4")
    if do == "exit":
        print("good bye")
        sys.exit(3)
    if do == "hang":
        time.sleep(60)
    if do == "object":
        return object()
    if do == "nan":
        return float("nan")
    if do == "env":
        return sorted(os.environ)
    return {"count": count, "twice": beside.double(event["n"]), "id": context.aws_request_id, "left": 0 < context.get_remaining_time_in_millis() <= 2000,
            "arn": context.invoked_function_arn, "name": context.function_name, "text": event["text"]}
`

// A function of Python gets events and answers them, and what goes wrong in it is
// told as Lambda tells it.
func TestPython(t *testing.T) {
	h := python(t, pythonFunction, "app/fn.handler")
	invoke := func(event string) Result {
		t.Helper()
		res, err := h.Invoke(t.Context(), Event{Payload: []byte(event), Request: "r1", ARN: "arn:x"})
		if err != nil || !json.Valid(res.Payload) {
			t.Fatalf("%s: %s, %v", event, res.Payload, err)
		}
		return res
	}
	for i, want := range []string{`"count": 1`, `"count": 2`} {
		res := invoke(`{"n": 21, "text": "ä☃"}`)
		for _, want := range []string{want, `"twice": 42`, `"id": "r1"`, `"left": true`, `"arn": "arn:x"`, `"name": "f"`, `"text": "ä☃"`} {
			if res.Failed || !strings.Contains(string(res.Payload), want) {
				t.Errorf("%d: %v %s, want %s", i, res.Failed, res.Payload, want)
			}
		}
	}
	for event, want := range map[string]string{
		`{"do":"raise"}`:  `"errorType": "ValueError", "errorMessage": "no: \u00e4", "stackTrace": ["  File`,
		`{"do":"object"}`: "Runtime.MarshalError",
		`{"do":"nan"}`:    "Runtime.MarshalError",
		`{"do":"other"}`:  "KeyError",
		`nonsense`:        "Runtime.UnmarshalError",
		`{"do":"exit"}`:   "exit status 3: good bye",
		`{"do":"hang"}`:   "Task timed out after 2.00 seconds",
	} {
		if res := invoke(event); !res.Failed || !strings.Contains(string(res.Payload), want) {
			t.Errorf("%s: %v %s, want %s", event, res.Failed, res.Payload, want)
		}
	}
	var env []string
	if err := json.Unmarshal(invoke(`{"do":"env"}`).Payload, &env); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(env, "LEVEL") || slices.Contains(env, "HOME") {
		t.Errorf("its environment has %q", env)
	}
}

// What keeps a function of Python from starting is the answer of its calls.
func TestPythonInit(t *testing.T) {
	for _, c := range []struct{ text, handler, want string }{
		{"import nothing_like_it", "app/fn.handler", "Runtime.ImportModuleError"},
		{"x = 1", "app/fn.handler", "Runtime.HandlerNotFound"},
		{"def f(:", "app/fn.f", "SyntaxError"},
		{"raise RuntimeError('at start')", "app/fn.f", "at start"},
		{"import sys; sys.exit('over')", "app/fn.f", "SystemExit"},
	} {
		h := python(t, c.text, c.handler)
		res, err := h.Invoke(t.Context(), Event{Payload: []byte(`{}`), Request: "r"})
		if err != nil || !res.Failed || !strings.Contains(string(res.Payload), c.want) {
			t.Errorf("%s: %s, %v, want %s", c.text, res.Payload, err, c.want)
		}
	}
	if _, err := NewHost(Function{Name: "f", Dir: t.TempDir(), Handler: "fn.handler"}, Config{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
