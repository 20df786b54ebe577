package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/wire"
)

// refusal is an answer of the door itself, with what helps to mend the request.
type refusal struct {
	kind   fault.Kind
	status int    // 0 is the kind's
	title  string // "" is the kind's
	detail string
	exists []string
	offset *int
	errors []api.Misfit
}

func (r *refusal) Error() string { return r.detail }

// titles are short names of the kinds for people.
var titles = map[fault.Kind]string{
	fault.Internal:    "Internal error",
	fault.Invalid:     "Malformed request",
	fault.Unfit:       "The input does not fit the schema",
	fault.NotFound:    "Not found",
	fault.Conflict:    "A call with this idempotency key is in progress",
	fault.Mismatch:    "The idempotency key was used with another payload",
	fault.Failed:      "The handler answered with an error",
	fault.TooLarge:    "Too large",
	fault.Busy:        "Too busy",
	fault.Unavailable: "Not available",
	fault.Full:        "The disk is full",
	fault.Timeout:     "No answer in time",
	fault.Canceled:    "The caller went away",
	fault.Crashed:     "The handler crashed",
	fault.Corrupt:     "Stored data is damaged",
	fault.Moved:       "Served elsewhere",
	fault.Locked:      "Locked",
	fault.Used:        "The callback token was used",
	fault.Gone:        "The callback token has expired",
}

// problem answers with err as a problem document.
func (x *exchange) problem(err error) {
	var p api.Problem
	kind := fault.KindOf(err)
	if r, ok := errors.AsType[*refusal](err); ok {
		kind = r.kind
		p = api.Problem{Status: r.status, Title: r.title, Detail: r.detail, Exists: r.exists, Offset: r.offset, Errors: r.errors}
	} else {
		p.Detail = err.Error()
		e, ok := errors.AsType[*fault.Error](err)
		switch {
		case ok:
			p.Detail, p.Code = detail(e), e.Code
			x.retryAfter(e.Retry)
		case errors.Is(err, context.DeadlineExceeded):
			kind = fault.Timeout
		case errors.Is(err, context.Canceled):
			kind = fault.Canceled
		}
		if kind == fault.Internal || kind == fault.Corrupt {
			x.h.cfg.Log.Error("request failed", "path", x.head.Path, "err", err)
		}
	}
	x.document(kind, &p)
}

// detail is what an error says to people, without the operation that failed.
func detail(e *fault.Error) string {
	s := e.Msg
	if e.On != "" && !strings.Contains(s, e.On) {
		s = strings.TrimSuffix(e.On+": "+s, ": ")
	}
	if e.Err != nil {
		s = strings.TrimPrefix(s+": "+e.Err.Error(), ": ")
	}
	return s
}

// failure answers with a handler's own error.
func (x *exchange) failure(f *wire.Failure) {
	p := api.Problem{Detail: f.Message, Code: f.Code}
	kind := fault.ParseKind(f.Kind)
	if kind != fault.Crashed && kind != fault.Timeout && kind != fault.Internal {
		p.Title = titles[fault.Failed]
	}
	x.document(kind, &p)
}

func (x *exchange) document(kind fault.Kind, p *api.Problem) {
	p.Type = api.ProblemPrefix + kind.String()
	if p.Status == 0 {
		p.Status = kind.Status()
	}
	if p.Title == "" {
		p.Title = titles[kind]
	}
	p.Instance = x.head.Path
	if (p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable || p.Status == http.StatusInsufficientStorage) && !x.has("Retry-After") {
		x.retryAfter(time.Second)
	}
	if b, ok := appendPlain(x.text[:0], p); ok {
		x.text = b
		x.set("Content-Type", api.ProblemType)
		x.c.Reply(p.Status, x.fields, b)
		return
	}
	x.write(p.Status, api.ProblemType, p)
}

// appendPlain appends p as json.Marshal would write it, and a line feed, if it
// has nothing but plain text: what a busy platform answers most.
func appendPlain(b []byte, p *api.Problem) ([]byte, bool) {
	if p.Exists != nil || p.Offset != nil || p.Errors != nil {
		return b, false
	}
	ok := true
	text := func(name, s string) {
		for i := range len(s) {
			if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
				ok = false
				return
			}
		}
		b = append(append(b, name...), s...)
		b = append(b, '"')
	}
	text(`{"type":"`, p.Type)
	text(`,"title":"`, p.Title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(p.Status), 10)
	for _, m := range [...]struct{ name, s string }{{`,"detail":"`, p.Detail}, {`,"instance":"`, p.Instance}, {`,"code":"`, p.Code}} {
		if m.s != "" {
			text(m.name, m.s)
		}
	}
	return append(b, "}\n"...), ok
}

func (x *exchange) retryAfter(d time.Duration) {
	if d > 0 {
		x.set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}

// json answers with v.
func (x *exchange) json(status int, v any) error {
	x.write(status, "application/json", v)
	return nil
}

func (x *exchange) write(status int, contentType string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		x.h.cfg.Log.Error("response cannot be encoded", "path", x.head.Path, "err", err)
		b, status = []byte(`{"type":"`+api.ProblemPrefix+`internal","title":"Internal error","status":500}`), 500
	}
	x.set("Content-Type", contentType)
	x.c.Reply(status, x.fields, append(b, '\n'))
}

func (x *exchange) nothing() error {
	x.c.Reply(http.StatusNoContent, x.fields, nil)
	return nil
}

// absent is the refusal of a name that does not exist, with those that do.
// What is the beginning of a sentence.
func absent(what, name string, known []string) *refusal {
	r := &refusal{kind: fault.NotFound, exists: known, detail: fmt.Sprintf("%s %q", what, name)}
	if hint := near.Name(name, known); hint != "" {
		r.detail += fmt.Sprintf("; did you mean %q?", hint)
	} else if len(known) > 0 && len(known) <= 20 {
		r.detail += "; there is " + strings.Join(known, ", ")
	}
	return r
}

func malformed(format string, args ...any) *refusal {
	return &refusal{kind: fault.Invalid, detail: fmt.Sprintf(format, args...)}
}

// why is what an error of ours says, without the operation that failed.
func why(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return detail(e)
	}
	return err.Error()
}
