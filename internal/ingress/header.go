package ingress

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/policy"
	"github.com/situ-dev/situ/internal/span"
	"github.com/situ-dev/situ/internal/wire"
)

// Limits of what headers ask for.
const (
	maxKey   = 255 // bytes of an idempotency key
	maxDelay = 10 * 366 * 24 * time.Hour
)

// values returns the values of a header.
func (x *exchange) values(name string) []string { return x.head.Values(name) }

// preference reads Prefer (RFC 7240): whether the caller will not wait for the
// answer, and how long it does first.
func (x *exchange) preference() (async bool, wait time.Duration, err error) {
	for _, line := range x.values("Prefer") {
		for p := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				async = true
			case "wait":
				n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 32)
				if err != nil {
					return false, 0, malformed("Prefer: wait=%s is not a number of seconds", value)
				}
				wait = min(time.Duration(n)*time.Second, x.h.cfg.MaxWait)
			}
		}
	}
	return async, wait, nil
}

// idempotencyKey reads Idempotency-Key, bare or as a quoted string.
func (x *exchange) idempotencyKey() (string, error) {
	v := x.values(api.HeaderKey)
	if len(v) == 0 {
		return "", nil
	}
	if len(v) > 1 {
		return "", malformed("there are %d Idempotency-Key headers; send one", len(v))
	}
	key := strings.Clone(strings.TrimSpace(v[0])) // it is kept, the request's head must not be
	if n := len(key); n >= 2 && key[0] == '"' && key[n-1] == '"' {
		key = key[1 : n-1]
	}
	if key == "" || len(key) > maxKey {
		return "", malformed("the Idempotency-Key has %d bytes; 1 to %d are allowed", len(key), maxKey)
	}
	for i := range len(key) {
		if key[i] <= 0x20 || key[i] >= 0x7f {
			return "", malformed("the Idempotency-Key has a character at byte %d that is not visible ASCII", i)
		}
	}
	return key, nil
}

// due reads Situ-Delay: a duration ("90s"), seconds ("90") or an instant.
func (x *exchange) due() (wire.Time, error) {
	v := x.values(api.HeaderDelay)
	if len(v) == 0 {
		return 0, nil
	}
	now := x.h.cfg.Now()
	s := strings.TrimSpace(v[0])
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d, ok := duration(s)
		if !ok || len(v) > 1 {
			return 0, malformed("Situ-Delay: %q is neither a duration such as 90s, nor seconds, nor an instant such as 2026-01-02T15:04:05Z", s)
		}
		at = now.Add(d)
	}
	if at.Sub(now) > maxDelay {
		return 0, malformed("Situ-Delay: %s is more than ten years ahead", s)
	}
	if at.Before(now) {
		at = now
	}
	return wire.Time(at.UnixNano()), nil
}

// policy reads Situ-Retry, Situ-Priority and Situ-On-Failure.
func (x *exchange) policy() (*wire.Policy, error) {
	var parts [3]string
	names, some := [...]string{api.HeaderRetry, api.HeaderPriority, api.HeaderOnFailure}, 0
	for i, name := range names {
		v, n := x.head.Value(name)
		if n > 1 || n == 1 && strings.TrimSpace(v) == "" {
			return nil, malformed("%s: send one, with a value", name)
		}
		parts[i] = strings.Clone(strings.TrimSpace(v)) // it is kept, the request's head must not be
		some += n
	}
	if some == 0 {
		return nil, nil
	}
	if i, err := policy.Wrong(parts); err != nil {
		return nil, malformed("%s: %s", names[i], why(err))
	}
	p, err := policy.Parse(parts[0], parts[1], parts[2])
	if err != nil || p.OnFail == (wire.Address{}) {
		return p, err
	}
	cat := x.h.catalogue()
	if p.OnFail.Function() {
		_, err = cat.function(p.OnFail.Method)
	} else {
		_, err = cat.method(p.OnFail.Type, p.OnFail.Method)
	}
	return p, err
}

// deadline reads Situ-Within, a duration ("90s") or seconds ("90"), and
// Situ-Deadline, an instant.
func (x *exchange) deadline(req *wire.Request) error {
	if v, n := x.head.Value(api.HeaderWithin); n > 0 {
		d, ok := duration(strings.TrimSpace(v))
		if !ok || n > 1 || d > maxDelay {
			return malformed("%s: %q is neither a duration such as 90s, nor a number of seconds, or it is over ten years", api.HeaderWithin, v)
		}
		if d == 0 {
			return malformed("%s: a deadline of %s is past: give it one that is to come", api.HeaderWithin, v)
		}
		req.Within = wire.Time(d)
	}
	v, n := x.head.Value(api.HeaderDeadline)
	if n == 0 {
		return nil
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(v))
	if now := x.h.cfg.Now(); err != nil || n > 1 || at.Sub(now) > maxDelay {
		return malformed("%s: %q is not an instant such as 2026-01-02T15:04:05Z of the next ten years", api.HeaderDeadline, v)
	} else if !at.After(now) {
		return malformed("%s: %s is past, it is %s: give it one that is to come", api.HeaderDeadline, v, now.UTC().Format(time.RFC3339))
	}
	req.Until = wire.Time(at.UnixNano())
	return nil
}

