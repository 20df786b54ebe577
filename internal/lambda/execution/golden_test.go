package execution

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/lambda/durable"
)

// TestGoldenState compares what executions keep, and what they send to
// themselves, with what was once written: both outlive versions of Situ.
func TestGoldenState(t *testing.T) {
	s := func(v string) *string { return &v }
	fail := durable.NewError("Error", "no")
	fail.Data, fail.Stack = s("data"), []string{"at x"}
	values := []any{
		&durable.Head{ARN: "arn", Function: "f", Version: "1", Name: "n", Status: durable.Running, Started: 1, Ended: 2, Input: "{}", Timeout: 3,
			Retention: 4, Result: s("r"), Error: fail, Run: 5, Busy: true, Begun: 6, BegunAt: 7, Tokens: 8, Token: "t", Failures: 9, Used: "u",
			UsedClient: "c", Answered: []string{"a"}, Dirty: []string{"b"}, Fresh: []string{"c"}, Told: []string{"d"}, Open: 10, Bytes: 11},
		&durable.Operation{ID: "i", Parent: "p", Name: s("n"), Type: durable.Callback, SubType: s("s"), Status: durable.Started, Started: 1, Ended: 2,
			Input: s("in"), Result: s("r"), Error: fail, Children: true, Attempt: 3, Due: 4, Beat: 5, Every: 6, Nonce: "x", Function: "f", Tenant: "t"},
		&durable.Event{Type: "StepFailed", At: 1, ID: "i", Attempt: 2, Delay: 3, Error: fail, Begun: 4, Request: "q"},
		&durable.Timer{Kind: durable.OfOperation, ID: "i", At: 1},
		&durable.Spec{ARN: "arn", Function: "f", Version: "1", Name: "n", Input: "{}", Timeout: 1, Retention: 2},
		&durable.Reply{ID: "i", Nonce: "n", Beat: true, Result: s("r"), Error: fail},
		&Outcome{ARN: "arn", Status: durable.Failed, Result: s("r"), Error: fail, Body: "b"},
		&CallIn{Function: "f", Payload: "p", Request: "r", Client: "c"},
		&runIn{Key: "k", Run: 1},
		&runOut{Request: "r", Body: []byte("b"), Failed: true, Stale: true, Lost: true},
	}
	var b strings.Builder
	for _, v := range values {
		enc, err := codec.EncodeSorted(v)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(reflect.TypeOf(v).Elem().String() + " " + hex.EncodeToString(enc) + "\n")
	}
	for i, line := range bytes.Split(bytes.TrimSpace(golden.File(t, "state.v1.golden", []byte(b.String()))), []byte("\n")) {
		_, text, _ := strings.Cut(string(line), " ")
		back := reflect.New(reflect.TypeOf(values[i]).Elem()).Interface()
		if err := codec.Decode(golden.Unhex(t, []byte(text)), back); err != nil || !reflect.DeepEqual(back, values[i]) {
			t.Errorf("%v\nread back %+v", err, back)
		}
	}
}

// TestNames are the ways to name functions, executions and callbacks.
func TestNames(t *testing.T) {
	for _, name := range []string{"f", "f:1", "arn:aws:lambda:us-east-1:000000000000:function:f", "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", "000000000000:function:f"} {
		if got := FunctionName(name); got != "f" {
			t.Errorf("%s names %s", name, got)
		}
	}
	arn := ARN("us-east-1", "f", "n", "id")
	if key, err := OfARN(arn); key != "f/n" || err != nil {
		t.Errorf("%s: %s %v", arn, key, err)
	}
	for _, bad := range []string{"", "arn", "f/durable-execution/n/i", "arn:aws:lambda:r:1:function:a b:1/durable-execution/n/i", "arn:aws:lambda:r:1:function:f:1/durable-execution/n"} {
		if key, err := OfARN(bad); err == nil {
			t.Errorf("%q is %s", bad, key)
		}
	}
	id := callbackID("f/n")(&durable.Operation{ID: "o", Nonce: "x"})
	if key, r, err := OfCallback(id); key != "f/n" || r.ID != "o" || r.Nonce != "x" || err != nil {
		t.Errorf("%s: %s %+v %v", id, key, r, err)
	}
}
