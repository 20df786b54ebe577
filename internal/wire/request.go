package wire

// Request is a call from outside, as a door hands it to the node.
type Request struct {
	To     Address
	Body   Payload
	Want   Format  // how the answer is to be encoded
	Key    string  // idempotency key, "" is none
	Async  bool    // answer as soon as the call is durable
	Due    Time    // not before; 0 is now
	Until  Time    // the caller has an answer then at the latest; 0 is no deadline
	Within Time    // the same, counted from when the shard takes the call, in nanoseconds
	URL    string  // of an Async call: its answer is posted there; "" is nowhere
	Trace  string  // W3C traceparent, "" is none
	Policy *Policy // of retries; nil is the type's
	Stick  uint64  // of a function: which version runs it; 0 is any
}

// Plain reports whether r is a call with an input and nothing more: no key, no
// time, no policy.
func (r *Request) Plain() bool {
	return r.Key == "" && !r.Async && r.Due == 0 && r.Policy == nil && r.Until == 0 && r.Within == 0 && r.URL == "" && r.Stick == 0
}

// Response is what a Request led to.
type Response struct {
	ID   InvocationID // set when the call is recorded: it was Async, or had a Key
	Done bool         // false only for Async: the answer is to come
	Body Payload
	Fail *Failure // the handler's answer, if it is an error
	// Again reports that the answer was recorded by an earlier call with the
	// same idempotency key.
	Again bool
}

// Invocation is the record of a call from outside that was asynchronous or
// idempotent. Its status is derived from the answer in the same record.
type Invocation struct {
	ID       InvocationID
	To       Address
	Created  Time
	Finished Time   // 0 while it is pending
	Expires  Time   // when the record goes; 0 while it is pending
	URL      string // the answer is posted there; "" is nowhere
	Digest   []byte // of the request's payload, to tell another payload under the same key
	Body     Payload
	Fail     *Failure
}

// DeadLetter is a message that was given up, with the reason.
type DeadLetter struct {
	ID       string // "shard-number", to name it by
	Envelope *Envelope
	Reason   *Failure
	At       Time // when it was given up
	Halts    bool // its object was paused for it
}

// ObjectInfo is a line in a list of objects.
type ObjectInfo struct {
	ID       ObjectID
	Size     int  // bytes of state
	Modified Time // of the last commit that changed it
}