// callbackURL reads Situ-Callback-Url: where to post the answer.
func (x *exchange) callbackURL(req *wire.Request) error {
	v, n := x.head.Value(api.HeaderCallback)
	if n == 0 {
		return nil
	}
	if n > 1 {
		return malformed("there are %d %s headers; send one", n, api.HeaderCallback)
	}
	if x.h.cfg.CallbackURL == nil {
		return malformed("%s: callback URLs are not taken here", api.HeaderCallback)
	}
	if err := x.h.cfg.CallbackURL(v); err != nil {
		return malformed("%s: %s", api.HeaderCallback, why(err))
	}
	req.URL, req.Async = strings.Clone(v), true
	return nil
}

// duration reads a Go duration or a number of seconds; not a negative one.
func duration(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(s)
	if err != nil {
		sec, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(sec) || sec > maxDelay.Seconds() {
			return 0, false
		}
		d = time.Duration(sec * float64(time.Second))
	}
	return d, d >= 0
}

// trace returns the caller's traceparent if it is a valid one (W3C Trace
// Context), else "". One of a later version is taken for what it has in common with
// ours.
func (x *exchange) trace() string {
	if v, n := x.head.Value(api.HeaderTrace); n == 1 && validTrace(v) {
		return "00" + v[2:traceLen]
	}
	return ""
}

// traceLen is the length of a traceparent of version 00.
const traceLen = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

func validTrace(s string) bool {
	if len(s) < traceLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return false
	}
	if s[:2] == "ff" || s[:2] == "00" && len(s) != traceLen || len(s) > traceLen && s[traceLen] != '-' {
		return false
	}
	return lowerHex(s[:2]) && lowerHex(s[3:35]) && lowerHex(s[36:52]) && lowerHex(s[53:traceLen]) &&
		!zeros(s[3:35]) && !zeros(s[36:52])
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(s string) bool { return strings.Trim(s, "0") == "" }

// newTrace makes a traceparent, not sampled, for a call that is recorded and came
// without one: those that are not leave nothing that it could name.
func newTrace() string {
	var id [24]byte
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	binary.BigEndian.PutUint64(id[16:], span.DoorParent(id[:16]))
	var b [traceLen]byte
	copy(b[:], "00-")
	hex.Encode(b[3:35], id[:16])
	b[35] = '-'
	hex.Encode(b[36:52], id[16:])
	copy(b[52:], "-00")
	return string(b[:])
}

// The media types of payloads.
const (
	typeJSON = "application/json"
	typeCBOR = "application/cbor"
)

// format returns the format of the request's body.
func (x *exchange) format() (wire.Format, error) {
	v, n := x.head.Value("Content-Type")
	if n == 0 || v == typeJSON {
		return wire.JSON, nil
	}
	media, _, _ := strings.Cut(v, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case typeCBOR:
		return wire.CBOR, nil
	case typeJSON, "text/json",
		"application/x-www-form-urlencoded": // what curl -d says when it is not told
		return wire.JSON, nil
	}
	return 0, &refusal{kind: fault.Invalid, status: http.StatusUnsupportedMediaType, title: "Unsupported media type",
		detail: "the body is " + media + "; send " + typeJSON + " or " + typeCBOR}
}

// wanted returns the format that the answer should have: what Accept likes
// best, or that of the request.
func (x *exchange) wanted(given wire.Format) (wire.Format, error) {
	first, n := x.head.Value("Accept")
	if n == 0 || first == "*/*" || first == "" {
		return given, nil
	}
	best, bestQ := wire.None, 0.0
	for r := range strings.SplitSeq(strings.Join(x.values("Accept"), ","), ",") {
		media, params, _ := strings.Cut(r, ";")
		f := wire.None
		switch strings.ToLower(strings.TrimSpace(media)) {
		case typeJSON:
			f = wire.JSON
		case typeCBOR:
			f = wire.CBOR
		case "*/*", "application/*":
			f = given
		}
		if q := quality(params); f != wire.None && q > bestQ {
			best, bestQ = f, q
		}
	}
	if best == wire.None {
		return 0, &refusal{kind: fault.Invalid, status: http.StatusNotAcceptable, title: "Not acceptable",
			detail: "answers are " + typeJSON + " or " + typeCBOR + "; Accept asks for neither"}
	}
	return best, nil
}

// quality returns the q of the parameters of a media range.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}
