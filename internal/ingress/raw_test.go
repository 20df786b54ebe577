package ingress

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/api"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/ingress/h1"
	"github.com/situ-dev/situ/internal/wire"
)

// countingEngine answers at once with the input, and counts.
type countingEngine struct {
	instantEngine
	calls atomic.Int64
}

func (e *countingEngine) Begin(r *wire.Request, _ func(*wire.Response, error)) (*wire.Response, func(), error) {
	e.calls.Add(1)
	return &wire.Response{Done: true, Body: r.Body}, nil, nil
}

// listen serves e on a free port until the test ends.
func listen(t *testing.T, e Engine, cfg Config, limits h1.Limits) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Server(New(Platform{Engine: e}, cfg), nil)
	s.Limits = limits
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; !errors.Is(err, h1.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return ln.Addr().String()
}

const (
	post  = "POST /v1/functions/echo HTTP/1.1\r\n"
	local = "Host: localhost\r\n"
	ok    = post + local + "Content-Length: 1\r\n\r\n1"
	evil  = post + local + "Content-Length: 4\r\n\r\n\"no\"" // must not run when it is smuggled in
)

// raw is a stream of bytes and what must come of it: the statuses in order,
// the calls that run, and whether the connection is still good afterwards.
type raw struct {
	name, bytes string
	want        []int
	calls       int
	kept        bool
}

