package lambda_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lines returns what the handler of a function did.
func (r *rig) lines(function string) []string {
	b, err := os.ReadFile(filepath.Join(r.did, function))
	if err != nil && !os.IsNotExist(err) {
		r.t.Error(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// times counts it, by the first word.
func (r *rig) times(function string) map[string]int {
	n := map[string]int{}
	for _, line := range r.lines(function) {
		word, _, _ := strings.Cut(line, " ")
		n[word]++
	}
	return n
}

// same complains if two documents differ.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Errorf("%s: got %.300s: %v", what, got, err)
		return
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	gb, _ := json.Marshal(g)
	wb, _ := json.Marshal(w)
	if string(gb) != string(wb) {
		t.Errorf("%s:\ngot  %s\nwant %s", what, gb, wb)
	}
}

// TestSDK runs each feature of the SDK once: what comes out, and how often
// something was really done.
func TestSDK(t *testing.T) {
	t.Parallel()
	cases := []struct {
		function, in, want string
		did                map[string]int
	}{
		{"basic", `{"n":1}`, `{"a":2,"b":20}`, map[string]int{"a": 1, "b": 1}},
		{"retry", `{}`, `{"third":3,"why":"StepError: no way"}`, map[string]int{"third": 3, "never": 2}},
		{"branches", `{"items":[1,2,3,4,5]}`, `{"both":["left","right",6],"squares":[1,4,9,16,25],"some":[1,3],"failed":1}`,
			map[string]int{"left": 1, "right": 1, "deep": 1, "square": 5}},
		{"chained", `{"n":4}`, `{"durable":{"a":5,"b":50},"plain":8,"why":"InvokeError: it is broken","unknown":"InvokeError"}`, nil},
		{"condition", `{}`, `3`, map[string]int{"count": 3}},
		{"crash", `{}`, `{"again":2,"once":"StepError","times":1}`, map[string]int{"again": 2, "once": 1}},
		{"fails", `{"n":7}`, `{"errorType":"RangeError","errorMessage":"beyond 7","errorData":null,"stackTrace":null}`, nil},
		{"naked", `{}`, `{"errorType":"Durable.InvalidAnswer","errorMessage":"the handler returned no Status of SUCCEEDED, FAILED or PENDING: is it made with withDurableExecution?","errorData":null,"stackTrace":null}`, nil},
	}
	r := start(t)
	for _, c := range cases {
		t.Run(c.function, func(t *testing.T) {
			t.Parallel() // most of the time they wait
			resp, got := r.invoke(c.function, c.in)
			same(t, c.function, got, c.want)
			if failed := strings.Contains(c.want, "errorType"); failed != (resp.Header.Get("X-Amz-Function-Error") != "") {
				t.Errorf("the headers are %v", resp.Header)
			}
			for what, n := range c.did {
				if got := r.times(c.function)[what]; got != n {
					t.Errorf("%s was done %d times, not %d", what, got, n)
				}
			}
		})
	}
}

// TestLarge has more state than an event carries, results that are kept as their
// children, and a large result.
func TestLarge(t *testing.T) {
	t.Parallel()
	r := start(t)
	_, got := r.invoke("large", `{"parts":40}`)
	var out struct {
		Parts []string
		Child int
		Text  string
	}
	if err := json.Unmarshal([]byte(got), &out); err != nil {
		t.Fatalf("%v: %.300s", err, got)
	}
	if len(out.Parts) != 40 || out.Parts[39] != "920000" || out.Child != 400_000 || len(out.Text) != 500_000 {
		t.Errorf("got %v, %d and %d", out.Parts, out.Child, len(out.Text))
	}
	if n := r.times("large"); n["part"] != 40 || n["piece"] != 1 {
		t.Errorf("done %v", n)
	}
}

// client is the AWS SDK, in a process of its own.
type client struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

func (r *rig) client() *client {
	r.t.Helper()
	cmd := exec.Command(node(r.t), filepath.Join(r.dir, "client.mjs"), r.url)
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stderr = r.t.Output()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = in.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			r.t.Error(err)
		}
	})
	c := &client{r.t, in, bufio.NewScanner(out)}
	c.out.Buffer(nil, 16<<20)
	return c
}

// call makes one operation.
func (c *client) call(operation string, input map[string]any) map[string]any {
	c.t.Helper()
	b, err := json.Marshal([]any{operation, input})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatal(c.out.Err())
	}
	var out map[string]any
	if err := json.Unmarshal(c.out.Bytes(), &out); err != nil {
		c.t.Fatal(err)
	}
	return out
}

// id waits until a handler has told the id of a callback.
func (r *rig) id(name string) string {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, line := range r.lines("callbacks") {
			if id, ok := strings.CutPrefix(line, name+" "); ok {
				return id
			}
		}
	}
	r.t.Fatalf("no callback %s was told; done: %v", name, r.lines("callbacks"))
	return ""
}

// TestCallbacks answers callbacks in each way, with the AWS SDK, and in wrong
// ones.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	r := start(t)
	c := r.client()
	want := func(out map[string]any, code string) {
		t.Helper()
		if got, _ := out["error"].(string); got != code {
			t.Errorf("got %v, want %q", out, code)
		}
	}
	begun := c.call("Invoke", map[string]any{"FunctionName": "callbacks", "InvocationType": "Event", "DurableExecutionName": "one", "Payload": "{}"})
	arn, _ := begun["DurableExecutionArn"].(string)
	approve := r.id("approve")
	want(c.call("SendDurableExecutionCallbackHeartbeat", map[string]any{"CallbackId": approve}), "InvalidParameterValueException")
	want(c.call("SendDurableExecutionCallbackSuccess", map[string]any{"CallbackId": approve, "Result": `"yes"`}), "")
	want(c.call("SendDurableExecutionCallbackSuccess", map[string]any{"CallbackId": approve, "Result": `"no"`}), "InvalidParameterValueException")
	want(c.call("SendDurableExecutionCallbackSuccess", map[string]any{"CallbackId": approve[:len(approve)-4] + "QUFB"}), "ResourceNotFoundException")
	want(c.call("SendDurableExecutionCallbackSuccess", map[string]any{"CallbackId": "nonsense"}), "InvalidParameterValueException")
	want(c.call("SendDurableExecutionCallbackFailure", map[string]any{"CallbackId": r.id("refuse"),
		"Error": map[string]any{"ErrorType": "Refused", "ErrorMessage": "not today"}}), "")
	late := r.id("late")
	alive := r.id("alive")
	want(c.call("SendDurableExecutionCallbackSuccess", map[string]any{"CallbackId": late}), "CallbackTimeoutException")
	for range 2 {
		want(c.call("SendDurableExecutionCallbackHeartbeat", map[string]any{"CallbackId": alive}), "")
	}
	want(c.call("SendDurableExecutionCallbackSuccess", map[string]any{"CallbackId": alive, "Result": "well"}), "")
	want(c.call("SendDurableExecutionCallbackSuccess", map[string]any{"CallbackId": r.id("direct"), "Result": `{"x":1}`}), "")
	_, got := r.invoke("callbacks", `{}`, "X-Amz-Durable-Execution-Name", "one") // it waits for the same execution
	same(t, arn, got, `{"approve":"\"yes\"","refuse":"CallbackExternalError: not today","late":"CallbackTimeoutError: nobody answered in time",
		"silent":"CallbackTimeoutError: no heartbeat came in time","alive":"well","direct":"{\"x\":1}"}`)
}
