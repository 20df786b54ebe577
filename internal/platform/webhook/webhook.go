// Package webhook posts the answers of calls to the URLs that their callers named:
// the platform's function situ.webhook. It signs what it posts as Standard Webhooks
// has it, and connects only to addresses that the public may know. That it is tried
// again, and what becomes of what nobody takes, is the shard's.
//
// What is posted arrives at least once, under the same webhook-id each time.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/shard/hook"
	"github.com/situ-dev/situ/internal/wire"
)

// Bounds of a delivery.
const (
	timeout   = 20 * time.Second // of one attempt
	maxURL    = 2048             // bytes
	maxAnswer = 64 << 10         // bytes of an answer that are read
)

// Config says how answers are posted. Without a secret none are taken.
type Config struct {
	// Secrets sign what is posted, each for itself: while one takes the place
	// of another, both are here.
	Secrets Secrets
	// Allow is addresses that may be posted to although they are not public,
	// on any port.
	Allow []netip.Prefix
	// Retry says how often it is tried. Zero fields are the platform's of 16
	// attempts, with pauses from 5 s to 6 h: about a day.
	Retry situ.Retry
}

// Secrets are keys for signatures. They do not print.
type Secrets [][]byte

// String hides the secrets.
func (s Secrets) String() string { return fmt.Sprintf("%d secrets", len(s)) }

// GoString hides the secrets.
func (s Secrets) GoString() string { return s.String() }

// ReadSecrets reads a file with a secret in each line: whsec_ and 24 to 64 bytes in
// base 64. The error is of kind fault.Invalid, and has no part of a secret in it.
func ReadSecrets(path string) (all Secrets, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "webhook secrets", "", err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		text, ok := strings.CutPrefix(line, "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(key) < 24 || len(key) > 64 {
			return nil, fault.New(fault.Invalid, "webhook secrets", path, "line %d is no secret: write whsec_ and 24 to 64 random bytes in base 64, such as: echo whsec_$(openssl rand -base64 32)", n)
		}
		all = append(all, key)
	}
	if len(all) == 0 {
		return nil, fault.New(fault.Invalid, "webhook secrets", path, "the file has no secret: echo whsec_$(openssl rand -base64 32) makes one")
	}
	return all, nil
}

// Check returns why answers cannot be posted to a URL, nil if it may be tried: of
// a name it is not known before which addresses it has. The error is of kind
// fault.Invalid.
func (c *Config) Check(raw string) error {
	if len(c.Secrets) == 0 {
		return fault.New(fault.Invalid, "callback URL", "", "callback URLs are not set up here: start the platform with --webhook-secret-file")
	}
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxURL:
		return fault.New(fault.Invalid, "callback URL", "", "the URL has %d bytes; at most %d are allowed", len(raw), maxURL)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fault.New(fault.Invalid, "callback URL", "", "it is no URL of the form https://host/path")
	case u.User != nil:
		return fault.New(fault.Invalid, "callback URL", u.Host, "a URL with a password in it would be kept and shown: what is posted is signed, check that")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if u.Port() == "" {
		port, err = map[string]uint64{"https": 443, "http": 80}[u.Scheme], nil
	}
	if err != nil {
		return fault.New(fault.Invalid, "callback URL", u.Host, "the port is no number up to 65535")
	}
	if strings.EqualFold(u.Hostname(), "localhost") {
		return c.admit(netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port)))
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return c.admit(netip.AddrPortFrom(ip, uint16(port)))
	}
	if !c.allowsPort(uint16(port)) {
		return badPort(u.Host)
	}
	return nil
}

// Function is the function that posts.
type Function struct {
	cfg    Config
	client *http.Client
}

// Component returns what the platform hosts.
func Component(cfg Config) situ.Component {
	retry := cfg.Retry
	if retry.Attempts == 0 && retry.Backoff == 0 && retry.MaxBackoff == 0 {
		retry = situ.RetryPolicy(16, 5*time.Second, 6*time.Hour)
	}
	f := &Function{cfg: cfg}
	f.client = &http.Client{Transport: f.cfg.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	name := situ.NewFunc[hook.Delivery, situ.None](hook.Function, situ.Doc("Posts the answer of a call to the URL that its caller named."),
		situ.Internal, // nobody outside is to have anything signed that they like
		situ.Timeout(timeout+10*time.Second), situ.Retries(retry))
	return situ.Function(name, f.deliver).WhenClosed(f.client.CloseIdleConnections)
}

// deliver posts once. What may be better later is tried again, as what panics is;
// what will not is an answer of the kind that makes it a dead letter.
func (f *Function) deliver(t *situ.Turn, d hook.Delivery) (none situ.None, err error) {
	if len(f.cfg.Secrets) == 0 {
		panic("there is no secret to sign with: start the platform with --webhook-secret-file")
	}
	ctx, cancel := context.WithTimeout(t, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return none, final("the URL cannot be used: %v", err)
	}
	f.cfg.sign(req.Header, d.ID, t.Now(), d.Payload)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Situ-Webhook")
	resp, err := f.client.Do(req)
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		return none, final("%s: %s", req.URL.Host, refused.Msg)
	}
	if err != nil {
		panic(fmt.Sprintf("%s did not take the answer of %s: %v", req.URL.Host, d.ID, withoutURL(err)))
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the connection can be used again; what it says does not matter
	_ = resp.Body.Close()
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return none, nil
	case code/100 == 5, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusConflict, code == http.StatusTooEarly:
		panic(fmt.Sprintf("%s answered %s for %s", req.URL.Host, resp.Status, d.ID))
	case code/100 == 3:
		return none, final("%s answered %s: redirects are not followed", req.URL.Host, resp.Status)
	default:
		return none, final("%s answered %s", req.URL.Host, resp.Status)
	}
}

// withoutURL is why a request failed: the URL's query may have a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// final is a failure that makes a dead letter at once.
func final(format string, args ...any) error {
	return &situ.Error{Kind: fault.Failed.String(), Code: wire.Refused, Message: "the answer is not taken: " + fmt.Sprintf(format, args...)}
}

// sign sets the headers of Standard Webhooks.
func (c *Config) sign(h http.Header, id string, now time.Time, payload []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	var all []string
	for _, secret := range c.Secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + at + "."))
		mac.Write(payload)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", at)
	h.Set("webhook-signature", strings.Join(all, " "))
}