// rawRequests are T20: what a strict server takes, and what it refuses.
var rawRequests = []raw{
	{"plain", ok, []int{200}, 1, true},
	{"pipelined", ok + ok + ok, []int{200, 200, 200}, 3, true},
	{"pipelined after a refusal of the handler", post[:20] + "x HTTP/1.1\r\n" + local + "Content-Length: 1\r\n\r\n1" + ok, []int{404, 200}, 1, true},
	{"a body that nobody reads is skipped", "GET /v1/functions HTTP/1.1\r\n" + local + "Content-Length: 3\r\n\r\nabc" + ok, []int{200, 200}, 1, true},
	{"chunked", post + local + "Transfer-Encoding: chunked\r\n\r\n2\r\n\"a\r\n2;a=b;c\r\nb\"\r\n0\r\n\r\n" + ok, []int{200, 200}, 2, true},
	{"connection: close", post + local + "Connection: close\r\nContent-Length: 1\r\n\r\n1" + evil, []int{200}, 1, false},
	{"HTTP/1.0", strings.Replace(ok, "1.1", "1.0", 1) + evil, []int{200}, 1, false},
	{"HTTP/1.0 keep-alive", strings.Replace(ok, "1.1\r\n", "1.0\r\nConnection: keep-alive\r\n", 1), []int{200}, 1, true},
	{"absolute target", "POST http://localhost/v1/functions/echo HTTP/1.1\r\n" + ok[len(post):], []int{200}, 1, true},
	{"empty field", post + local + "X:\r\nContent-Length: 1\r\n\r\n1", []int{200}, 1, true},
	{"HEAD", "HEAD /v1/functions HTTP/1.1\r\n" + local + "\r\n", []int{200}, 0, true},

	{"two lengths", post + local + "Content-Length: 1\r\nContent-Length: 6\r\n\r\n1" + evil, []int{400}, 0, false},
	{"the same length twice", post + local + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"a list of lengths", post + local + "Content-Length: 1, 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"length with a sign", post + local + "Content-Length: +1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"negative length", post + local + "Content-Length: -1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"empty length", post + local + "Content-Length: \r\n\r\n" + evil, []int{400}, 0, false},
	{"hexadecimal length", post + local + "Content-Length: 0x1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"length beyond 64 bits", post + local + "Content-Length: 18446744073709551617\r\n\r\n1" + evil, []int{400}, 0, false},
	{"length and chunks", post + local + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"chunks and length", post + local + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"chunked twice", post + local + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"a list of codings", post + local + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + evil, []int{501}, 0, false},
	{"chunked, then identity", post + local + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + evil, []int{501}, 0, false},
	{"coding with a vertical tab", post + local + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"chunks in HTTP/1.0", strings.Replace(post, "1.1", "1.0", 1) + local + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + evil, []int{400}, 0, false},

	{"bare LF after the request line", post[:len(post)-2] + "\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"bare LF after a field", post + "Host: localhost\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"bare LFs only", strings.ReplaceAll(ok, "\r\n", "\n"), []int{400}, 0, false},
	{"bare CR after a field", post + "Host: localhost\rContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"CR in a value", post + local + "X: a\rb\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"NUL in a value", post + local + "X: a\x00b\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"DEL in a value", post + local + "X: a\x7fb\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"NUL in a name", post + local + "X\x00: a\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"space before the first name", post + " " + ok[len(post):] + evil, []int{400}, 0, false},
	{"folded field", post + local + "X: a\r\n b\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"folded length", post + local + "Content-Length:\r\n 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"space before the colon", post + local + "Content-Length : 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"no colon", post + local + "Content-Length\r\n\r\n" + evil, []int{400}, 0, false},
	{"empty name", post + local + ": 1\r\n\r\n" + evil, []int{400}, 0, false},
	{"name that is not ASCII", post + local + "é: 1\r\n\r\n" + evil, []int{400}, 0, false},

	{"chunk size beyond 64 bits", post + local + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"chunk size of 2^32", post + local + "Transfer-Encoding: chunked\r\n\r\n100000001\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"chunk size with 0x", post + local + "Transfer-Encoding: chunked\r\n\r\n0x1\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"negative chunk size", post + local + "Transfer-Encoding: chunked\r\n\r\n-1\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"no chunk size", post + local + "Transfer-Encoding: chunked\r\n\r\n\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"bare LF after a chunk size", post + local + "Transfer-Encoding: chunked\r\n\r\n1\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"bare LF in an extension", post + local + "Transfer-Encoding: chunked\r\n\r\n1;a\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"bare CR in an extension", post + local + "Transfer-Encoding: chunked\r\n\r\n1;a\rb\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"space after a chunk size", post + local + "Transfer-Encoding: chunked\r\n\r\n1 \r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"empty extension", post + local + "Transfer-Encoding: chunked\r\n\r\n1;\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"endless extensions", post + local + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 5000) + "\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"chunk longer than its size", post + local + "Transfer-Encoding: chunked\r\n\r\n1\r\n11\r\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"bare LF after a chunk", post + local + "Transfer-Encoding: chunked\r\n\r\n1\r\n1\n0\r\n\r\n" + evil, []int{400}, 0, false},
	{"trailer", post + local + "Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nX: y\r\n\r\n" + evil, []int{400}, 0, false},
	{"announced trailer", post + local + "Trailer: X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n" + evil, []int{400}, 0, false},

	{"no Host", post + "Content-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"two Hosts", post + local + local + "Content-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"Host with a path", post + "Host: a/b\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"Host with a space", post + "Host: a b\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"Host with a user", post + "Host: a@b\r\nContent-Length: 1\r\n\r\n1" + evil, []int{400}, 0, false},
	{"target of another host", "POST http://other/v1/functions/echo HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"target of the host in other letters", "POST http://LOCALHOST/v1/functions/echo HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},

	{"no version", "POST /v1/functions/echo\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"two spaces", "POST  /v1/functions/echo HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"space in the target", "POST /v1/functions/echo x HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"tab in the request line", "POST\t/v1/functions/echo HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"space after the version", "POST /v1/functions/echo HTTP/1.1 \r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"version of lower case", "POST /v1/functions/echo http/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"HTTP/2.0", "POST /v1/functions/echo HTTP/2.0\r\n" + ok[len(post):] + evil, []int{505}, 0, false},
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{505}, 0, false},
	{"HTTP/1.2", "POST /v1/functions/echo HTTP/1.2\r\n" + ok[len(post):] + evil, []int{505}, 0, false},
	{"method that is no token", "PO(ST /v1/functions/echo HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"empty line first", "\r\n" + ok, []int{400}, 0, false},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", []int{400}, 0, false},
	{"NUL in the target", "POST /v1/functions/ec\x00ho HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"target with a byte over 0x7f", "POST /v1/functions/ech\xc3\xb6 HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"fragment", "POST /v1/functions/echo#a HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"target that is no path", "POST v1/functions/echo HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},
	{"authority", "CONNECT localhost:80 HTTP/1.1\r\n" + local + "\r\n" + evil, []int{400}, 0, false},
	{"half an escape", "POST /v1/functions/ech%6 HTTP/1.1\r\n" + ok[len(post):] + evil, []int{400}, 0, false},

	{"header too long", post + local + "X: " + strings.Repeat("x", 33<<10) + "\r\n\r\n" + evil, []int{431}, 0, false},
	{"request line too long", "POST /" + strings.Repeat("x", 33<<10), []int{431}, 0, false},
	{"too many fields", post + local + strings.Repeat("x: y\r\n", 200) + "\r\n" + evil, []int{431}, 0, false},
	{"body too long", post + local + "Content-Length: 2000000\r\n\r\n" + evil, []int{413}, 0, false},
	{"chunks too long", post + local + "Transfer-Encoding: chunked\r\n\r\n1e8480\r\n" + evil, []int{413}, 0, false},
	{"other expectation", post + local + "Expect: 200-maybe\r\nContent-Length: 1\r\n\r\n1" + evil, []int{417}, 0, false},
	{"a body is not asked for", post[:20] + "x HTTP/1.1\r\n" + local + "Expect: 100-continue\r\nContent-Length: 79\r\n\r\n" + evil, []int{404}, 0, false},
}

// TestRawRequests sends streams of bytes, whole and byte by byte, and looks at
// what comes back. Nothing that hides behind a malformed request is run.
func TestRawRequests(t *testing.T) {
	e := &countingEngine{instantEngine: *newInstant()}
	e.manifest.Functions = []host.MethodManifest{{Name: "echo"}}
	addr := listen(t, e, Config{Local: true}, h1.Limits{Linger: 50 * time.Millisecond})
	for _, c := range rawRequests {
		for _, piece := range []int{1 << 20, 1} {
			if piece == 1 && len(c.bytes) > 1000 {
				continue
			}
			before := e.calls.Load()
			statuses, kept := c.send(t, addr, piece)
			if !equal(statuses, c.want) || kept != c.kept {
				t.Errorf("%s (pieces of %d): statuses %v, kept %t; want %v, %t", c.name, piece, statuses, kept, c.want, c.kept)
			}
			if got := int(e.calls.Load() - before); got != c.calls {
				t.Errorf("%s (pieces of %d): %d calls ran, want %d", c.name, piece, got, c.calls)
			}
		}
	}
}

func equal(a, b []int) bool {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// send sends the bytes and reads as many answers as are wanted. Kept says
// whether another request, which no server takes for a part of the others, is
// answered too.
func (c *raw) send(t *testing.T, addr string, piece int) (statuses []int, kept bool) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for b := c.bytes; b != ""; {
		n := min(piece, len(b))
		if _, err := io.WriteString(nc, b[:n]); err != nil {
			break // closed already: the answer tells
		}
		b = b[n:]
	}
	br := bufio.NewReader(nc)
	method := http.MethodPost
	if strings.HasPrefix(c.bytes, "HEAD") {
		method = http.MethodHead
	}
	for range c.want {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Errorf("%s: %v after %v", c.name, err, statuses)
			return statuses, false
		}
		statuses = append(statuses, resp.StatusCode)
		if p := (api.Problem{}); resp.StatusCode >= 400 {
			if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Status != resp.StatusCode || p.Detail == "" || p.Title == "" {
				t.Errorf("%s: the problem is %+v, %v", c.name, p, err)
			}
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	if _, err := io.WriteString(nc, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return statuses, false
	}
	resp, err := http.ReadResponse(br, nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: neither an answer nor the end", c.name)
	}
	if err != nil {
		return statuses, false
	}
	_ = resp.Body.Close()
	return statuses, true
}

// A client that asks whether its body is wanted is told, and a body that is
// too large is refused before it is sent.
func TestExpectContinue(t *testing.T) {
	e := newInstant()
	e.manifest.Functions = []host.MethodManifest{{Name: "echo"}}
	addr := listen(t, e, Config{}, h1.Limits{})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	br := bufio.NewReader(nc)
	say := func(s string) {
		if _, err := io.WriteString(nc, s); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(want int) {
		t.Helper()
		resp, err := http.ReadResponse(br, nil)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%v, %v; want %d", resp, err, want)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	say(post + local + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
	hear(100)
	say("1")
	hear(200)
	say(ok)
	hear(200)
	say(post + local + "Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
	hear(413)
}
