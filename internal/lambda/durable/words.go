package durable

// Types of operations.
const (
	Execution     = "EXECUTION"
	Context       = "CONTEXT"
	Step          = "STEP"
	Wait          = "WAIT"
	Callback      = "CALLBACK"
	ChainedInvoke = "CHAINED_INVOKE"
)

// Actions of updates.
const (
	Start   = "START"
	Succeed = "SUCCEED"
	Fail    = "FAIL"
	Retry   = "RETRY"
	Cancel  = "CANCEL"
)

// Status of operations, of executions, and of what a handler returns.
const (
	Started   = "STARTED"
	Pending   = "PENDING"
	Ready     = "READY"
	Running   = "RUNNING"
	Succeeded = "SUCCEEDED"
	Failed    = "FAILED"
	Cancelled = "CANCELLED"
	Stopped   = "STOPPED"
	TimedOut  = "TIMED_OUT"
)

// Codes of errors: the names of the API's exceptions.
const (
	InvalidParameter = "InvalidParameterValueException"
	NotFound         = "ResourceNotFoundException"
	AlreadyStarted   = "DurableExecutionAlreadyStartedException"
	CallbackTimeout  = "CallbackTimeoutException"
)

// An Error is a refusal: nothing was changed.
type Error struct {
	Code    string // the exception of the API
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// ErrorObject is an error of user code, as it travels.
type ErrorObject struct {
	Message *string  `json:"ErrorMessage,omitempty"`
	Type    *string  `json:"ErrorType,omitempty"`
	Data    *string  `json:"ErrorData,omitempty"`
	Stack   []string `json:"StackTrace,omitempty"`
}

// NewError returns an error object of a type with a message.
func NewError(typ, message string) *ErrorObject {
	return &ErrorObject{Type: &typ, Message: &message}
}

// Operation is a row of the table. Times are milliseconds since 1970, 0 if
// there is none.
type Operation struct {
	ID       string       `json:"id"`
	Parent   string       `json:"parent,omitempty"`
	Name     *string      `json:"name,omitempty"`
	Type     string       `json:"type"`
	SubType  *string      `json:"subtype,omitempty"`
	Status   string       `json:"status"`
	Started  int64        `json:"started"`
	Ended    int64        `json:"ended,omitempty"`
	Input    *string      `json:"input,omitempty"`  // of the execution
	Result   *string      `json:"result,omitempty"` // or what a step has kept for its next attempt
	Error    *ErrorObject `json:"error,omitempty"`
	Children bool         `json:"children,omitempty"` // a context whose children are run again in a replay
	Attempt  int          `json:"attempt,omitempty"`  // of a step: how many have ended
	Due      int64        `json:"due,omitempty"`      // the end of a wait, the next attempt of a step, the timeout of a callback
	Beat     int64        `json:"beat,omitempty"`     // until when a callback must have a sign of life
	Every    int64        `json:"every,omitempty"`    // seconds that a sign of life is good for
	Nonce    string       `json:"nonce,omitempty"`    // of a callback: who knows it may answer
	Function string       `json:"function,omitempty"` // that is invoked
	Tenant   string       `json:"tenant,omitempty"`
}

// Open reports whether the operation waits for something outside the handler.
func (o *Operation) Open() bool {
	switch o.Status {
	case Pending:
		return true
	case Started:
		return o.Type == Wait || o.Type == Callback || o.Type == ChainedInvoke
	}
	return false
}

// Over reports whether the operation has come to its end.
func (o *Operation) Over() bool {
	return o.Status != Started && o.Status != Pending && o.Status != Ready
}

// Update is one change that a checkpoint asks for.
type Update struct {
	ID      string       `json:"Id"`
	Parent  string       `json:"ParentId,omitempty"`
	Name    *string      `json:"Name,omitempty"`
	Type    string       `json:"Type"`
	SubType *string      `json:"SubType,omitempty"`
	Action  string       `json:"Action"`
	Payload *string      `json:"Payload,omitempty"`
	Error   *ErrorObject `json:"Error,omitempty"`

	ContextOptions *struct {
		ReplayChildren bool `json:"ReplayChildren"`
	} `json:"ContextOptions,omitempty"`
	StepOptions *struct {
		Delay int64 `json:"NextAttemptDelaySeconds"`
	} `json:"StepOptions,omitempty"`
	WaitOptions *struct {
		Seconds int64 `json:"WaitSeconds"`
	} `json:"WaitOptions,omitempty"`
	CallbackOptions *struct {
		Timeout   int64 `json:"TimeoutSeconds"`
		Heartbeat int64 `json:"HeartbeatTimeoutSeconds"`
	} `json:"CallbackOptions,omitempty"`
	InvokeOptions *struct {
		Function string `json:"FunctionName"`
		Tenant   string `json:"TenantId,omitempty"`
	} `json:"ChainedInvokeOptions,omitempty"`
}
