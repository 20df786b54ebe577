// Package policy is how the policy of a call is written outside: in headers of
// HTTP, flags of commands and documents of flows. It makes a wire.Policy of it,
// and back.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/near"
	"github.com/situ-dev/situ/internal/wire"
)

// Retry is a retry policy as JSON. Times are texts such as "200ms" or "1h30m".
type Retry struct {
	Attempts   int      `json:"attempts,omitempty"`
	Backoff    string   `json:"backoff,omitempty"`
	MaxBackoff string   `json:"maxBackoff,omitempty"`
	MaxAge     string   `json:"maxAge,omitempty"`
	On         []string `json:"on,omitempty"`
	Final      []string `json:"final,omitempty"`
}

// members are the names that a Retry has.
var members = []string{"attempts", "backoff", "maxBackoff", "maxAge", "on", "final"}

// Policy returns r as a policy. The error, of kind fault.Invalid, says what is out
// of range.
func (r Retry) Policy() (p wire.Policy, err error) {
	if r.Attempts < 0 || r.Attempts > wire.MaxAttempts {
		return p, bad("attempts: %d is not between 1 and %d", r.Attempts, wire.MaxAttempts)
	}
	p = wire.Policy{Attempts: uint32(r.Attempts), On: wire.CodesOf(r.On), Final: wire.CodesOf(r.Final)}
	for _, f := range []struct {
		name, text string
		to         *wire.Time
	}{{"backoff", r.Backoff, &p.Backoff}, {"maxBackoff", r.MaxBackoff, &p.MaxBackoff}, {"maxAge", r.MaxAge, &p.MaxAge}} {
		if f.text == "" {
			continue
		}
		d, err := time.ParseDuration(f.text)
		if err != nil || d <= 0 {
			return p, bad("%s: %q is not a duration such as 200ms or 1h30m", f.name, f.text)
		}
		*f.to = wire.Time(d)
	}
	for _, code := range append(append([]string{}, r.On...), r.Final...) {
		if code == "" || strings.Contains(code, "\n") {
			return p, bad("%q cannot be an error's code", code)
		}
	}
	return p, p.Check()
}

// ParseRetry reads a Retry as JSON, or the number of attempts alone.
func ParseRetry(text string) (r Retry, err error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > wire.MaxAttempts {
			return r, bad("%d attempts are not between 1 and %d", n, wire.MaxAttempts)
		}
		return Retry{Attempts: n}, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	err = d.Decode(&r)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = bad("there is more after the object")
		}
	}
	if err == nil {
		return r, nil
	}
	if !strings.HasPrefix(text, "{") {
		return r, bad(`%q is neither a number of attempts nor JSON such as {"attempts":5,"backoff":"200ms","maxAge":"1h","on":["busy"]}`, text)
	}
	why := strings.TrimPrefix(err.Error(), "json: ")
	if name, found := strings.CutPrefix(why, "unknown field "); found {
		why = name + " is not known; there is " + strings.Join(members, ", ")
		if hint := near.Name(strings.Trim(name, `"`), members); hint != "" {
			why = name + " is not known; did you mean \"" + hint + "\"?"
		}
	}
	return r, bad(`%s: want a number of attempts, or JSON such as {"attempts":5,"backoff":"200ms","maxAge":"1h","on":["busy"]}`, why)
}

// RetryOf returns the part of p that ParseRetry reads, as text, "" if it is zero.
func RetryOf(p *wire.Policy) string {
	r := Retry{Attempts: int(p.Attempts), Backoff: text(p.Backoff), MaxBackoff: text(p.MaxBackoff), MaxAge: text(p.MaxAge),
		On: p.On.List(), Final: p.Final.List()}
	b, err := json.Marshal(r)
	if err != nil || string(b) == "{}" {
		return ""
	}
	return string(b)
}

func text(t wire.Time) string {
	if t == 0 {
		return ""
	}
	return time.Duration(t).String()
}

// ParseTarget reads what can be called: "type/key.method", where the key may
// have dots, or the name of a function.
func ParseTarget(text string) (to wire.Address, err error) {
	typ, rest, object := strings.Cut(text, "/")
	if !object {
		return wire.Address{Method: text}, wire.CheckName("function", text)
	}
	i := strings.LastIndexByte(rest, '.')
	if i < 0 {
		return to, fault.New(fault.Invalid, "", text, "the method is missing: write type/key.method, or the name of a function")
	}
	to = wire.Address{Type: typ, Key: rest[:i], Method: rest[i+1:]}
	for _, err := range []error{wire.CheckName("type", to.Type), wire.CheckKey(to.Key), wire.CheckName("method", to.Method)} {
		if err != nil {
			return to, fault.Wrap(fault.Invalid, "", text, err)
		}
	}
	return to, nil
}

// Wrong returns which of the three parts of a policy, as Parse takes them, cannot be, and
// why; nil if all can.
func Wrong(parts [3]string) (i int, err error) {
	for i, text := range parts {
		var one [3]string
		one[i] = text
		if _, err := Parse(one[0], one[1], one[2]); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// Parse makes a policy of its three parts, nil if all are "".
func Parse(retry, priority, onFailure string) (*wire.Policy, error) {
	if retry == "" && priority == "" && onFailure == "" {
		return nil, nil
	}
	p := new(wire.Policy)
	if retry != "" {
		r, err := ParseRetry(retry)
		if err != nil {
			return nil, err
		}
		if *p, err = r.Policy(); err != nil {
			return nil, err
		}
	}
	var err error
	if p.Priority, err = wire.ParsePriority(priority); err != nil {
		return nil, err
	}
	if onFailure != "" {
		if p.OnFail, err = ParseTarget(onFailure); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func bad(format string, args ...any) error {
	return fault.New(fault.Invalid, "", "policy", format, args...)
}
