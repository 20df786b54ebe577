package situ

import (
	"errors"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/wire"
)

// A Reply is the input of a continuation: the result of the call that a turn
// made with Then, and the value that the turn left for it.
type Reply[R, C any] struct {
	Value R
	Carry C
	fail  *wire.Failure
}

// Err returns the failure of the call, an *Error, or nil.
func (r Reply[R, C]) Err() error { return errorOf(r.fail) }

// continuation is what the input of a continuation implements.
type continuation interface{ fromReply(*wire.Envelope) error }

func (r *Reply[R, C]) fromReply(env *wire.Envelope) error {
	r.fail = env.Fail
	if err := codec.Unpack(env.Carry, &r.Carry); err != nil {
		return err
	}
	if env.Fail != nil {
		return nil
	}
	return codec.Unpack(env.Body, &r.Value)
}

// Error is an answer that is an error: what a handler returned, or why the
// platform could not carry a call out.
type Error struct {
	// Code is the application's own name for what went wrong, for callers to
	// branch on; "" if it gave none.
	Code string
	// Kind is the platform's: "failed" for a handler's own errors, otherwise
	// "not-found", "timeout", "busy" and so on, as in the HTTP API.
	Kind    string
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf is a handler's answer: an error with a code of the application's own.
// Any other error is answered with its text and no code.
func Errorf(code, format string, args ...any) error {
	return &Error{Code: code, Kind: fault.Failed.String(), Message: fault.New(fault.Failed, "", "", format, args...).Error()}
}

// CodeOf returns the code of the Error in err's chain, "" if there is none.
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func errorOf(f *wire.Failure) error {
	if f == nil {
		return nil
	}
	return &Error{Code: f.Code, Kind: f.Kind, Message: f.Message}
}

// failureOf describes what a handler returned: what it says it is, or an
// answer of its own.
func failureOf(err error) *wire.Failure {
	f := &wire.Failure{Kind: fault.Failed.String(), Message: err.Error(), Code: CodeOf(err)}
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != "" {
		f.Kind = e.Kind
	} else if e, ok := errors.AsType[*fault.Error](err); ok {
		f.Kind = e.Kind.String()
	}
	return f
}
