package execution

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/lambda/durable"
)

// Type is the type of executions. An object's key is Key of its function and
// its name.
var Type = situ.NewType("situ.execution", situ.Doc("A durable execution of a Lambda function."))

// Methods of an execution. Refusals have the names of the API's exceptions as
// their codes.
var (
	// Begin starts an execution, if it has not been started.
	Begin = situ.NewMethod[durable.Spec, Outcome](Type, "start")
	// Execute does so, and answers when it is over.
	Execute    = situ.NewMethod[durable.Spec, Outcome](Type, "execute")
	Checkpoint = situ.NewMethod[CheckpointIn, CheckpointOut](Type, "checkpoint")
	Page       = situ.NewMethod[PageIn, Operations](Type, "page", situ.ReadOnly)
	Describe   = situ.NewMethod[string, durable.Head](Type, "describe", situ.ReadOnly) // of an ARN; "" is whichever it is
	History    = situ.NewMethod[HistoryIn, Operations](Type, "history", situ.ReadOnly)
	Answer     = situ.NewMethod[durable.Reply, situ.None](Type, "answer")
	Stop       = situ.NewMethod[StopIn, int64](Type, "stop") // ms at which it was over

	next    = situ.NewMethod[int64, event](Type, "next")
	fire    = situ.NewMethod[durable.Timer, situ.None](Type, "fire", situ.Internal)
	ran     = situ.NewMethod[situ.Reply[runOut, int64], situ.None](Type, "ran")
	invoked = situ.NewMethod[situ.Reply[Outcome, string], situ.None](Type, "invoked")
)

// Functions of the platform.
var (
	// Call invokes a function that is not durable.
	Call = situ.NewFunc[CallIn, Outcome]("situ.lambda.call", situ.Timeout(longest))
	run  = situ.NewFunc[runIn, runOut]("situ.lambda.run", situ.Internal, situ.Timeout(longest))
)

// longest is how long an invocation may last, with its wait for an instance.
const longest = time.Hour

// Outcome is what became of an execution, or of an invocation.
type Outcome struct {
	ARN    string               `json:"arn"`    // of the execution
	Status string               `json:"status"` // RUNNING if it is not over
	Result *string              `json:"result,omitempty"`
	Error  *durable.ErrorObject `json:"error,omitempty"`
	Body   string               `json:"body,omitempty"` // of an invocation that failed: the error as the function gave it
}

// CheckpointIn is a checkpoint of the execution with that ARN.
type CheckpointIn struct {
	ARN, Token, Client string
	Updates            []durable.Update
}

// CheckpointOut is its answer: the next token, and what has changed, as JSON.
type CheckpointOut struct {
	Token      string
	Operations json.RawMessage
}

// PageIn asks for operations, as durable.State.Page takes it.
type PageIn struct {
	ARN, Token, Marker string
	Most               int
}

// HistoryIn asks for lines of the history, as durable.State.History takes it.
type HistoryIn struct {
	ARN, Marker     string
	Most            int
	Backwards, Data bool
}

// Operations is a page of operations or of the history, as JSON.
type Operations struct {
	List json.RawMessage
	Next string
}

// StopIn says why to stop.
type StopIn struct {
	ARN   string
	Error *durable.ErrorObject
}

// CallIn invokes a function.
type CallIn struct{ Function, Payload, Request, Client string }

type runIn struct {
	Key string
	Run int64
}

type runOut struct {
	Request string
	Body    []byte // JSON: what the handler returned, or its error
	Failed  bool
	Stale   bool // it was over before it began
	Lost    bool // the platform stops
}

// event is what an invocation begins with; Stale says that there is nothing to
// invoke.
type event struct {
	Stale    bool
	Function string
	Body     json.RawMessage
}

// nameForm is how executions may be called.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Key returns the key of the execution of a function with a name.
func Key(function, name string) (string, error) {
	if !nameForm.MatchString(name) {
		return "", &durable.Error{Code: durable.InvalidParameter, Message: fmt.Sprintf("the name of an execution has 1 to 64 letters, digits, '-' and '_'; %q does not", name)}
	}
	return function + "/" + name, nil
}

// The ARNs that we give out.
const (
	Account = "000000000000"
	Version = "$LATEST"
)

// FunctionARN returns the ARN of a function.
func FunctionARN(region, function string) string {
	return "arn:aws:lambda:" + region + ":" + Account + ":function:" + function
}

// ARN returns the ARN of an execution. ID is of its own, should there be another
// with its name.
func ARN(region, function, name, id string) string {
	return FunctionARN(region, function) + ":" + Version + "/durable-execution/" + name + "/" + id
}

// OfARN returns the key of the execution with that ARN.
func OfARN(arn string) (key string, err error) {
	head, tail, ok := strings.Cut(arn, "/durable-execution/")
	parts := strings.Split(head, ":")
	name, _, named := strings.Cut(tail, "/")
	if !ok || !named || len(parts) < 7 || parts[0] != "arn" || parts[5] != "function" || !nameForm.MatchString(parts[6]) {
		return "", &durable.Error{Code: durable.InvalidParameter, Message: fmt.Sprintf("%q is not the ARN of a durable execution", arn)}
	}
	return Key(parts[6], name)
}

// callbackID returns the id of a callback of the execution with that key: who
// has it may answer.
func callbackID(key string) func(*durable.Operation) string {
	return func(o *durable.Operation) string {
		return base64.RawURLEncoding.EncodeToString([]byte(key + "\x00" + o.ID + "\x00" + o.Nonce))
	}
}

// OfCallback returns the key of the execution whose callback has that id, and
// what an answer begins with.
func OfCallback(id string) (key string, r durable.Reply, err error) {
	b, bad := base64.RawURLEncoding.DecodeString(id)
	parts := strings.Split(string(b), "\x00")
	if bad != nil || len(parts) != 3 {
		return "", r, &durable.Error{Code: durable.InvalidParameter, Message: "this is not the id of a callback"}
	}
	return parts[0], durable.Reply{ID: parts[1], Nonce: parts[2]}, nil
}
