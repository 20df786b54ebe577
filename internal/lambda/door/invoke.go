package door

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/lambda/durable"
	"github.com/situ-dev/situ/internal/lambda/execution"
)

// invoke is Invoke.
func (x *exchange) invoke() error {
	name := execution.FunctionName(x.args[0])
	f, ok := x.bridge.Function(name)
	if !ok {
		return &durable.Error{Code: durable.NotFound, Message: "Function not found: " + execution.FunctionARN(x.bridge.Region(), name)}
	}
	payload := string(x.body)
	if payload == "" {
		payload = "{}"
	} else if !json.Valid(x.body) {
		return &refusal{http.StatusBadRequest, "InvalidRequestContentException", "the payload is not JSON"}
	}
	x.w.Header().Set("X-Amz-Executed-Version", execution.Version)
	kind := x.r.Header.Get("X-Amz-Invocation-Type")
	switch kind {
	case "", "RequestResponse", "Event":
	case "DryRun":
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		return &durable.Error{Code: durable.InvalidParameter, Message: "X-Amz-Invocation-Type is RequestResponse, Event or DryRun, not " + kind}
	}
	if f.Durable {
		return x.execute(f, payload, kind == "Event")
	}
	if x.r.Header.Get("X-Amz-Durable-Execution-Name") != "" {
		return &durable.Error{Code: durable.InvalidParameter, Message: "the function " + name + " is not durable: leave out DurableExecutionName, or run it with --lambda-durable"}
	}
	return x.call(name, payload, kind == "Event")
}

// call invokes a function that is not durable.
func (x *exchange) call(name, payload string, async bool) error {
	in := execution.CallIn{Function: name, Payload: payload, Request: x.w.Header().Get("X-Amzn-RequestId")}
	if c := x.r.Header.Get("X-Amz-Client-Context"); c != "" {
		b, err := base64.StdEncoding.DecodeString(c)
		if err != nil || !json.Valid(b) {
			return &durable.Error{Code: durable.InvalidParameter, Message: "X-Amz-Client-Context is not JSON in base64"}
		}
		in.Client = string(b)
	}
	if async {
		if _, err := situ.Start(x.r.Context(), x.bridge.Caller(), execution.Call.With(in)); err != nil {
			return err
		}
		x.w.WriteHeader(http.StatusAccepted)
		return nil
	}
	out, err := situ.Do(x.r.Context(), x.bridge.Caller(), execution.Call.With(in))
	if err != nil {
		return err
	}
	x.outcome(out)
	return nil
}

// execute starts a durable execution, and waits for it unless it is async.
func (x *exchange) execute(f *execution.Function, payload string, async bool) error {
	name := x.r.Header.Get("X-Amz-Durable-Execution-Name")
	if name == "" {
		name = execution.RequestID()
	}
	key, err := execution.Key(f.Name, name)
	if err != nil {
		return err
	}
	method := execution.Execute
	if async {
		method = execution.Begin
	}
	out, err := situ.Do(x.r.Context(), x.bridge.Caller(), method.To(key, f.Spec(x.bridge.Region(), name, payload)))
	if err != nil {
		return err
	}
	x.w.Header().Set("X-Amz-Durable-Execution-Arn", out.ARN)
	if async {
		x.w.WriteHeader(http.StatusAccepted)
		return nil
	}
	x.outcome(out)
	return nil
}

// outcome writes what an invocation came to.
func (x *exchange) outcome(out execution.Outcome) {
	x.w.Header().Set("Content-Type", "application/json")
	body := "null"
	if out.Status == durable.Succeeded {
		if out.Result != nil && *out.Result != "" {
			body = *out.Result
		}
	} else {
		x.w.Header().Set("X-Amz-Function-Error", "Unhandled")
		body = out.Body
		if body == "" {
			body = failed(out)
		}
	}
	_, _ = x.w.Write([]byte(body)) // an error means that the client is gone
}

// failed is the payload of an execution that failed.
func failed(out execution.Outcome) string {
	e := out.Error
	if e == nil {
		e = durable.NewError("Execution."+out.Status, "the execution ended as "+out.Status)
	}
	b, err := json.Marshal(map[string]any{"errorType": e.Type, "errorMessage": e.Message, "errorData": e.Data, "stackTrace": e.Stack})
	if err != nil {
		return `{"errorType":"Unhandled"}`
	}
	return string(b)
}
