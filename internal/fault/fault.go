// Package fault is the vocabulary of failure: every error that leaves a
// package of Situ has a kind, the operation that failed, the thing it failed
// on and its cause. One table maps kinds to HTTP statuses and exit codes.
//
// It owns no policy: who retries what is decided by the reader of the kind.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what sort of failure an error is, and so what a caller can do.
// Kinds travel as their names; numbers are internal.
type Kind uint8

// The kinds. Append only: names are on the wire and on disk.
const (
	Internal    Kind = iota // a bug of ours: report it
	Invalid                 // malformed request: mend it
	Unfit                   // well-formed, but its payload does not fit the schema
	NotFound                // no such type, method, function, object or record
	Conflict                // the same idempotency key is being worked on
	Mismatch                // the idempotency key was used with another payload
	Failed                  // the handler answered with an error: final
	TooLarge                // over a size limit
	Busy                    // a queue is full: try later
	Unavailable             // shutting down, no worker: try later
	Full                    // the disk is full: reads work
	Timeout                 // no answer in time: the outcome is unknown
	Canceled                // the caller went away
	Crashed                 // the handler panicked or its worker died
	Corrupt                 // stored data is damaged: stop and look
	Moved                   // another owner has it: ask again
	Locked                  // the data directory is in use by another process
	Used                    // a callback token was answered before: final
	Gone                    // a callback token has expired: final
)

type row struct {
	name   string
	status int // HTTP
	exit   int // command line
	retry  bool
}

// table is the one place where a kind becomes a status or an exit code.
// Exit codes are documented in docs/cli.md.
var table = [...]row{
	Internal:    {"internal", 500, 70, false},
	Invalid:     {"invalid", 400, 64, false},
	Unfit:       {"unfit", 422, 65, false},
	NotFound:    {"not-found", 404, 4, false},
	Conflict:    {"in-progress", 409, 5, true},
	Mismatch:    {"key-reused", 422, 65, false},
	Failed:      {"failed", 409, 3, false},
	TooLarge:    {"too-large", 413, 65, false},
	Busy:        {"busy", 429, 75, true},
	Unavailable: {"unavailable", 503, 69, true},
	Full:        {"disk-full", 507, 74, true},
	Timeout:     {"timeout", 504, 75, true},
	Canceled:    {"canceled", 499, 130, false},
	Crashed:     {"crashed", 500, 6, false},
	Corrupt:     {"corrupt", 500, 76, false},
	Moved:       {"moved", 421, 75, true},
	Locked:      {"locked", 423, 73, false},
	Used:        {"token-used", 409, 5, false},
	Gone:        {"token-expired", 410, 4, false},
}

// row returns the kind's row: that of Internal for a kind that there is not.
func (k Kind) row() row {
	if int(k) >= len(table) {
		k = Internal
	}
	return table[k]
}

// String returns the durable name of the kind, for example "not-found".
func (k Kind) String() string { return k.row().name }

// Status returns the HTTP status code of the kind.
func (k Kind) Status() int { return k.row().status }

// Exit returns the exit code of a command that ends with the kind.
func (k Kind) Exit() int { return k.row().exit }

// Retryable reports whether the same request may succeed later.
func (k Kind) Retryable() bool { return k.row().retry }

// ParseKind returns the kind with the given name, or Internal.
func ParseKind(name string) Kind {
	for k, r := range table {
		if r.name == name {
			return Kind(k)
		}
	}
	return Internal
}

// Error is a failure with its kind, operation and subject.
type Error struct {
	Kind  Kind
	Op    string        // what was being done, as package.operation: "shard.append"
	On    string        // the thing it was done on: "flight/BA123"
	Msg   string        // what is wrong and what to do about it
	Code  string        // for Failed: the application's own code
	Retry time.Duration // for retryable kinds: when to try again; 0 is unknown
	Err   error         // the cause
}

// New returns an error of the given kind with a message for people.
func New(k Kind, op, on, format string, args ...any) *Error {
	return &Error{Kind: k, Op: op, On: on, Msg: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of the given kind caused by err, or nil if err is nil.
func Wrap(k Kind, op, on string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Op: op, On: on, Err: err}
}

// Error returns "op subject: message: cause", leaving out what is empty.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.On != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.On)
	}
	for _, s := range []string{e.Msg, text(e.Err)} {
		if s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(s)
	}
	if b.Len() == 0 {
		return e.Kind.String()
	}
	return b.String()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost Error in err's chain, or Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
