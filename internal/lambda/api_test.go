package lambda_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestAPI drives what there is around an execution with the AWS SDK.
func TestAPI(t *testing.T) {
	t.Parallel()
	r := start(t)
	c := r.client()
	arn := func(name string) string {
		t.Helper()
		out := c.call("Invoke", map[string]any{"FunctionName": "long:$LATEST", "InvocationType": "Event", "DurableExecutionName": name, "Payload": `{"n":1}`})
		arn, _ := out["DurableExecutionArn"].(string)
		if arn == "" || out["StatusCode"] != 202.0 {
			t.Fatalf("got %v", out)
		}
		return arn
	}
	one := arn("one")
	if again := arn("one"); again != one {
		t.Errorf("started again, it has the ARN %s, not %s", again, one)
	}
	out := c.call("Invoke", map[string]any{"FunctionName": "long", "InvocationType": "Event", "DurableExecutionName": "one", "Payload": `{"n":2}`})
	if out["error"] != "DurableExecutionAlreadyStartedException" || out["status"] != 409.0 {
		t.Errorf("another payload: %v", out)
	}
	two := arn("two")
	var types []string
	for len(types) < 5 { // until its handler waits
		out := c.call("GetDurableExecutionHistory", map[string]any{"DurableExecutionArn": two, "IncludeExecutionData": true})
		types = nil
		for _, e := range out["Events"].([]any) {
			types = append(types, e.(map[string]any)["EventType"].(string))
		}
	}
	if want := []string{"ExecutionStarted", "StepStarted", "StepSucceeded", "WaitStarted", "InvocationCompleted"}; !slices.Equal(types, want) {
		t.Errorf("history: %v", types)
	}
	if out := c.call("GetDurableExecutionHistory", map[string]any{"DurableExecutionArn": two, "MaxItems": 2, "ReverseOrder": true}); len(out["Events"].([]any)) != 2 || out["NextMarker"] != "2" {
		t.Errorf("the last of the history: %v", out)
	}
	if out := c.call("StopDurableExecution", map[string]any{"DurableExecutionArn": two, "Error": map[string]any{"ErrorType": "Enough", "ErrorMessage": "no more"}}); out["StopTimestamp"] == nil {
		t.Errorf("stop: %v", out)
	}
	out = c.call("GetDurableExecution", map[string]any{"DurableExecutionArn": two})
	if fmt.Sprint(out["Status"], out["InputPayload"], out["DurableExecutionName"], out["Error"]) != `STOPPED{"n":1}twomap[ErrorMessage:no more ErrorType:Enough]` || out["EndTimestamp"] == nil {
		t.Errorf("stopped: %v", out)
	}
	if out := c.call("CheckpointDurableExecution", map[string]any{"DurableExecutionArn": one, "CheckpointToken": "1-1-AAAA", "Updates": []any{}}); out["error"] != "InvalidParameterValueException" || !strings.HasPrefix(out["message"].(string), "Invalid Checkpoint Token") {
		t.Errorf("a token of nobody's: %v", out)
	}
	for status, want := range map[string]string{"RUNNING": one, "STOPPED": two} {
		out := c.call("ListDurableExecutionsByFunction", map[string]any{"FunctionName": "long", "Statuses": []string{status}})
		if list := out["DurableExecutions"].([]any); len(list) != 1 || list[0].(map[string]any)["DurableExecutionArn"] != want {
			t.Errorf("list of %s: %v", status, out)
		}
	}
	for _, bad := range []struct {
		operation string
		in        map[string]any
		code      string
	}{
		{"Invoke", map[string]any{"FunctionName": "nobody"}, "ResourceNotFoundException"},
		{"Invoke", map[string]any{"FunctionName": "basic", "Payload": "{"}, "InvalidRequestContentException"},
		{"Invoke", map[string]any{"FunctionName": "basic", "DurableExecutionName": "a b"}, "InvalidParameterValueException"},
		{"Invoke", map[string]any{"FunctionName": "plain", "DurableExecutionName": "one"}, "InvalidParameterValueException"},
		{"GetDurableExecution", map[string]any{"DurableExecutionArn": strings.Replace(one, "/one/", "/three/", 1)}, "ResourceNotFoundException"},
		{"GetDurableExecution", map[string]any{"DurableExecutionArn": one[:len(one)-3] + "abc"}, "ResourceNotFoundException"},
		{"GetDurableExecution", map[string]any{"DurableExecutionArn": "arn:of:something"}, "InvalidParameterValueException"},
		{"StopDurableExecution", map[string]any{"DurableExecutionArn": strings.Replace(one, "/one/", "/three/", 1)}, "ResourceNotFoundException"},
		{"GetDurableExecutionHistory", map[string]any{"DurableExecutionArn": one, "Marker": "x"}, "InvalidParameterValueException"},
	} {
		if out := c.call(bad.operation, bad.in); out["error"] != bad.code {
			t.Errorf("%s of %v: %v, want %s", bad.operation, bad.in, out, bad.code)
		}
	}
}

// TestInvoke invokes functions that are not durable.
func TestInvoke(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range []struct{ function, in, want, failed string }{
		{"plain", `{"n":21}`, `{"doubled":42,"name":"plain","left":true}`, ""},
		{"classic", `{"n":1}`, `"classic 1"`, ""},
		{"plain", `{"fail":"broken"}`, `broken`, "TypeError"},
		{"plain", `{"exit":true}`, `Runtime exited with error: exit status 3`, "Runtime.ExitError"},
		{"plain", `{"sleep":60000}`, `Task timed out after 2.00 seconds`, "Sandbox.Timedout"},
		{"missing", `{}`, `exports no function missing`, "Runtime.HandlerNotFound"},
	} {
		resp, got := r.invoke(c.function, c.in)
		switch {
		case resp.StatusCode != http.StatusOK || resp.Header.Get("X-Amz-Executed-Version") != "$LATEST":
			t.Errorf("%s: %d %v", c.in, resp.StatusCode, resp.Header)
		case c.failed == "":
			same(t, c.in, got, c.want)
		case resp.Header.Get("X-Amz-Function-Error") != "Unhandled" || !strings.Contains(got, c.want) || !strings.Contains(got, `"errorType":"`+c.failed):
			t.Errorf("%s: %s", c.in, got)
		}
	}
	if resp, got := r.invoke("plain", `{"n":1}`, "X-Amz-Client-Context", "eyJhIjoxfQ=="); !strings.Contains(got, `"client":{"a":1}`) {
		t.Errorf("client context: %d %s", resp.StatusCode, got)
	}
	if resp, _ := r.invoke("plain", `{}`, "X-Amz-Invocation-Type", "DryRun"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("dry run: %d", resp.StatusCode)
	}
	if resp, got := r.invoke("arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aplain%3A$LATEST", `{"n":2}`); resp.StatusCode != http.StatusOK {
		t.Errorf("by ARN: %d %s", resp.StatusCode, got)
	}
	for name, value := range map[string]string{"Host": "evil.example", "Sec-Fetch-Site": "cross-site"} {
		if resp, got := r.invoke("plain", `{"n":2}`, name, value); resp.StatusCode != http.StatusForbidden {
			t.Errorf("from a web page, by its %s: %d %s", name, resp.StatusCode, got)
		}
	}
	if resp, got := r.invoke("plain/", `{"n":2}`); resp.StatusCode != http.StatusNotFound || resp.Header.Get("X-Amzn-ErrorType") != "UnknownOperationException" {
		t.Errorf("a path that is none: %d %s", resp.StatusCode, got)
	}
}
