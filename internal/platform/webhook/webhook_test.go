package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/platform/webhook"
	"github.com/situ-dev/situ/internal/shard/hook"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

var (
	secret  = webhook.Secrets{[]byte("a secret of at least 24 bytes")}
	here    = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	quick   = situ.RetryPolicy(3, time.Millisecond, 2*time.Millisecond)
	divide  = situ.NewFunc[[2]int, int]("divide")
	program = []situ.Component{situ.Function(divide, func(_ *situ.Turn, in [2]int) (int, error) {
		if in[1] == 0 {
			return 0, situ.Errorf("zero", "%d by nothing", in[0])
		}
		return in[0] / in[1], nil
	})}
)

// post is one that a receiver got.
type post struct {
	id, at, signature string
	body              []byte
	event             hook.Event
}

// receiver takes what is posted, after it has answered otherwise.
func receiver(t *testing.T, before ...int) (string, chan post) {
	posts, n := make(chan post, 10), 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		p := post{r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), body, hook.Event{}}
		if err != nil || json.Unmarshal(body, &p.event) != nil {
			t.Errorf("body %q: %v", body, err)
		}
		if n++; n <= len(before) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(before[n-1])
		}
		posts <- p
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/hook?x=1", posts
}

// open runs a node with the program and the platform.
func open(t *testing.T, cfg webhook.Config) *node.Node {
	t.Helper()
	n, err := node.Open(node.Config{Dir: "situ", Mode: "embedded", Store: store.Options{FS: vfs.NewMem(), Shards: 2, MinFree: 1, MemTable: 1 << 20, Cache: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	own, err := platform.Assemble(platform.Config{Webhook: cfg})
	if err != nil {
		t.Fatal(err)
	}
	user, err := situ.Assemble(program...)
	if err != nil {
		t.Fatal(err)
	}
	var locals []*platform.Local
	for name, set := range map[string]*host.Set{node.Platform: own, node.Main: user} {
		l, err := platform.Run(n.Program(name), set, host.Config{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		locals = append(locals, l)
	}
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, l := range locals {
			l.Close()
		}
	})
	return n
}

func call(t *testing.T, n *node.Node, url, input string) wire.InvocationID {
	t.Helper()
	resp, err := n.Invoke(t.Context(), &wire.Request{To: wire.Address{Method: "divide"}, Body: wire.Payload{Format: wire.JSON, Data: []byte(input)},
		Want: wire.CBOR, Async: true, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return resp.ID
}

// An answer is posted as it is in the record, signed, and again until it is taken.
func TestPosted(t *testing.T) {
	n := open(t, webhook.Config{Secrets: secret, Allow: here, Retry: quick})
	for _, c := range []struct {
		input, typ, want string
		before           []int
	}{
		{"[6,2]", "invocation.done", `3`, nil},
		{"[6,0]", "invocation.failed", `zero`, nil},
		{"[8,2]", "invocation.done", `4`, []int{500, 429}},
	} {
		url, posts := receiver(t, c.before...)
		id := call(t, n, url, c.input)
		for range len(c.before) + 1 {
			p := <-posts
			mac := hmac.New(sha256.New, secret[0])
			_, _ = fmt.Fprintf(mac, "%s.%s.%s", p.id, p.at, p.body)
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); p.signature != want {
				t.Errorf("signature %s, want %s", p.signature, want)
			}
			got := string(p.event.Data.Result)
			if p.event.Data.Error != nil {
				got = p.event.Data.Error.Code
			}
			if p.id != string(id) || p.event.Type != c.typ || got != c.want || p.event.Data.Target != "divide" {
				t.Errorf("%s: %s", c.input, p.body)
			}
		}
	}
	letters, _, err := n.Dead(t.Context(), "", "", 10)
	if err != nil || len(letters) > 0 {
		t.Errorf("dead letters: %+v, %v", letters, err)
	}
}

// What nobody takes is a dead letter, at once or after the last attempt, and no
// connection is made to where none may be.
func TestNotTaken(t *testing.T) {
	gone, _ := receiver(t, 410)
	moved, _ := receiver(t, 302)
	broken, _ := receiver(t, 500, 500, 500, 500)
	for name, c := range map[string]struct {
		url   string
		allow []netip.Prefix
		why   string
	}{
		"gone":      {gone, here, "410"},
		"moved":     {moved, here, "redirects are not followed"},
		"broken":    {broken, here, "500"},
		"nobody":    {"http://127.0.0.1:1/", here, "refused"},
		"loopback":  {gone, nil, "127.0.0.1 is no public address"},
		"localhost": {strings.Replace(gone, "127.0.0.1", "localhost", 1), nil, "is no public address"},
	} {
		t.Run(name, func(t *testing.T) {
			n := open(t, webhook.Config{Secrets: secret, Allow: c.allow, Retry: quick})
			call(t, n, c.url, "[1,1]")
			for {
				letters, _, err := n.Dead(t.Context(), "", "", 10)
				if err != nil {
					t.Fatal(err)
				}
				if len(letters) == 0 {
					runtime.Gosched() // nothing tells of a dead letter
					continue
				}
				if l := letters[0]; l.Reason.Kind == "not-found" || l.Envelope.To.Method != hook.Function || !strings.Contains(l.Reason.Message, c.why) {
					t.Errorf("%v: %+v", l.Envelope.To, l.Reason)
				}
				return
			}
		})
	}
}

// A URL that leads nowhere it may is refused before anything is written.
func TestCheck(t *testing.T) {
	open := webhook.Config{Secrets: secret}
	for url, why := range map[string]string{
		"https://example.org/hook":                   "",
		"http://example.org":                         "",
		"https://93.184.216.34/x":                    "",
		"https://[2606:2800:220:1::1]/x":             "",
		"ftp://example.org":                          "no URL",
		"example.org/x":                              "no URL",
		"https://":                                   "no URL",
		"https://u:p@example.org":                    "password",
		"https://example.org:8080":                   "ports",
		"https://example.org:99999":                  "port",
		"http://localhost/":                          "no public address",
		"http://127.0.0.1/":                          "no public address",
		"http://10.1.2.3/":                           "no public address",
		"http://192.168.1.1/":                        "no public address",
		"http://169.254.169.254/latest":              "no public address",
		"http://100.64.1.1/":                         "no public address",
		"http://0.0.0.0/":                            "no public address",
		"http://224.0.0.1/":                          "no public address",
		"http://255.255.255.255/":                    "no public address",
		"http://[::1]/":                              "no public address",
		"http://[::ffff:10.0.0.1]/":                  "no public address",
		"http://[::ffff:169.254.169.254]/":           "no public address",
		"http://[64:ff9b::a00:1]/":                   "no public address",
		"http://[2002:a00:1::]/":                     "no public address",
		"http://[fd00::1]/":                          "no public address",
		"http://[fe80::1%25eth0]/":                   "no public address",
		"http://[ff02::1]/":                          "no public address",
		"https://" + strings.Repeat("a", 2048) + "/": "bytes",
	} {
		err := open.Check(url)
		if (err == nil) != (why == "") || err != nil && (!strings.Contains(err.Error(), why) || !fault.Is(err, fault.Invalid)) {
			t.Errorf("%s: %v, want %q", url, err, why)
		}
	}
	allowed := webhook.Config{Secrets: secret, Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, url := range []string{"http://10.1.2.3:9000/", "http://[::ffff:10.0.0.1]:81/", "http://intranet:8000/"} {
		if err := allowed.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if err := allowed.Check("http://127.0.0.1/"); err == nil {
		t.Error("another address is allowed, too")
	}
	if err := new(webhook.Config).Check("https://example.org"); err == nil || !strings.Contains(err.Error(), "--webhook-secret-file") {
		t.Errorf("without a secret: %v", err)
	}
}

// Secrets are read from a file, and are in no message.
func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	good := "whsec_" + base64.StdEncoding.EncodeToString(secret[0])
	for text, want := range map[string]int{
		good: 1, "# old and new\n" + good + "\n\n" + good + "\n": 2,
		"": 0, "whsec_": 0, "hunter2-is-no-secret": 0, good + "x": 0, "whsec_" + base64.StdEncoding.EncodeToString([]byte("short")): 0,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := webhook.ReadSecrets(path)
		if len(got) != want || (err == nil) != (want > 0) || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %d, %v", text, len(got), err)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", secret, webhook.Config{Secrets: secret}, secret); strings.Contains(s, "97") || strings.Contains(s, "secret of") {
		t.Errorf("a secret is printed: %s", s)
	}
}
